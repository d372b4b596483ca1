"""Artifacts are stored atomically, used only if undamaged, and removed when no run holds them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from tasks.artifacts import CleanData, SourceCounts
from tasks.storage.artifact_store import Store, from_json, to_json


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
    assert store.keep_only({"fit/kept"}) == ["fit/.making-killed", "fit/old"]
    assert [p.name for p in (tmp_path / "fit").iterdir()] == ["kept"]


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
