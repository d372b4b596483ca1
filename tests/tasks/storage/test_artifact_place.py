"""Artifacts lie in the home, in a shared folder or at an address; they move, and bad places are refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tasks.errors import NightError, UsageError
from tasks.storage.artifact_place import check_place, place_artifacts
from tasks.storage.disk_use import disk_use
from tasks.storage.home import Home, existing_home, make_home
from tasks.storage.remote_store import RemoteStore


@dataclass(frozen=True)
class Thing:
    key: str
    folder: Path


def build(folder: Path) -> Thing:
    (folder / "rows.txt").write_text("one")
    return Thing("k", folder)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = make_home(tmp_path / "home", "my shop")
    for key in ("a", "b"):
        made.artifact_store.make("fit", key, build)
    return made


@pytest.fixture(params=["folder", "file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    (tmp_path / "shared").mkdir()
    places = {"folder": str(tmp_path / "shared"), "file": f"file://{tmp_path}/shared"}
    return places.get(request.param, f"memory://recs-{uuid4().hex}")


def found(home: Home) -> list[str]:
    return [key for key in ("a", "b") if home.artifact_store.find("fit", key, Thing) is not None]


def test_artifacts_move_to_a_place_and_back(home: Home, place: str) -> None:
    place_artifacts(home, place)
    assert existing_home(home.path).place == place
    assert found(home) == ["a", "b"]
    there = home.artifact_store
    assert there.root.parent == Path(place) or there.remote.names().keys() == {"fit/a", "fit/b"}
    place_artifacts(home, place)
    place_artifacts(home, "")
    assert (found(home), home.artifacts) == (["a", "b"], home.path / "artifacts")
    assert there.remote.names() == {} if there.remote is not None else not there.root.exists()


def test_a_place_holds_the_artifacts_of_several_homes(home: Home, place: str, tmp_path: Path) -> None:
    other = make_home(tmp_path / "other", "my shop")
    other.artifact_store.make("fit", "a", build)
    for each in (home, other):
        place_artifacts(each, place)
    home.artifact_store.keep_only(set())
    assert (found(home), found(other)) == ([], ["a"])
    place_artifacts(other, "")
    assert found(other) == ["a"]


def test_a_killed_move_is_finished(home: Home, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = (RemoteStore, "put") if "://" in place else (shutil, "move")
    original, calls = getattr(*step), []

    def dies_at_the_second(*args: object) -> object:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(*step, dies_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        place_artifacts(home, place)
    monkeypatch.undo()
    assert home.place_before == ""
    place_artifacts(home, "")
    assert (found(home), home.place_before) == (["a", "b"], None)


def test_artifacts_elsewhere_count_as_space_of_the_home(home: Home, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    before = disk_use(home)["artifacts"]
    place_artifacts(home, str(tmp_path / "shared"))
    assert disk_use(home)["artifacts"] == before > 0


def refuse_files(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("absent", "does not exist; one that all machines see was expected"),
        ("file", "is a file; one that all machines see was expected"),
        ("closed", "cannot be written to: Permission denied"),
        ("nowhere://bucket", "unknown protocol"),
    ],
)
def test_a_bad_place_is_refused_and_nothing_changes(
    home: Home, tmp_path: Path, place: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "closed").mkdir()
    if place == "closed":
        monkeypatch.setattr("tempfile.TemporaryFile", refuse_files)
    before = json.loads((home.path / "home.json").read_text())
    with pytest.raises(UsageError, match=fault) as caught:
        place_artifacts(home, place if "://" in place else str(tmp_path / place))
    assert caught.value.hint
    assert json.loads((home.path / "home.json").read_text()) == before
    assert found(home) == ["a", "b"]


def test_a_share_that_is_not_mounted_is_refused(home: Home, tmp_path: Path) -> None:
    """A night would else make all results anew, in the folder below the mount."""
    shared = tmp_path / "shared"
    shared.mkdir()
    place_artifacts(home, str(shared))
    shared.rename(tmp_path / "elsewhere")
    shared.mkdir()
    with pytest.raises(NightError, match="have gone: there is no folder") as caught:
        check_place(home, str(shared))
    assert "mounted" in caught.value.hint
    with pytest.raises(NightError, match="have gone"):
        place_artifacts(home, "")
