"""Artifacts are stored atomically, used only if undamaged, and removed when no run holds them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tasks.artifacts import CleanData, SourceCounts
from tasks.storage.artifact_store import Store, from_json, to_json, write_text


@dataclass(frozen=True)
class Thing:
    key: str
    folder: Path
    rows: int


def build(folder: Path) -> Thing:
    (folder / "rows.txt").write_text("one\ntwo\n")
    return Thing("k", folder, 2)


def test_a_stored_artifact_is_found_by_its_key(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = store.make("fit", "k", build)
    assert made == Thing("k", tmp_path / "fit" / "k", 2)
    assert store.find("fit", "k", Thing) == made
    assert store.find("fit", "other", Thing) is None


def test_a_stage_that_fails_leaves_no_artifact(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def dies(folder: Path) -> Thing:
        build(folder)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        store.make("fit", "k", dies)
    assert store.find("fit", "k", Thing) is None
    assert store.make("fit", "k", build).rows == 2


@pytest.mark.parametrize("damage", ["one\ntwo\nthree\n", None])
def test_a_damaged_artifact_is_not_found(tmp_path: Path, damage: str | None) -> None:
    store = Store(tmp_path)
    file = store.make("fit", "k", build).folder / "rows.txt"
    file.unlink() if damage is None else file.write_text(damage)
    assert store.find("fit", "k", Thing) is None


def test_artifacts_that_no_run_holds_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.make("fit", "kept", build)
    store.make("fit", "old", build)
    (tmp_path / "fit" / ".making-killed").mkdir()
    store.checkpoints("fit", "old").mkdir()
    store.checkpoints("fit", "interrupted").mkdir()
    removed = store.keep_only({"fit/kept", "fit/interrupted"})
    assert removed == ["fit/.checkpoint-old", "fit/.making-killed", "fit/old"]
    assert {p.name for p in (tmp_path / "fit").iterdir()} == {"kept", ".checkpoint-interrupted"}


def test_a_reference_is_the_same_after_json() -> None:
    data = CleanData(
        key="k",
        counts=(SourceCounts("ratings", 3, 1, 1, 1, {"rating: not a number": 1}),),
        user_id_type="BIGINT",
        item_id_type="TEXT",
        newest_interaction=datetime(2026, 1, 2, 3, 4, 5, 678),
        n_users=1,
        n_items=1,
    )
    assert from_json(CleanData, to_json(data)) == data


def test_one_damaged_file_of_several_is_enough(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def build_two(folder: Path) -> Thing:
        (folder / "more.txt").write_text("three\n")
        return build(folder)

    made = store.make("fit", "k", build_two)
    (made.folder / "more.txt").write_text("other\n")
    assert store.find("fit", "k", Thing) is None


def test_a_reference_of_another_version_is_not_found(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Newer:
        key: str
        folder: Path
        columns: int

    store = Store(tmp_path)
    store.make("fit", "k", build)
    assert store.find("fit", "k", Newer) is None


def test_half_made_folders_are_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    kept = store.make("fit", "k", build)
    (tmp_path / "fit" / ".making-killed").mkdir()
    store.sweep()
    assert [path.name for path in (tmp_path / "fit").iterdir()] == [kept.key]


def test_checkpoints_are_kept_until_the_artifact_is_stored(tmp_path: Path) -> None:
    store, checkpoints = Store(tmp_path), Store(tmp_path).checkpoints("fit", "k")

    def dies(folder: Path) -> Thing:
        checkpoints.mkdir(parents=True)
        (checkpoints / "state").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.make("fit", "k", dies)
    store.sweep()
    assert (checkpoints / "state").read_text() == "half"
    store.make("fit", "other", build)
    assert checkpoints.exists()
    store.make("fit", "k", build)
    assert not checkpoints.exists()


def test_a_write_that_fails_leaves_the_old_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.json"
    write_text(path, "old")

    def fails(_: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(OSError, match="full"):
        write_text(path, "new")
    assert path.read_text() == "old"
