"""Tuning of whole homes: the users it scores by, the data it must never see, how it ends. Trials: test_search.py."""

import hashlib
import re
import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tasks.config.load import load_settings, night_settings
from tasks.config.tuned_settings import Evidence, Tuned, evaluation_settings, read_tuned, write_tuned
from tasks.datasets.synthetic.generate import generate_demo
from tasks.errors import LockedError, UsageError
from tasks.monitoring.events import SilentWatcher
from tasks.storage.home import Home, locked, open_home
from tasks.storage.warehouse import open_warehouse
from tasks.tuning import tune as tuning
from tasks.tuning import window as tuning_window
from tasks.tuning.search import Search
from tasks.tuning.tune import spaces, tune
from tasks.tuning.window import Part, earlier_window

SEED, CUTOFF, SHARE = 42, "2024-06-01", 0.1
OPTIONS = (
    "judge.bootstrap_samples=200",
    "judge.min_users=2",
    "models.shelf=popularity,item_knn,als",
    "models.als.iterations=2",
    "split.method=temporal",
)
TEMPORAL = (*OPTIONS, f"split.cutoff='{CUTOFF}'", f"split.temporal_share={SHARE}")


@pytest.fixture(scope="module", autouse=True)
def always_use_small_parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning_window, "MIN_INTERACTIONS_FOR_SMALL_PART", 0)
        yield


class TrialRecorder(SilentWatcher):
    """Records the finished trials, and calls a function when a fit begins."""

    def __init__(self, on_fit=lambda: None):
        self.trials, self._on_fit = [], on_fit

    def fit_started(self, model, number, part, best, seconds_left):
        self._on_fit()
        return lambda done, total: None

    def trial_finished(self, trial):
        self.trials.append(trial)

    @property
    def scores(self):
        return [(t.model, dict(t.settings), t.outcome, t.score) for t in self.trials]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "tiny"
    generate_demo(folder, users=150, items=120, ratings=6000, tags=0, seed=3)
    (folder / "events.csv").unlink()  # ratings alone can be altered without moving the window
    return folder


@pytest.fixture(scope="module")
def tuned_home(tmp_path_factory, dataset) -> tuple[Home, TrialRecorder]:
    """Return a home that was tuned once, with four trials, and their recorder."""
    home, recorder = open_home(str(dataset), tmp_path_factory.mktemp("h") / "home"), TrialRecorder()
    tune(home, load_settings(None, TEMPORAL), ["item_knn"], recorder, seconds=600, trials=4)
    return home, recorder


@pytest.fixture
def home(tuned_home, tmp_path) -> Home:
    """Return a copy of `tuned_home`."""
    shutil.copytree(tuned_home[0].path, tmp_path / "home")
    return open_home(None, tmp_path / "home")


def altered(dataset: Path, folder: Path, chosen) -> Path:
    """Return a copy of the dataset where the items and ratings of the chosen rows are changed, not users and times."""
    shutil.copytree(dataset, folder)
    ratings = pd.read_csv(folder / "ratings.csv")
    rows = chosen(ratings)
    assert rows.sum() > 20
    ratings.loc[rows, "movieId"] = np.random.default_rng(1).permutation(ratings.loc[rows, "movieId"])
    ratings.loc[rows, "rating"] = 5.5 - ratings.loc[rows, "rating"]
    ratings.to_csv(folder / "ratings.csv", index=False)
    return folder


def of_users(part: Part, *values: float) -> np.ndarray:
    """Return scores of the held-out users of a part: `values`, repeated."""
    return np.resize(np.array(values), part.held_out.n_select)


def night_cutoff() -> int:
    return int(pd.Timestamp(CUTOFF).timestamp())


def earlier_cutoff(ratings: pd.DataFrame) -> int:
    """Return the cutoff of the data before the night's cutoff, as sql/warehouse/split/temporal_cutoff.sql does."""
    times = np.sort(ratings.timestamp[ratings.timestamp < night_cutoff()])[::-1]
    return int(times[int(np.ceil(SHARE * len(times))) - 1])


def in_report_half(users: pd.Series) -> pd.Series:
    return users.map(lambda user: hashlib.md5(f"{SEED}:{user}".encode()).digest()[8] % 2 == 1)


def tune_again(tmp_path, dataset) -> TrialRecorder:
    recorder = TrialRecorder()
    home = open_home(str(dataset), tmp_path / "another")
    tune(home, load_settings(None, TEMPORAL), ["item_knn"], recorder, seconds=600, trials=4)
    return recorder


def test_the_night_and_the_report_half_have_no_influence(tuned_home, dataset, tmp_path):
    def unseen(ratings):
        of_night = ratings.timestamp >= night_cutoff()
        of_report_half = (ratings.timestamp >= earlier_cutoff(ratings)) & in_report_half(ratings.userId)
        assert (of_report_half & ~of_night).sum() > 20
        return of_night | of_report_half

    again = tune_again(tmp_path, altered(dataset, tmp_path / "tiny", unseen))
    assert again.scores == tuned_home[1].scores


def test_the_select_half_of_the_earlier_window_has_influence(tuned_home, dataset, tmp_path):
    def judging(ratings):
        later = (ratings.timestamp >= earlier_cutoff(ratings)) & (ratings.timestamp < night_cutoff())
        return later & ~in_report_half(ratings.userId)

    again = tune_again(tmp_path, altered(dataset, tmp_path / "tiny", judging))
    assert [s[1] for s in again.scores][:1] == [s[1] for s in tuned_home[1].scores][:1]
    assert again.scores != tuned_home[1].scores


@pytest.mark.parametrize("method", ["temporal", "leave_last"])
def test_the_window_lies_before_the_cutoffs_of_the_night(home, tmp_path, method):
    settings = load_settings(None, (*OPTIONS, f"split.method={method}"))
    window = earlier_window(home, settings, tmp_path, SilentWatcher())
    cutoffs = pd.read_parquet(tmp_path / "night" / "cutoffs.parquet").set_index("user_id").cutoff
    again = pd.read_parquet(tmp_path / "split" / "cutoffs.parquet").set_index("user_id").cutoff
    with open_warehouse(home.warehouse) as con:
        ratings = con.execute("select user_id, item_id, rated_at, superseded_at from ratings").df()
    before = ratings[ratings.rated_at < ratings.user_id.map(cutoffs)]
    trained = before[before.rated_at < before.user_id.map(again)]
    assert window.whole.snapshot.n_seen == len(trained[["user_id", "item_id"]].drop_duplicates())
    assert 0 < len(trained) < len(before) < len(ratings)
    users = np.load(window.whole.held_out.folder / "users.npz")
    assert set(users["half"]) == {0}
    assert len(users["half"]) == window.n_users
    assert not (tmp_path / "both_halves").exists()
    assert window.why.startswith(method)


def test_the_small_part_has_a_third_held_out_users_first(home, tmp_path):
    window = earlier_window(home, load_settings(None, TEMPORAL), tmp_path, SilentWatcher())
    whole, small = (np.load(p.snapshot.folder / "seen.npz")["indptr"] for p in (window.whole, window.small))
    assert len(whole) == len(small)
    assert 0.25 < small[-1] / whole[-1] <= 1 / 3
    judging = np.load(window.whole.held_out.folder / "users.npz")["user_idx"]
    others = np.setdiff1d(np.arange(len(whole) - 1), judging)
    if (np.diff(small)[others] > 0).any():
        assert (np.diff(small)[judging[window.guides]] > 0).all()
    assert np.array_equal(
        judging[(np.diff(small)[judging] > 0) & window.guides],
        np.load(window.small.held_out.folder / "users.npz")["user_idx"],
    )
    for name in ("rating", "positive", "composite", "timestamp"):
        indptr = np.load(window.small.snapshot.folder / f"{name}.npz")["indptr"]
        assert (np.diff(indptr)[np.diff(small) == 0] == 0).all()


def test_few_interactions_give_no_small_part(home, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning_window, "MIN_INTERACTIONS_FOR_SMALL_PART", 1_000_000)
    assert earlier_window(home, load_settings(None, TEMPORAL), tmp_path, SilentWatcher()).small is None


def test_the_best_settings_are_written_with_their_evidence(monkeypatch, home):
    scores = {}

    def values(self, part, drawn, progress):
        return of_users(part, 0.1, 0.2, 0.3) + scores.get(str(drawn["exponent"]), 0.2)

    monkeypatch.setattr(Search, "_values", values)
    settings = load_settings(None, (*TEMPORAL, "run.seed=7"))
    found = tune(home, settings, ["item_knn"], TrialRecorder(), seconds=600, trials=2)
    assert [(f.model, f.tuned, f.why) for f in found.findings] == [
        ("item_knn", None, "nothing beat the default settings")
    ]
    scores["0.8"] = 0.0  # the default
    of_night = (*TEMPORAL, "run.seed=8")
    found = tune(home, load_settings(None, of_night), ["item_knn"], TrialRecorder(), seconds=600, trials=4)
    [finding] = found.findings
    written = read_tuned(home.tuned).found["item_knn"]
    assert written == finding.tuned
    what = written.evidence
    assert (what.metric, what.users, what.trials, what.seed) == ("ndcg@10", found.confirming, 4, 8)
    assert found.confirming in (found.users, found.users - 1)
    assert what.difference == pytest.approx(what.score - what.default) == pytest.approx(0.2)
    assert 0 < what.low <= what.difference <= what.high
    with open_warehouse(home.warehouse) as con:
        [(newest,)] = con.execute("select max(rated_at) from ratings").fetchall()
    assert timedelta(0) < what.as_of - newest <= timedelta(seconds=1)
    assert what.window == found.window
    assert set(written.settings) == set(spaces(["item_knn"], settings)["item_knn"])
    night, _ = night_settings(None, of_night, tuned=home.tuned, as_of=None)
    assert night.models.config("item_knn").exponent == written.settings["exponent"]

    scores.update({"0.8": 0.9})  # by another metric, the defaults are better
    settings, recorder = load_settings(None, (*of_night, "judge.champion_metric=ndcg@20")), TrialRecorder()
    found = tune(home, settings, ["item_knn"], recorder, seconds=600, trials=3)
    assert found.findings[0].tuned is None
    assert [trial.origin for trial in recorder.trials] == ["default", "earlier", ""]
    assert not home.tuned.exists(), "the earlier settings were tried again and no longer beat the defaults"


def test_a_search_of_only_the_defaults_says_so(monkeypatch, home):
    monkeypatch.setattr(Search, "_values", lambda self, part, *_: of_users(part, 0.1, 0.2))
    settings = load_settings(None, (*TEMPORAL, "run.seed=7"))
    [finding] = tune(home, settings, ["item_knn"], TrialRecorder(), seconds=600, trials=1).findings
    assert (finding.why, finding.trials) == ("only its default settings were tried", 1)


def test_a_lead_that_others_do_not_confirm_is_not_written(monkeypatch, home):
    """The users that guide the search all gain; the others gain or lose."""
    guides = []

    def values(self, part, drawn, progress):
        if part is self.window.small:
            return of_users(part, 0.2)
        if not guides:
            guides.append(self.window.guides)
        lead = np.where(guides[0], 0.1, np.resize([0.1, -0.1], part.held_out.n_select))
        return of_users(part, 0.2) + lead * (drawn["exponent"] != 0.8)

    monkeypatch.setattr(Search, "_values", values)
    settings = load_settings(None, (*TEMPORAL, "run.seed=7"))
    [finding] = tune(home, settings, ["item_knn"], TrialRecorder(), seconds=600, trials=3).findings
    assert finding.tuned is None
    assert re.fullmatch(
        r"the best settings are not better beyond chance: [+-]0\.\d+ \[-0\.\d+, \+0\.\d+\]; not written",
        finding.why,
    )
    assert not home.tuned.exists()


def test_models_tuned_together_share_the_confidence(monkeypatch, home):
    """The same lead has a wider interval where two models are tuned than where one is."""

    def values(self, part, drawn, progress):
        is_default = drawn["exponent"] == 0.8 if self.model == "item_knn" else drawn["alpha"] == 20
        return of_users(part, 0.2) + np.linspace(0.1, 0.5, part.held_out.n_select) * (not is_default)

    monkeypatch.setattr(Search, "_values", values)

    settings = load_settings(None, (*TEMPORAL, "judge.bootstrap_samples=2000", "run.seed=7"))

    def low(models):
        found = tune(home, settings, models, TrialRecorder(), seconds=600, trials=2 * len(models))
        return next(f.tuned.evidence.low for f in found.findings if f.model == "item_knn")

    assert low(["item_knn", "als"]) < low(["item_knn"])


def test_few_users_confirm_nothing(monkeypatch, home):
    monkeypatch.setattr(
        Search, "_values", lambda self, part, drawn, progress: of_users(part, float(drawn["exponent"] != 0.8))
    )
    settings = load_settings(None, (*TEMPORAL, "run.seed=7", "judge.min_users=1000"))
    [finding] = tune(home, settings, ["item_knn"], TrialRecorder(), seconds=600, trials=3).findings
    assert "and fewer than 1000 (judge.min_users) prove nothing; not written" in finding.why
    assert finding.tuned is None


def test_settings_tuned_for_another_night_are_dropped(monkeypatch, home):
    """They are not tried: they may have been chosen by users and actions that this night is judged on."""
    monkeypatch.setattr(Search, "_values", lambda self, part, *_: of_users(part, 0.2, 0.3))
    settings, recorder = load_settings(None, (*TEMPORAL, "run.seed=7")), TrialRecorder()
    as_of = datetime(2024, 1, 1)
    this, other = (
        Evidence("ndcg@10", 0.2, 0.1, 0.1, 0.05, 0.15, 9, 9, 1, "", "", "", as_of, evaluation_settings(each))
        for each in (settings, load_settings(None, TEMPORAL))
    )
    unfit = {"item_knn": Tuned({"exponent": 0.5}, other)}
    write_tuned(home.tuned, {**unfit, "als": Tuned({"factors": 64}, other), "gone": Tuned({}, this)})
    tune(home, settings, ["item_knn"], recorder, seconds=600, trials=2)
    assert [trial.origin for trial in recorder.trials] == ["default", ""]
    file = read_tuned(home.tuned)
    assert list(file.found) == ["als"], "als was not tuned now"
    assert not file.stale

    write_tuned(home.tuned, unfit)
    monkeypatch.setattr(tuning, "_search", lambda *_: True)  # no time for the defaults
    tune(home, load_settings(None, (*TEMPORAL, "run.seed=9")), ["item_knn"], TrialRecorder(), seconds=600)
    assert list(read_tuned(home.tuned).found) == ["item_knn"]


def test_ctrl_c_keeps_the_settings_found(monkeypatch, home):
    monkeypatch.setattr(
        Search, "_values", lambda self, part, drawn, progress: of_users(part, float(drawn["exponent"] != 0.8))
    )
    begun = []

    def interrupt():
        begun.append(1)
        if len(begun) == 6:
            raise KeyboardInterrupt

    settings = load_settings(None, (*TEMPORAL, "run.seed=7"))
    found = tune(home, settings, ["item_knn"], TrialRecorder(interrupt), seconds=600)
    assert found.stopped
    assert "item_knn" in read_tuned(home.tuned).found
    assert not (home.tuning / "window").exists()


def test_a_night_may_run_during_tuning_but_no_second_tune(home):
    def meanwhile():
        with locked(home), open_warehouse(home.warehouse):
            pass
        with pytest.raises(LockedError, match=r"Another tune is running in .*home \(process \d+\)"):
            tune(home, load_settings(None, TEMPORAL), ["item_knn"], TrialRecorder(), seconds=600)

    recorder = TrialRecorder(meanwhile)
    tune(home, load_settings(None, TEMPORAL), ["item_knn"], recorder, seconds=600, trials=5)
    assert [trial.number for trial in recorder.trials] == [4], "the home had four trials"
    assert recorder.trials[0].outcome != "failed", recorder.trials[0].error


def test_tuning_is_refused_while_a_night_is_running(home):
    with locked(home), pytest.raises(LockedError, match="Another night is running"):
        tune(home, load_settings(None, TEMPORAL), ["item_knn"], TrialRecorder(), seconds=600)


KILLED = """
import os, signal, sys
from tasks.config.load import load_settings
from tasks.storage.home import open_home
from pathlib import Path
from tasks.tuning.tune import spaces, tune
from tests.tasks.tuning.test_tune import TrialRecorder, TEMPORAL
fits = []
def kill():
    fits.append(1)
    if len(fits) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
tune(open_home(None, Path(sys.argv[1])), load_settings(None, TEMPORAL), ["item_knn"], TrialRecorder(kill), seconds=600)
"""


@pytest.mark.slow
def test_tuning_resumes_after_kill_9(home):
    killed = subprocess.run([sys.executable, "-c", KILLED, home.path], cwd=Path.cwd(), check=False)
    assert killed.returncode == -signal.SIGKILL
    recorder = TrialRecorder()
    found = tune(home, load_settings(None, TEMPORAL), ["item_knn"], recorder, seconds=600, trials=8)
    numbers = [trial.number for trial in recorder.trials]
    assert numbers == list(range(numbers[0], 8)), "earlier trials count, the killed one as failed"
    assert 5 <= numbers[0] <= 6
    assert found.findings[0].trials == 8


# -- the schedule and messages ----------------------------------------------------------------------------


class Clock:
    """A clock that only trials advance."""

    now = 0.0

    def monotonic(self):
        return self.now


class FakeSearch:
    """A `Search` whose trials take `cost` seconds."""

    def __init__(self, clock, cost):
        self._clock, self._cost = clock, cost
        self.n_tried, self.default_failed = 0, False

    def try_next(self, progress):
        self.n_tried += 1
        self._clock.now += self._cost

    def expected_seconds(self):
        return self._cost if self.n_tried else 0.0


def test_every_model_gets_the_same_share_of_the_time(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(tuning, "time", clock)
    fast, slow = FakeSearch(clock, 1.0), FakeSearch(clock, 10.0)
    tuning._search([fast, slow], SimpleNamespace(trial_finished=lambda trial: None), 100.0, 10**9)
    assert (fast.n_tried, slow.n_tried) == (50, 5)
    assert clock.now == 100


def test_no_trial_begins_that_would_end_too_late(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(tuning, "time", clock)
    fast, slow = FakeSearch(clock, 3.0), FakeSearch(clock, 40.0)
    tuning._search([fast, slow], SimpleNamespace(trial_finished=lambda trial: None), 100.0, 10**9)
    assert slow.n_tried == 1
    assert 97 < clock.now <= 100


def test_a_window_without_held_out_users_is_refused(home):
    settings = load_settings(None, (*OPTIONS, "data.rating_max=9", "utility.relevant_rating=9"))
    with pytest.raises(UsageError, match="No users are left to tune on"):
        tune(home, settings, ["item_knn"], TrialRecorder(), seconds=600)
