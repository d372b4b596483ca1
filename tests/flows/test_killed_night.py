"""A killed night resumes where it stopped, repeats no finished stage, and publishes the same lists."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL

from tasks.run.dag import nightly
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Runs
from tests.flows.conftest import RunNight, run_small_night
from tests.flows.killed_night import ONE_MODEL
from tests.flows.test_night import published

ROOT = Path(__file__).parents[2]
EVERY_STAGE = [
    ("land", 1), ("clean", 1), ("split", 1), ("utility", 1), ("held_out", 1),
    ("fit popularity", 1), ("fit content", 1), ("fit als", 1), ("evaluate als", 1), ("evaluate fallback", 1),
    ("choose", 1), ("everything", 1), ("utility", 2), ("fit popularity", 2), ("fit content", 2), ("fit als", 2),
    ("fit item_knn", 1), ("recommend als", 1), ("check", 1), ("publish", 1), ("report", 1),
]  # fmt: skip


def end_after(home: Home, *when_and_how: str) -> subprocess.CompletedProcess[str]:
    """Run a night in a process of its own, which is sent a signal right after a stage."""
    command = [sys.executable, "-m", "tests.flows.killed_night", str(home.path), *when_and_how]
    environment = {
        **os.environ,
        "PREFECT_API_URL": PREFECT_API_URL.value(),
        "RECS_MONITORING__METRICS_FILE": "recs.prom",
    }
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,  # a stage hangs for longer after the signal
        check=False,
        start_new_session=True,
    )


def kill_after(home: Home, stage: str, nth: int) -> None:
    """Run a night in a process of its own, which is killed right after a stage."""
    ended = end_after(home, stage, str(nth))
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-2000:]


def finished_work(home: Home) -> dict[str, int]:
    """Return artifact → modification time of its manifest."""
    return {
        path.parent.relative_to(home.artifacts).as_posix(): path.stat().st_mtime_ns
        for path in home.artifacts.glob("*/*/manifest.json")
    }


def check_resumes_after_each(run: RunNight, home: Home, kills: list[tuple[str, int]], expected: dict) -> None:
    """Kill a night after each of the stages in turn, let the last one end, and compare its lists with `expected`."""
    done: dict[str, int] = {}
    run_ids = set()
    for stage, nth in kills:
        kill_after(home, stage, nth)
        now = finished_work(home)
        assert done.items() <= now.items(), "a finished stage was repeated"
        done = now
        run_ids.add(Runs(home.runs).all()[0].run_id)
    outcome = run(home, *ONE_MODEL)
    assert outcome.run.status == "published"
    assert {*run_ids, outcome.run.run_id} == {outcome.run.run_id}, (
        "each night resumed under the first one's id"
    )
    assert done.items() <= finished_work(home).items()
    assert published(home) == expected
    assert list(home.artifacts.glob("*/.making-*")) == []


@pytest.fixture(scope="module")
def undisturbed(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Return the lists of a night that is not killed."""
    home = open_home(str(dataset), tmp_path_factory.mktemp("undisturbed") / "home")
    run_small_night(home, *ONE_MODEL, flow=nightly)
    return published(home)


@pytest.mark.slow
def test_a_night_killed_after_publication_resumes(run: RunNight, home: Home, undisturbed: dict) -> None:
    check_resumes_after_each(run, home, [("publish", 1)], undisturbed)


@pytest.mark.slow
def test_a_night_killed_after_each_stage_resumes(run: RunNight, home: Home, undisturbed: dict) -> None:
    check_resumes_after_each(run, home, EVERY_STAGE, undisturbed)


@pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_an_interrupted_night_ends_at_once_and_can_be_resumed(
    run_plain: RunNight, prefect_server: None, home: Home, undisturbed: dict, name: str
) -> None:
    """It is interrupted in a fit, which runs in a thread: an exception in the main thread would wait for it."""
    ended = end_after(home, "fit als", "1", name)
    assert ended.returncode == 128 + signal.Signals[name], ended.stderr[-2000:]
    assert (
        ended.stdout
        == "Interrupted. The published lists stay; the same command continues where it stopped.\n"
    )
    assert ended.stderr == ""
    [interrupted] = Runs(home.runs).all()
    assert (interrupted.status, interrupted.finished_at is None) == ("interrupted", False)
    metrics = (home.path / "recs.prom").read_text(encoding="utf-8")
    assert 'status="interrupted"} 1.0\n' in metrics, "written although the process ends at once"
    assert "\nrecs_last_night_good{" in metrics
    outcome = run_plain(home, *ONE_MODEL)
    assert (outcome.run.run_id, outcome.run.status) == (interrupted.run_id, "published")
    assert published(home) == undisturbed
