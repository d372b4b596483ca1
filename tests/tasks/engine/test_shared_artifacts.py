"""Work on a machine that does not see the night's folder: it fetches what it names, and sends what it writes."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from tasks.artifacts import FittedModel
from tasks.engine.engine import BlockWork, MakeTable, Rows
from tasks.engine.shared_artifacts import SharedArtifacts, clear_cache, with_paths
from tasks.engine.worker import (
    BlockTask,
    StageFailedError,
    StageTask,
    code_of,
    read_block,
    run_stage,
    write_block,
)
from tasks.errors import NightError
from tasks.storage.artifact_store import Store
from tasks.storage.remote_store import RemoteStore
from tasks.storage.stage import stage


@dataclass(frozen=True)
class Job:
    fitted: FittedModel
    folder: Path


def open_numbers(job: Job) -> MakeTable:
    """Return a function that multiplies rows with the fitted number, and notes each block in a file."""
    factor = int((job.fitted.folder / "number.txt").read_text())

    def make(rows: Rows) -> pa.Table:
        (job.folder / f"noted-{rows.start}.txt").write_text(str(job.fitted.folder))
        return pa.table({"n": [factor * n for n in range(*rows)]})

    return make


@stage("example")
def example(earlier: FittedModel, *, key: str, folder: Path, checkpoints: Path) -> FittedModel:
    """Write twice the number of an earlier fit; with a checkpoint, the number of that."""
    number = 2 * int((earlier.folder / "number.txt").read_text())
    if number < 0:
        checkpoints.mkdir()
        (checkpoints / "number.txt").write_text("7")
        raise ZeroDivisionError
    (folder / "parts").mkdir()
    (folder / "parts" / "number.txt").write_text(str(number))
    return replace(earlier, key=key, folder=folder)


def fit_of(number: int, members: Mapping[str, str] | None = None) -> Any:
    def build(folder: Path) -> FittedModel:
        (folder / "number.txt").write_text(str(number))
        (folder / "model.json").write_text(json.dumps({"config": {"members": members}}))
        return FittedModel("k", folder, "als", 1.0, 1.0)

    return build


class Cluster:
    """A night's store with an address, and what a worker on another machine sees of it."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root / "night", RemoteStore(f"file://{root}/bucket"))
        self.cache = root / "cache"
        self.artifacts = SharedArtifacts(self.store.root, "another", self.store.remote, str(self.cache))

    def fetched(self) -> list[str]:
        return sorted(path.relative_to(self.artifacts.folder).as_posix() for path in self.cache.glob("*/*/*"))

    def block(self, fitted: FittedModel, rows: Rows, folder: Path) -> BlockTask:
        work = BlockWork(open_numbers, Job(fitted, folder))
        path = folder / ".blocks" / f"{rows.start}.arrow"
        task = BlockTask(work, rows, path, code_of(*work.modules), self.artifacts)
        return pickle.loads(pickle.dumps(task))


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def test_blocks_are_made_of_fetched_artifacts(cluster: Cluster) -> None:
    fitted = cluster.store.make("fit", "k", fit_of(3))
    scratch = cluster.store.root / "evaluate/.making-e"
    (scratch / ".blocks").mkdir(parents=True)
    for rows in (Rows(0, 2), Rows(2, 4)):
        task = cluster.block(fitted, rows, scratch)
        assert write_block(task).result == 2
        assert not task.path.exists()
        cluster.artifacts.take_file(task.path)
        assert read_block(task.path)["n"].to_pylist() == [3 * n for n in range(*rows)]
    cluster.artifacts.take_all(scratch, keep=False)
    noted = {path.name: path.read_text() for path in scratch.glob("*.txt")}
    assert noted == dict.fromkeys(("noted-0.txt", "noted-2.txt"), str(cluster.artifacts.folder / "fit/k"))
    assert cluster.store.remote.names() == {"fit/k": True}
    assert cluster.fetched() == ["fit/k"]
    clear_cache(cluster.artifacts)
    assert cluster.fetched() == []


def task_of(cluster: Cluster, earlier: FittedModel, folder: Path) -> StageTask[FittedModel]:
    supplied = {"key": "new", "folder": folder, "checkpoints": cluster.store.checkpoints("fit", "new")}
    code = code_of(*example.modules({}))
    task = StageTask(example.address, {"earlier": earlier}, supplied, code, cluster.artifacts)
    return pickle.loads(pickle.dumps(task))


def test_a_stage_sends_what_it_wrote_and_names_the_nights_folder(cluster: Cluster) -> None:
    earlier = cluster.store.make("fit", "k", fit_of(3))

    def build(folder: Path) -> FittedModel:
        found = run_stage(task_of(cluster, earlier, folder)).result
        assert (found.folder, list(folder.iterdir())) == (folder, [])
        cluster.artifacts.take_all(folder, keep=True)
        return found

    made = cluster.store.make("fit", "new", build)
    assert (made.folder / "parts/number.txt").read_text() == "6"
    assert cluster.store.remote.names() == {"fit/k": True, "fit/new": True}
    assert cluster.fetched() == ["fit/k"]


def test_a_checkpoint_is_found_by_the_next_process(cluster: Cluster, monkeypatch) -> None:
    earlier = cluster.store.make("fit", "k", fit_of(-3))
    for process in (1, 2):
        monkeypatch.setattr("tasks.engine.shared_artifacts.os.getpid", lambda number=process: number)
        with pytest.raises(StageFailedError) as failed:
            run_stage(task_of(cluster, earlier, cluster.store.root / "fit/.making-new"))
        assert type(failed.value.error) is (ZeroDivisionError if process == 1 else FileExistsError)
    assert cluster.fetched() == ["fit/.checkpoint-new", "fit/k"]


def test_the_members_of_an_ensemble_are_fetched_too(cluster: Cluster) -> None:
    cluster.store.make("fit", "member", fit_of(3))
    blend = cluster.store.make("fit", "blend", fit_of(5, {"als": "../member"}))
    assert cluster.artifacts.here(blend.folder) == cluster.artifacts.folder / "fit/blend"
    assert cluster.fetched() == ["fit/blend", "fit/member"]


def test_what_the_address_has_no_more_leaves_the_machine(cluster: Cluster) -> None:
    """Such as the artifacts of a user who was forgotten."""
    for key in ("old", "new"):
        made = cluster.store.make("fit", key, fit_of(1))
        if key == "old":
            cluster.artifacts.here(made.folder)
            cluster.store.remove("fit/old")
    cluster.artifacts.here(made.folder)
    assert cluster.fetched() == ["fit/new"]


def test_an_absent_or_damaged_artifact_is_an_error(cluster: Cluster) -> None:
    made = cluster.store.make("fit", "k", fit_of(3))
    Path(cluster.store.remote.address.removeprefix("file://"), "fit/k/number.txt").write_text("4")
    for folder in (made.folder, cluster.store.root / "fit/absent"):
        with pytest.raises(NightError, match=f"artifact fit/{folder.name} is not at .* or it is damaged"):
            cluster.artifacts.here(folder)
    assert cluster.fetched() == []


def test_workers_of_the_nights_machine_open_its_folder(cluster: Cluster) -> None:
    fitted = cluster.store.make("fit", "k", fit_of(3))
    folder = cluster.store.root / "evaluate/.making-e"
    (folder / ".blocks").mkdir(parents=True)
    here = replace(cluster.artifacts, machine=os.uname().nodename)
    task = replace(cluster.block(fitted, Rows(0, 2), folder), artifacts=here)
    write_block(task)
    assert (task.path.exists(), cluster.fetched()) == (True, [])
    here.take_file(task.path)
    here.take_all(folder, keep=False)
    assert (folder / "noted-0.txt").read_text() == str(fitted.folder)


def test_a_folder_of_another_user_is_refused(cluster: Cluster, monkeypatch) -> None:
    made = cluster.store.make("fit", "k", fit_of(3))
    monkeypatch.setattr("tasks.engine.shared_artifacts.os.getuid", lambda: 4711)
    with pytest.raises(NightError, match="belongs to another user") as caught:
        cluster.artifacts.here(made.folder)
    assert "engine.cache" in caught.value.hint


class Pair(NamedTuple):
    one: Path
    other: int


def test_paths_are_changed_wherever_they_are() -> None:
    given = {
        "job": Job(FittedModel("k", Path("a"), "als", 1, 1), Path("b")),
        "list": [Pair(Path("c"), 1), None],
    }
    found = with_paths(given, lambda path: Path("x") / path)
    assert found["list"] == [Pair(Path("x/c"), 1), None]
    assert (found["job"].fitted.folder, found["job"].folder) == (Path("x/a"), Path("x/b"))
    assert given["job"].folder == Path("b")
