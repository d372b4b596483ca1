"""Digests of input files: each file is read once a night, and a change is never missed."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from tasks.errors import TransientError
from tasks.ingestion import file_digest, read_file
from tasks.ingestion.file_digest import digest_file
from tasks.ingestion.land import plan_intake
from tests.tasks.inputs import LENIENT, RATINGS, TAGS, land_now, rows

ROW = "1,2,3,100000000\n"


@pytest.fixture
def count_hashes(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return a function that counts the hashed files; digests are kept however new the file is."""
    hashed: list[Any] = []

    def sha256() -> Any:
        hashed.append(hashlib.sha256())
        return hashed[-1]

    monkeypatch.setattr(file_digest, "hashlib", SimpleNamespace(sha256=sha256))
    monkeypatch.setattr(file_digest, "_SETTLED_NS", -(10**12))
    return lambda: len(hashed)


def test_a_night_reads_each_file_once(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    count_hashes: Callable[[], int],
) -> None:
    """Planning and landing share one hash, and line ends are counted while hashing."""
    (folder / "ratings.csv").write_text(RATINGS + ROW)
    (folder / "tags.csv").write_text(TAGS + "1,2,noir,100000000\n")
    monkeypatch.delattr(read_file, "_mixes_line_ends")
    plan = plan_intake(con, folder, LENIENT)
    assert land_now(con, folder) == plan
    assert count_hashes() == 2
    assert rows(con, "select source, sha256 from landed_files order by source") == [
        (source, hashlib.sha256((folder / f"{source}.csv").read_bytes()).hexdigest())
        for source in ("ratings", "tags")
    ]


def test_a_change_between_plan_and_landing_is_noticed(
    con: duckdb.DuckDBPyConnection, folder: Path, count_hashes: Callable[[], int]
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + ROW)
    plan = plan_intake(con, folder, LENIENT)
    (folder / "ratings.csv").write_text(RATINGS + ROW + ROW)
    assert land_now(con, folder) != plan
    assert count_hashes() == 2
    assert rows(con, "select count(*) from raw_ratings") == [(2,)]


@pytest.mark.usefixtures("count_hashes")
def test_a_change_is_noticed_when_size_and_mtime_stay(tmp_path: Path) -> None:
    file = tmp_path / "ratings.csv"
    file.write_text("old")
    os.utime(file, (1e9, 1e9))
    before = digest_file(file)
    replacement = tmp_path / "new.csv"
    replacement.write_text("new")
    os.utime(replacement, (1e9, 1e9))
    replacement.rename(file)
    assert digest_file(file).sha256 == hashlib.sha256(b"new").hexdigest() != before.sha256


def test_a_file_written_just_now_is_hashed_every_time(tmp_path: Path) -> None:
    """Two writes within one tick of the file system's clock leave the same times."""
    file = tmp_path / "ratings.csv"
    for content in ("one", "two"):
        file.write_text(content)
        os.utime(file, (1e9, 1e9))
        assert digest_file(file).sha256 == hashlib.sha256(content.encode()).hexdigest()


def test_a_file_that_grows_while_hashed_does_not_land(
    con: duckdb.DuckDBPyConnection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "ratings.csv"
    file.write_text(RATINGS + ROW)

    class GrowingHash:
        def update(self, block: bytes) -> None:
            del block
            with file.open("a") as more:
                more.write(ROW)
            monkeypatch.setattr(GrowingHash, "update", lambda *_: None)

        def hexdigest(self) -> str:
            return "0" * 64

    monkeypatch.setattr(file_digest, "hashlib", SimpleNamespace(sha256=GrowingHash))
    with pytest.raises(TransientError, match="changed while it was read"):
        land_now(con, folder)
    assert rows(con, "from landed_files") == []


@pytest.mark.parametrize(
    ("name", "content", "mixed"),
    [
        ("a.csv", b"1\n2\n", False),
        ("a.csv", b"1\r\n2\r\n", False),
        ("a.TSV", b"1\r\n2\n", True),
        ("a.csv", b"1\r2\r", False),
        ("a.csv", b"", False),
        ("a.csv", b"\n" * ((1 << 20) - 1) + b"\r\n", True),
        ("a.csv", b"1\r" * (1 << 19) + b"\r\n", True),
        ("a.csv.gz", gzip.compress(b"1\r\n2\n"), None),
        ("a.parquet", b"1\r\n2\n", None),
    ],
    ids=["lf", "crlf", "both", "cr", "empty", "late crlf", "across blocks", "gzip", "parquet"],
)
def test_mixed_line_ends(tmp_path: Path, name: str, content: bytes, mixed: bool | None) -> None:
    (tmp_path / name).write_bytes(content)
    assert digest_file(tmp_path / name).mixes_line_ends is mixed


def test_a_file_with_old_times_is_settled_by_its_ctime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that keeps the modification time, as by `cp -p` or rsync, may just have been written."""
    hashed: list[Any] = []

    def sha256() -> Any:
        hashed.append(hashlib.sha256())
        return hashed[-1]

    monkeypatch.setattr(file_digest, "hashlib", SimpleNamespace(sha256=sha256))
    file = tmp_path / "ratings.csv"
    file.write_text("old")
    os.utime(file, (1e9, 1e9))
    assert digest_file(file) == digest_file(file)
    assert len(hashed) == 2
