"""Compare nights on a Ray cluster of one-CPU nodes on this machine with a night without Ray, also with nodes killed.

python -m benchmarks.ray_cluster [DATASET] [--models a,b] [--kill STAGE]... [--set key=value]... [--workers 2]

DATASET is a name that `recs run` knows, a folder, or `gowalla`: the likes of ../shared/data/gowalla with drawn times
(29,858 users, 40,981 items). It is an extra: pip install 'nightly-recs[ray]'. All nights report to one Prefect server
that stays up meanwhile; PREFECT_API_URL names yours. Each --kill, such as `recommend` or `fit-als`, is one more night,
in which a node is killed with SIGKILL in the midst of a task of that stage (of any fit, once that of als has begun).

The machine-readable last line has the seconds of each night and the verdicts: equal_*, whether all published rows and
files are those of the night without Ray byte for byte but for run ids; within_request, whether no worker's process
outgrew what was asked for; left, how many processes of Ray live afterwards.
"""

from __future__ import annotations

import argparse
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.command import at_least, refuse_bad_input
from flows.prefect_runtime.home import configure_prefect, import_prefect
from tasks.config.load import load_settings
from tasks.config.settings import PublishSettings
from tasks.errors import NightError, UsageError
from tasks.monitoring.events import SilentWatcher
from tasks.run.lifecycle import run_night
from tasks.storage.home import open_home

GOWALLA = Path(__file__).resolve().parents[2] / "shared" / "data" / "gowalla" / "train.txt"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
LIKES_COUNT = 'utility.signals={like = {source = "events", event = "like"}}'
TABLES = ("recommendations", "similar_items", "fallback_recommendations")


@dataclass(frozen=True)
class Made:
    """A night that has ended.

    Attributes:
        seconds: that it took.
        rows: SHA-256 of the published rows by table, without run ids.
        files: SHA-256 of the published files by name.
        peaks: of its engine.
    """

    seconds: float
    rows: dict[str, str]
    files: dict[str, str]
    peaks: dict[str, tuple[float, float]]

    def same_lists(self, other: Made) -> bool:
        """Return whether the other night published the same, byte for byte but for run ids."""
        return self.rows == other.rows and self.files == other.files


WORK = {"recommend": ("user_lists",), "evaluate": ("judged_users",), "fit": ("fit", "BlockHolder.")}
"""Stage → how the names of its tasks on Ray begin; through Prefect a fit is called so whatever its model, and als in
blocks is fitted by actors."""


class Killer(SilentWatcher):
    """Kills a node in the midst of a task of a stage."""

    def __init__(self, nodes: Any, stage: str) -> None:
        self._nodes, self._stage = nodes, stage
        self._thread: threading.Thread | None = None
        self.killed = ""

    def started(self, stage: str, model: str | None) -> None:
        """Kill a node if this is the stage, as soon as one of its tasks runs."""
        if self._stage in (stage, f"{stage}-{model}") and self._thread is None:
            self._thread = threading.Thread(target=self._kill)
            self._thread.start()

    def _kill(self) -> None:
        self.killed = self._nodes.kill_one_that_runs(*WORK[self._stage.partition("-")[0]])
        print(f"killed a node in the midst of {self.killed}", flush=True)


def run(dataset: str, folder: Path, overrides: Sequence[str], watcher: SilentWatcher | None = None) -> Made:
    """Run a night through Prefect in a fresh home.

    Args:
        dataset: as for `recs run`.
        folder: the home.
        overrides: settings.
        watcher: is told of its stages.

    Raises:
        NightError: it did not publish.
    """
    from flows.nightly import run_flow  # noqa: PLC0415  (after configure_prefect)

    home, engines, started = open_home(dataset, folder), [], time.perf_counter()
    settings = load_settings(None, tuple(overrides)).model_copy(update={"publish": PublishSettings()})

    def noted(night: Any) -> None:
        engines.append(night.engine)
        run_flow(night)

    outcome = run_night(home, settings, noted, watcher or SilentWatcher())
    seconds = time.perf_counter() - started
    if outcome.run.status != "published" or outcome.run.failed_models:
        raise NightError(f"The night in {folder.name} did not go well: {outcome.run}.")
    [lists] = (home.artifacts / "recommend").iterdir()
    files = {path.name: sha256(path.read_bytes()).hexdigest() for path in lists.glob("*.parquet")}
    print(f"{folder.name}: {seconds:.0f} s, {outcome.run.champion}, {outcome.run.rows:,} rows", flush=True)
    return Made(seconds, published(folder), files, getattr(engines[0], "peaks", {}))


def published(home: Path) -> dict[str, str]:
    """Return SHA-256 of the live rows of a home's lists by table, without the ids of runs."""
    found = {}
    with closing(sqlite3.connect(home / "recommendations.db")) as con:
        for table in TABLES:
            rows = con.execute(f"select * from {table} order by 1, 2")  # noqa: S608  (of TABLES)
            kept = [place for place, column in enumerate(rows.description) if column[0] != "run_id"]
            digest = sha256()
            for row in rows:
                digest.update(repr([row[place] for place in kept]).encode())
            found[table] = digest.hexdigest()
    return found


def write_gowalla(folder: Path) -> str:
    """Write Gowalla's likes as events into a folder, at drawn times of one year, and return its name.

    Raises:
        UsageError: the likes are not there.
    """
    if not GOWALLA.exists():
        raise UsageError(f"{GOWALLA} does not exist.", "Give a folder or a name, such as demo.")
    lines = [[int(part) for part in line.split()] for line in GOWALLA.read_text().splitlines()]
    likes = np.array([(line[0], item) for line in lines for item in line[1:]])
    times = 1_262_304_000 + np.random.default_rng(1).integers(0, 365 * 86_400, len(likes))
    folder.mkdir()
    with (folder / "events.csv").open("w", encoding="utf-8") as file:
        file.write("userId,itemId,event,value,timestamp\n")
        for (user, item), when in zip(likes.tolist(), times.tolist(), strict=True):
            file.write(f"{user},{item},like,1,{when}\n")
    return str(folder)


@contextmanager
def prefect_server(folder: Path) -> Iterator[None]:
    """Run a Prefect server in a process of its own inside this context, unless PREFECT_API_URL names one."""
    if os.environ.get("PREFECT_API_URL"):
        yield
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(  # noqa: S603  (no part of it is user input)
        [sys.executable, "-m", "flows.prefect_runtime.standing_server", str(port)],
        env={**os.environ, "PREFECT_HOME": str(folder / "server"), "PREFECT_LOGGING_LEVEL": "ERROR"},
        stdout=subprocess.DEVNULL,
    )
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    try:
        last = time.monotonic() + 240
        while not _answers(os.environ["PREFECT_API_URL"]):
            if time.monotonic() > last or server.poll() is not None:
                raise NightError("Prefect's server did not start.", "Its output is above.")
            time.sleep(0.5)
        yield
    finally:
        del os.environ["PREFECT_API_URL"]
        server.terminate()
        server.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def compare(asked: argparse.Namespace, folder: Path) -> list[str]:
    """Run all nights, and return the fields of the last line."""
    from benchmarks.ray_nodes import processes_of_ray, ray_nodes  # noqa: PLC0415  (an extra)

    dataset, overrides = asked.dataset, [f"models.shelf={asked.models}"] if asked.models else []
    if dataset == "gowalla":
        dataset = write_gowalla(folder / "likes")
        overrides.append(LIKES_COUNT)
    overrides += asked.set
    before = [int(place.name) for place in Path("/proc").glob("[0-9]*")]
    alone = run(dataset, folder / "local", overrides)
    said, peaks = [f"local_s={alone.seconds:.1f}"], dict[str, tuple[float, float]]()
    for kill in ("", *asked.kill):
        with ray_nodes(asked.workers, asked.node_memory_mb) as nodes:
            on_ray = (*overrides, "engine.kind=ray", f"engine.address={nodes.address}")
            watcher = Killer(nodes, kill)
            name = f"ray-{kill}" if kill else "ray"
            made = run(dataset, folder / name, on_ray, watcher)
            if kill and not watcher.killed:
                raise NightError(f"No node was killed in {kill!r}.", "Give a stage with work on the workers.")
        name = name.replace("-", "_")
        said += [f"{name}_s={made.seconds:.1f}", f"equal_{name}={alone.same_lists(made)}"]
        for label, (peak, request) in made.peaks.items():
            peaks[label] = max(peaks.get(label, (0.0, 0.0))[0], peak), request
    for label, (peak, request) in peaks.items():
        print(f"{label}: {peak:,.0f} MB of {request:,.0f} MB")
    within = all(peak <= request for peak, request in peaks.values())
    last = time.monotonic() + 30  # processes of a killed node end when they notice
    while processes_of_ray(before) and time.monotonic() < last:
        time.sleep(0.5)
    return [*said, f"within_request={within}", f"left={len(processes_of_ray(before))}"]


def stage_to_kill_in(text: str) -> str:
    """Return a stage with work on the workers, such as `recommend` or `fit-als`: an argparse type."""
    if text.partition("-")[0] not in WORK:
        raise argparse.ArgumentTypeError(
            f"{text!r} is none of {', '.join(WORK)}, nor one of a model like fit-als"
        )
    return text


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="?", default="demo")
    parser.add_argument("--models", default="", help="the shelf; by default that of the settings")
    parser.add_argument("--kill", action="append", default=[], metavar="STAGE", type=stage_to_kill_in)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for recs run")
    parser.add_argument("--workers", type=at_least(1), default=2, help="nodes of one CPU")
    parser.add_argument("--node-memory-mb", type=at_least(500), default=6000, help="what each says it has")
    asked = parser.parse_args()
    if find_spec("ray") is None or find_spec("prefect_ray") is None:
        raise UsageError("Ray is not installed.", "Install it with: pip install 'nightly-recs[ray]'")
    if os.environ.keys() & ONE_THREAD.keys() != ONE_THREAD.keys():
        # The libraries read their number of threads when they are loaded: begin again with it
        os.execve(  # noqa: S606
            sys.executable, [sys.executable, "-m", __spec__.name, *sys.argv[1:]], os.environ | ONE_THREAD
        )
    with tempfile.TemporaryDirectory(prefix="nightly-recs-ray-") as folder, prefect_server(Path(folder)):
        own = Path(folder) / "prefect"
        own.mkdir()
        configure_prefect(own, debug=False)
        import_prefect()
        print(" ".join(compare(asked, Path(folder))))


if __name__ == "__main__":
    refuse_bad_input(main)
