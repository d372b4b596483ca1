"""A folder appears complete or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.datasets.atomic_folder import atomic_folder
from tasks.errors import NightError, UsageError


def test_folder_appears_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "data"
    with atomic_folder(target) as fresh:
        (fresh / "a.csv").write_text("1")
        assert not target.exists()
    assert (target / "a.csv").read_text() == "1"
    assert list(target.parent.iterdir()) == [target]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with atomic_folder(tmp_path / "data") as fresh:
        (fresh / "a.csv").write_text("1")
    assert (tmp_path / "data" / "a.csv").read_text() == "1"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def breaks() -> None:
        with atomic_folder(tmp_path / "data") as fresh:
            (fresh / "a.csv").write_text("1")
            raise error

    with pytest.raises(error):
        breaks()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["notes.txt", "ratings.csv", ".hidden"])
def test_existing_files_are_never_changed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(UsageError, match=f"is not empty: it holds {name}"), atomic_folder(tmp_path):
        raise AssertionError("never reached")
    with pytest.raises(UsageError, match="is a file"), atomic_folder(tmp_path / name):
        raise AssertionError("never reached")
    assert (tmp_path / name).read_text() == "precious"


def test_files_that_arrive_meanwhile_are_kept(tmp_path: Path) -> None:
    target = tmp_path / "data"

    def is_overtaken() -> None:
        with atomic_folder(target):
            target.mkdir()
            (target / "a.csv").write_text("precious")

    with pytest.raises(NightError, match="cannot write"):
        is_overtaken()
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert (target / "a.csv").read_text() == "precious"


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NightError, match="cannot write"), atomic_folder(tmp_path / "file" / "data"):
        raise AssertionError("never reached")
