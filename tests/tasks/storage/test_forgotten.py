"""The list of forgotten ids: hashes only, readable by the owner, and how a value of a file is read as an id."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from tasks.errors import NightError
from tasks.storage.forgotten import new_list, read_forgotten, read_list, readings, write_forgotten


@pytest.mark.parametrize(
    ("text", "id_type", "ids"),
    [
        ("42", "BIGINT", ("42",)),
        (" 42.0 ", "BIGINT", ("42",)),
        ("\ufeff42,0", "BIGINT", ("42",)),
        ("+7", "BIGINT", ("7",)),
        ("007", "BIGINT", ("7",)),
        ("u-42", "BIGINT", ()),
        ("", "BIGINT", ()),
        ("9" * 5000, "BIGINT", ()),
        ("007", "TEXT", ("007",)),
        ("\tanna ", "TEXT", ("anna",)),
        ("7.0", "TEXT", ("7.0", "7")),
        ("v1.0", "TEXT", ("v1.0",)),
        (" ", "TEXT", ()),
    ],
)
def test_values_are_read_as_the_night_reads_them(text: str, id_type: str, ids: tuple[str, ...]) -> None:
    assert readings(text, id_type) == ids


def test_the_file_holds_neither_ids_nor_plain_hashes(tmp_path: Path) -> None:
    path = tmp_path / "forgotten.json"
    listed = new_list(("TEXT", "BIGINT"))
    listed.add("user", ["anna-lovelace"])
    listed.add("item", [4711])
    write_forgotten(path, listed)
    text = path.read_text()
    assert "anna-lovelace" not in text
    assert hashlib.sha256(b"user:anna-lovelace").hexdigest() not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = read_forgotten(path)
    assert found == listed
    assert found.refuses("user", " anna-lovelace ")
    assert found.refuses("item", "4711.0")
    assert not found.refuses("item", "anna-lovelace")
    assert not found.refuses("user", "4711")


def test_two_homes_hash_the_same_id_differently() -> None:
    one, other = new_list(("TEXT", "TEXT")), new_list(("TEXT", "TEXT"))
    assert one.hash_of("user", "anna") != other.hash_of("user", "anna")
    assert one.hash_of("user", "anna") != one.hash_of("item", "anna")


def test_the_version_changes_with_the_list_and_back() -> None:
    listed = new_list(("BIGINT", "BIGINT"))
    empty = listed.version
    listed.add("user", [42])
    version = listed.version
    listed.mark_proved("user", [42])
    assert listed.version == version != empty
    listed.remove("user", 42)
    assert listed.version == empty


def test_a_list_without_ids_refuses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "forgotten.json"
    assert read_forgotten(path) is None
    write_forgotten(path, new_list(("BIGINT", "BIGINT")))
    assert read_forgotten(path) is None
    assert read_list(path) is not None


def test_a_damaged_list_stops_the_night(tmp_path: Path) -> None:
    path = tmp_path / "forgotten.json"
    path.write_text('{"key": "zz"')
    with pytest.raises(NightError, match="who must not be taken in again"):
        read_forgotten(path)
