"""A night uses stored results of stages again, unless the source changed while they were made."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.interactions import Interactions
from models.neural.row_config import MultVAEConfig
from models.registry import recommender_class
from tasks.artifacts import FittedModel, Snapshot
from tasks.config.load import load_settings
from tasks.errors import NightError
from tasks.monitoring.events import SilentWatcher
from tasks.run.context import Night
from tasks.run.lifecycle import run_night
from tasks.storage.cache_key import ROOT, SOURCE
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Runs
from tasks.storage.stage import stage
from tasks.training.fit import fit
from tasks.training.load_model import load_model
from tests.tasks.inputs import RATINGS


@dataclass(frozen=True)
class Counted:
    key: str
    folder: Path
    n: int


@stage("count", model=lambda given: str(given["name"]), note=lambda made: f"{made.n} things")
def count(name: str, n: int, *, key: str, folder: Path) -> Counted:
    (folder / "n.txt").write_text(str(n))
    return Counted(key, folder, n)


@pytest.fixture
def home(folder: Path, tmp_path: Path) -> Home:
    (folder / "ratings.csv").write_text(f"{RATINGS}1,2,4,1600000000\n")
    return open_home(str(folder), tmp_path / "home")


def count_things(home: Home, *numbers: int) -> Counted:
    """Run a night of one stage for each number; the night itself fails, because it publishes nothing."""
    found: list[Counted] = []

    def flow(night: Night) -> None:
        found.extend(night.run(count.call("als", n)) for n in numbers)

    run_night(home, load_settings(), flow, SilentWatcher(), force=True)
    return found[0]


def test_a_stored_result_is_used_again(home: Home) -> None:
    first = count_things(home, 3)
    again = count_things(home, 3)
    other = count_things(home, 4)
    assert (first.folder / "n.txt").read_text() == "3"
    assert again == first
    assert other.key != first.key
    times = [run.stages[0] for run in Runs(home.runs).all()]
    assert [time.stored for time in times] == [False, True, False]
    assert (times[0].stage, times[0].model, times[0].note) == ("count", "als", "4 things")


def test_a_result_of_changed_source_is_not_used_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(SOURCE, "is_current", lambda: False)
        tainted = count_things(home, 3)
    assert "The source code has changed since this night began." in caplog.text
    [run] = Runs(home.runs).all()
    assert f"count/{tainted.key}" in run.artifacts
    assert run.fingerprint == f"source changed during {run.run_id}", "the next night finds something new"
    clean = count_things(home, 3)
    assert clean.key != tainted.key
    assert count_things(home, 3) == clean


def test_changed_source_is_warned_of_once(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(SOURCE, "is_current", lambda: False)
    count_things(home, 3, 4, 5)
    assert caplog.text.count("The source code has changed since this night began.") == 1


@pytest.mark.parametrize("error", [OSError("no report"), KeyboardInterrupt()])
def test_changed_source_is_recorded_when_a_live_run_fails(
    home: Home, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The next night must not find that nothing is new, whichever way this one ends after the switch."""

    def fail_after_the_switch(night: Night) -> None:
        night.record.switched = True
        raise error

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(SOURCE, "is_current", lambda: False)
        run_night(home, load_settings(), fail_after_the_switch, SilentWatcher(), force=True)
    [run] = Runs(home.runs).all()
    assert run.fingerprint == f"source changed during {run.run_id}"


def test_notes_must_be_fields_of_the_summary(home: Home) -> None:
    def flow(night: Night) -> None:
        with pytest.raises(AttributeError):
            night.note(unknown=1)

    run_night(home, load_settings(), flow, SilentWatcher())


DEPLOY = """
import sys
from pathlib import Path
from tasks.config.load import load_settings
from tasks.monitoring.events import SilentWatcher
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.split import everything
from tasks.run import dag
from tasks.run.lifecycle import run_night
from tasks.storage.home import open_home

class Deployer(SilentWatcher):
    def started(self, stage, model):
        if stage == "utility" and "deploy" in sys.argv:
            with Path("tasks/preparation/interaction_matrices.py").open("a") as file:
                file.write("# deployed in the middle of a night\\n")

def flow(night):
    dag.take_in(night)
    split = night.run(everything.call(as_of=night.as_of))
    print(night.run(build_snapshot.call(split, night.settings.utility)).key)

run_night(open_home("shop", Path("home")), load_settings(), flow, Deployer(), force=True)
"""


@pytest.mark.slow
def test_a_deploy_during_a_night_leaves_no_stale_result(tmp_path: Path) -> None:
    """The tree is edited while the stage runs; neither the old code nor the new one finds the result again."""
    for package in ("tasks", "models", "sql"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "ratings.csv").write_text(f"{RATINGS}1,2,4,1600000000\n")

    def night(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", DEPLOY, *arguments],
            cwd=tmp_path,
            env={"PYTHONPATH": str(tmp_path), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.stdout, done.stderr
        return done.stdout.split()[-1]

    source = tmp_path / "tasks" / "preparation" / "interaction_matrices.py"
    before = source.read_text(encoding="utf-8")
    during = night("deploy")
    assert source.read_text(encoding="utf-8") != before
    source.write_text(before, encoding="utf-8")
    assert night() != during, "what was made while the source changed is not used, even under the old source"


def test_a_failed_model_is_not_named_as_the_failed_stage(home: Home) -> None:
    """The night goes on without the model; what fails later failed for another reason."""

    @stage("count", model=lambda given: str(given["name"]))
    def fails(name: str, *, key: str, folder: Path) -> Counted:
        raise FloatingPointError("diverged")

    def flow(night: Night) -> None:
        with pytest.raises(FloatingPointError):
            night.run(fails.call("als"))
        assert night.failed_stage == "count als"
        night.go_on_without("als")
        raise NightError("The database is gone.")

    with pytest.raises(NightError, match="The database is gone"):
        run_night(home, load_settings(), flow, SilentWatcher())
    [run] = Runs(home.runs).all()
    assert (run.reason, run.failed_models) == (
        "The database is gone.",
        {"als": "FloatingPointError: diverged"},
    )


def test_a_killed_fit_goes_on_within_the_next_night(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first night is interrupted in epoch 5, before its checkpoint is written; the second trains the rest."""
    monkeypatch.setattr("models.neural.checkpoint._SECONDS", 0)
    rng = np.random.default_rng(0)
    likes = Interactions.from_positive(sparse.csr_array((rng.random((30, 20)) < 0.3).astype(np.float32)))
    config = MultVAEConfig(factors=4, hidden=8, epochs=8, patience=8)

    class Watcher(SilentWatcher):
        def __init__(self, ends_in: int) -> None:
            self.ends_in, self.epochs = ends_in, 0

        def advanced(self, stage: str, model: str | None, done: int, total: int) -> None:
            assert (stage, model) == ("fit", "multvae")
            self.epochs += 1
            if self.epochs == self.ends_in:
                raise KeyboardInterrupt

    fits: list[FittedModel] = []

    def run(ends_in: int) -> int:
        watcher = Watcher(ends_in)

        def flow(night: Night) -> None:
            folder = home.path / "snapshot"
            folder.mkdir(exist_ok=True)
            likes.save(folder)
            counts = dict.fromkeys(("n_seen", "n_rating", "n_positive", "n_composite", "n_untouched"), 0)
            snapshot = Snapshot("k", folder, n_users=30, n_items=20, **counts)
            fits.append(night.run(fit.call(snapshot, "multvae", config, seed=1)))

        run_night(home, load_settings(), flow, watcher, force=True)
        return watcher.epochs

    with pytest.raises(KeyboardInterrupt):
        run(5)
    [kept] = home.artifacts.glob("fit/.checkpoint-*")
    assert list(kept.rglob("*.npz"))
    model = recommender_class("multvae")(config)
    epochs: list[int] = []
    model.fit(likes, seed=1, progress=lambda done, total: epochs.append(done))
    assert run(0) == len(epochs) - 4
    assert not list(home.artifacts.glob("fit/.checkpoint-*"))
    assert np.array_equal(
        load_model(fits[0]).score(np.arange(30)), model.score(np.arange(30)), equal_nan=True
    )
