"""Artifacts are stored atomically, used only if undamaged, and removed when no run holds them."""

import hashlib
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import pytest

from tasks.artifacts import CleanData, SourceCounts
from tasks.storage import artifact_store
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


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the name of every file that is read for its digest."""
    read: list[str] = []
    really = hashlib.file_digest

    def noting(file: BinaryIO, name: str) -> object:
        read.append(Path(file.name).name)
        return really(file, name)

    monkeypatch.setattr(hashlib, "file_digest", noting)
    return read


def test_a_file_is_read_again_only_after_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, read = Store(tmp_path), count_reads(monkeypatch)
    file = store.make("fit", "k", build).folder / "rows.txt"
    time.sleep(0.1)
    assert store.find("fit", "k", Thing) == store.find("fit", "k", Thing) is not None
    assert read == ["rows.txt"] * 2, "once when it was made, too young to be known again, and once when found"
    times = file.stat()
    file.write_text("two\none\n")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert store.find("fit", "k", Thing) is None, "of the same size and time, but not the same"


def test_a_young_file_is_read_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, read = Store(tmp_path), count_reads(monkeypatch)
    monkeypatch.setattr(artifact_store, "_CLOCK_STEP", 60 * 10**9)
    store.make("fit", "k", build)
    assert store.find("fit", "k", Thing) == store.find("fit", "k", Thing) is not None
    assert len(read) == 3


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
