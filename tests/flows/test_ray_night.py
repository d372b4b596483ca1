"""Nights on a Ray cluster of two nodes: the lists of a local night, also when a node is killed in their midst."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.nightly import run_flow
from models.factors.als import ALS
from tasks.config.load import load_settings
from tasks.engine.shared_artifacts import SharedArtifacts
from tasks.monitoring.events import SilentWatcher
from tasks.recommendation import recommend as recommend_module
from tasks.run.context import Night
from tasks.run.dag import nightly
from tasks.run.lifecycle import run_night
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Run
from tests.flows.conftest import SETTINGS

pytest.importorskip("ray", reason="Ray is an extra: pip install 'nightly-recs[ray]'")
pytest.importorskip("prefect_ray", reason="Ray is an extra: pip install 'nightly-recs[ray]'")

from benchmarks.ray_nodes import Nodes, processes_of_ray, ray_nodes

pytestmark = [pytest.mark.slow]

MODELS = ("models.shelf=popularity,item_knn,als,bpr", "models.bpr.factors=8", "blend.enabled=true")
TABLES = ("recommendations", "similar_items", "fallback_recommendations")


class Ended:
    """A night that has ended, and the engine that it ran on."""

    def __init__(self, home: Home, run: Run, engine: Any) -> None:
        self.home, self.engine, self.fits = home, engine, run.summary.fits
        self.status = run.status if not run.failed_models else f"without {run.failed_models}"

    def published(self) -> dict[str, list[tuple]]:
        """Return the live rows of every table without the id of the run."""
        found = {}
        with closing(sqlite3.connect(self.home.path / "recommendations.db")) as con:
            for table in TABLES:
                rows = con.execute(f"select * from {table} order by 1, 2")
                kept = [place for place, column in enumerate(rows.description) if column[0] != "run_id"]
                found[table] = [tuple(row[place] for place in kept) for row in rows]
        return found

    def lists(self) -> dict[str, bytes]:
        """Return the files that were published."""
        [folder] = (self.home.artifacts / "recommend").iterdir()
        return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


class KillAt(SilentWatcher):
    """Kills a node in the midst of a task, once a stage has begun, or once the first of its blocks is done."""

    def __init__(self, nodes: Nodes, event: str, work: str) -> None:
        self.nodes, self.event, self.work = nodes, event, work
        self.killing: threading.Thread | None = None
        self.killed = ""

    def _kill(self) -> None:
        self.killed = self.nodes.kill_one_that_runs(self.work)

    def _seen(self, event: str) -> None:
        if event == self.event and self.killing is None:
            self.killing = threading.Thread(target=self._kill)
            self.killing.start()

    def started(self, stage: str, model: str | None) -> None:
        self._seen(f"{stage} {model} begins")

    def advanced(self, stage: str, model: str | None, done: int, total: int) -> None:
        self._seen(f"{stage} advances")


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    with ray_nodes() as started:
        yield started


@pytest.fixture
def night(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ended]:
    monkeypatch.setattr(recommend_module, "_BLOCK", 16)

    def run(name: str, *overrides: str, flow: Callable[[Night], None] = nightly, watcher=None) -> Ended:
        home, engines = open_home(str(dataset), tmp_path / name), []

        def noted(begun: Night) -> None:
            engines.append(begun.engine)
            flow(begun)

        settings = load_settings(None, (*SETTINGS, *MODELS, *overrides))
        outcome = run_night(home, settings, noted, watcher or SilentWatcher())
        return Ended(home, outcome.run, engines[0])

    return run


def on(nodes: Nodes) -> tuple[str, str]:
    return "engine.kind=ray", f"engine.address={nodes.address}"


def completed_task_runs() -> set[str]:
    """Return the names of all task runs that Prefect knows to be completed; it hears of them a little later."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415  (the whole client)

    last, names = time.monotonic() + 60, set[str]()
    while time.monotonic() < last and "fit blend on Ray" not in names:
        with get_client(sync_client=True) as client:
            runs = client.read_task_runs()
        names = {run.name for run in runs if run.state_name == "Completed"}
        time.sleep(0.5)
    return names


@pytest.mark.usefixtures("prefect_server")
def test_a_night_on_ray_publishes_the_lists_of_a_local_one(nodes, night) -> None:
    """It runs through prefect-ray, takes no more memory than it asked for, and leaves no process behind."""
    local, remote = night("local"), night("remote", *on(nodes), flow=run_flow)
    assert (local.status, remote.status) == ("published", "published")
    assert remote.published() == local.published()
    assert remote.lists() == local.lists()
    peaks = remote.engine.peaks
    assert {"fit als", "fit blend", "user_lists", "similar_items", "judged_users"} <= peaks.keys()
    assert {label: peak for label, peak in peaks.items() if peak[0] > peak[1]} == {}
    assert {"fit als on Ray", "fit blend on Ray"} <= completed_task_runs()


def test_a_node_killed_while_lists_are_made_costs_nothing(nodes, night) -> None:
    local = night("local")
    killer = KillAt(nodes, "recommend advances", "user_lists")
    remote = night("remote", *on(nodes), watcher=killer)
    assert (remote.status, bool(killer.killed), nodes.n_workers) == ("published", True, 1)
    assert remote.lists() == local.lists()


def test_a_node_killed_while_a_model_is_fitted_costs_nothing(nodes, night) -> None:
    long = ("models.als.iterations=1000", "models.als.factors=64")
    local = night("local", *long)
    killer = KillAt(nodes, "fit als begins", "fit als")
    remote = night("remote", *long, *on(nodes), watcher=killer)
    assert (remote.status, bool(killer.killed), nodes.n_workers) == ("published", True, 1)
    assert remote.lists() == local.lists()


def als_scores(ended: Ended) -> dict[str, np.ndarray]:
    """Return the scores of a night's fits of als, by the key of the snapshot."""
    found = {}
    for snapshot, fits in ended.fits.items():
        if "als" in fits:  # a refit may be of others alone
            model = ALS.load(ended.home.artifacts / "fit" / fits["als"])
            found[snapshot] = model.user_factors_ @ model.item_factors_.T
    return found


def test_a_node_killed_while_als_is_in_blocks_costs_nothing(nodes, night) -> None:
    """Its factors are those of a fit as a whole but for rounding: Gramians are sums of two."""
    config = ("models.als.iterations=50", "models.als.factors=16")
    local = night("local", *config)
    killer = KillAt(nodes, "fit als begins", "BlockHolder.")
    remote = night("remote", *config, *on(nodes), "engine.als_blocks=2", watcher=killer)
    assert (remote.status, bool(killer.killed), nodes.n_workers) == ("published", True, 1)
    found, expected = als_scores(remote), als_scores(local)
    assert expected
    for snapshot, scores in expected.items():
        assert np.linalg.norm(found[snapshot] - scores) < 1e-4 * np.linalg.norm(scores)
    peak, request = remote.engine.peaks["fit als"]
    assert 50 < peak < request
    assert list(remote.home.artifacts.rglob(".blocks-*")) == []


class Fetched(SilentWatcher):
    """Notes what lies in the cache of the workers while blocks of lists are made."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.stages = cache, set[str]()

    def advanced(self, stage: str, model: str | None, done: int, total: int) -> None:
        self.stages |= {path.parent.name for path in self.cache.glob("*/*/*") if path.is_dir()}


def test_workers_that_do_not_see_the_home_make_the_same(nodes, night, tmp_path, monkeypatch) -> None:
    def elsewhere(root: Path, machine: str, *rest: Any) -> SharedArtifacts:
        return SharedArtifacts(root, f"not {machine}", *rest)

    monkeypatch.setattr("tasks.engine.open_engine.SharedArtifacts", elsewhere)
    cache, bucket = tmp_path / "cache", tmp_path / "bucket"
    places = (f"engine.artifacts=file://{bucket}", f"engine.cache={cache}")
    watcher = Fetched(cache)
    local, remote = night("local"), night("remote", *on(nodes), *places, watcher=watcher)
    assert (local.status, remote.status) == ("published", "published")
    assert remote.lists() == local.lists()
    assert {"fit", "utility", "held_out"} <= watcher.stages
    assert list(cache.iterdir()) == []
    assert list(bucket.glob("*/*/.*")) == []
    here = {path.relative_to(remote.home.artifacts) for path in remote.home.artifacts.glob("*/*/*")}
    assert {path.relative_to(next(bucket.iterdir())) for path in bucket.glob("*/*/*/*")} == here


def test_no_process_is_left_when_the_cluster_has_ended(night) -> None:
    before = [int(place.name) for place in Path("/proc").glob("[0-9]*")]
    with ray_nodes(1) as nodes:
        assert night("remote", *on(nodes)).status == "published"
        assert processes_of_ray(before)
    last = time.monotonic() + 30
    while processes_of_ray(before) and time.monotonic() < last:
        time.sleep(0.2)
    assert processes_of_ray(before) == []
