"""Where numba keeps compiled code when neither the installation nor the user's cache can be written."""

import os
import tempfile
from pathlib import Path

import pytest

from flows import numba_cache


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file, below which no folder can be made, in place of the installation and of the user's cache."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setattr(numba_cache, "_SOURCE", file / "models")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    return file


def chosen() -> str:
    numba_cache.set_numba_cache()
    return os.environ["NUMBA_CACHE_DIR"]


def test_a_private_folder_replaces_places_that_cannot_be_written(nowhere: Path) -> None:
    folder = Path(chosen())
    assert folder == nowhere.parent / f"nightly-recs-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert chosen() == str(folder)


def test_a_folder_that_others_can_write_is_not_taken(nowhere: Path) -> None:
    (nowhere.parent / f"nightly-recs-{os.getuid()}").mkdir()
    folder = Path(chosen())
    assert folder.name != f"nightly-recs-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_numba_keeps_a_place_that_it_can_write(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert chosen() == ""


def test_a_folder_that_the_user_names_stays(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/theirs")
    assert chosen() == "/theirs"
