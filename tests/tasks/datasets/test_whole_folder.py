"""A folder is all there or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.datasets.whole_folder import whole_folder
from tasks.errors import NightError, UsageError


def test_appears_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "data"
    with whole_folder(target, ["a.csv"]) as fresh:
        (fresh / "a.csv").write_text("1")
        assert not target.exists()
    assert (target / "a.csv").read_text() == "1"
    assert list(target.parent.iterdir()) == [target]


def test_replaces_its_own_older_version(tmp_path: Path) -> None:
    for text in ("1", "2"):
        with whole_folder(tmp_path / "data", ["a.csv", "b.csv"]) as fresh:
            (fresh / ("a.csv" if text == "1" else "b.csv")).write_text(text)
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["b.csv"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_the_older_version(tmp_path: Path, error: type[BaseException]) -> None:
    with whole_folder(tmp_path / "data", ["a.csv"]) as fresh:
        (fresh / "a.csv").write_text("1")
    with pytest.raises(error), whole_folder(tmp_path / "data", ["a.csv"]):
        raise error
    assert (tmp_path / "data" / "a.csv").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_leaves_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds notes\.txt"), whole_folder(tmp_path, ["a.csv"]):
        raise AssertionError("never reached")
    with pytest.raises(UsageError, match="is a file"), whole_folder(tmp_path / "notes.txt", ["a.csv"]):
        raise AssertionError("never reached")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NightError, match="cannot write"), whole_folder(tmp_path / "file" / "data", []):
        raise AssertionError("never reached")
