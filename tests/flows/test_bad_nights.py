"""Planted faults in a night's input or model: a check catches each and names it, and readers keep their lists."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.factors.als import ALS
from tasks.config.load import load_settings
from tasks.monitoring.events import SilentWatcher
from tasks.run.dag import nightly
from tasks.run.lifecycle import Outcome, run_night
from tasks.storage.home import Home, open_home

SETTINGS = (
    "recommend.n=20",
    "recommend.similar_n=5",
    "recommend.fallback_n=10",
    "judge.bootstrap_samples=100",
    "blend.enabled=false",
    "models.shelf=popularity,als",
    "models.als.factors=16",
    "models.als.iterations=5",
)
USERS, ITEMS, TASTES, EACH = 200, 200, 4, 30
START, DAY = 1_600_000_000, 86_400

Spoil = Callable[[pd.DataFrame], pd.DataFrame]


def four_tastes() -> pd.DataFrame:
    """Return 200 days of ratings by users of four tastes: most, and the high ones, are of items of the user's taste."""
    rng = np.random.default_rng(3)
    rows = []
    for user in range(USERS):
        liked = np.arange(ITEMS) % TASTES == user % TASTES
        weight = np.where(liked, 0.85 / (1 + np.arange(ITEMS)) ** 0.5, 0.01)
        items = rng.choice(ITEMS, EACH, replace=False, p=weight / weight.sum())
        times = START + rng.integers(200 * DAY, size=EACH)
        rows += [(user, item, 4.5 if liked[item] else 2.0, at) for item, at in zip(items, times, strict=True)]
    return pd.DataFrame(rows, columns=["userId", "movieId", "rating", "timestamp"])


def at_quantile(raw: Path, share: float) -> int:
    return int(pd.read_csv(raw / "ratings.csv")["timestamp"].quantile(share))


def run(home: Home, *overrides: str, as_of: datetime | None = None) -> Outcome:
    settings = load_settings(None, (*SETTINGS, *overrides))
    return run_night(home, settings, nightly, SilentWatcher(), as_of=as_of)


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set, `raw`, and a `home` with one night on all but the newest fifth of the ratings."""
    place = tmp_path_factory.mktemp("yesterday")
    (place / "raw").mkdir()
    four_tastes().to_csv(place / "raw" / "ratings.csv", index=False)
    moment = datetime.fromtimestamp(at_quantile(place / "raw", 0.8), UTC).replace(tzinfo=None)
    outcome = run(open_home(str(place / "raw"), place / "home"), as_of=moment)
    assert (outcome.run.status, outcome.run.champion) == ("published", "als")
    return place


@pytest.fixture
def tonight(yesterday: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A copy of that home and its data for one test, before the next night."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(yesterday, tmp_path / "there")
    shutil.copy(tmp_path / "there" / "home" / "recommendations.db", tmp_path / "before.db")
    # The home stores the path of its input.
    moved = (tmp_path / "there" / "home" / "home.json").read_text(encoding="utf-8")
    (tmp_path / "there" / "home" / "home.json").write_text(
        moved.replace(str(yesterday), str(tmp_path / "there")), encoding="utf-8"
    )
    return open_home(str(tmp_path / "there" / "raw"), tmp_path / "there" / "home")


def spoil(home: Home, fault: Spoil) -> None:
    """Apply a fault to the file of ratings."""
    path = home.input / "ratings.csv"
    fault(pd.read_csv(path)).to_csv(path, index=False)


def live_lists(database: Path) -> list[tuple]:
    with sqlite3.connect(database) as con:
        return con.execute("select * from recommendations order by user_id, rank").fetchall()


def caught(home: Home, outcome: Outcome) -> set[str]:
    """Return the checks that failed; assert that readers keep their lists and that the record names the checks."""
    assert (outcome.exit_code, outcome.run.status) == (3, "check_failed")
    assert live_lists(home.path / "recommendations.db") == live_lists(Path("before.db"))
    failed = [check.check for check in outcome.run.summary.checks if not check.passed]
    assert outcome.run.reason.startswith(f"Check {failed[0]} failed: ")
    with sqlite3.connect(home.path / "recommendations.db") as con:
        query = 'select "check" from run_checks where run_id = ? and not passed'
        assert {name for (name,) in con.execute(query, (outcome.run.run_id,))} == set(failed)
    return set(failed)


def test_a_night_without_a_fault_passes(tonight: Home) -> None:
    outcome = run(tonight)
    assert outcome.run.status == "published", outcome.run.reason
    values = {check.check: check.value for check in outcome.run.summary.checks}
    assert all(values[name] is not None for name in ("overlap", "lost_users", "quality", "sameness"))
    assert live_lists(tonight.path / "recommendations.db") != live_lists(Path("before.db"))


def test_shuffled_item_ids_fail_overlap(tonight: Home) -> None:
    """Models are as good on shuffled ids as before: only last night's lists show the fault."""
    number = np.random.default_rng(1).permutation(ITEMS)
    spoil(tonight, lambda rows: rows.assign(movieId=number[rows["movieId"]]))
    assert "overlap" in caught(tonight, run(tonight))


def test_shuffled_item_ids_in_the_newest_rows_fail_quality(tonight: Home) -> None:
    newest, number = at_quantile(tonight.input, 0.8), np.random.default_rng(1).permutation(ITEMS)
    new_number = {
        "movieId": lambda rows: rows["movieId"].where(rows["timestamp"] < newest, number[rows["movieId"]])
    }
    spoil(tonight, lambda rows: rows.assign(**new_number))
    assert "quality" in caught(tonight, run(tonight))


def test_one_list_for_all_users_fails_sameness(tonight: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is sound when judged, and collapses when refitted on everything."""
    genuine = ALS._fit

    def collapses(self, matrix, data, **options) -> None:
        genuine(self, matrix, data, **options)
        if data.n_users == USERS:
            self.user_factors_[:] = self.user_factors_.mean(axis=0)

    monkeypatch.setattr(ALS, "_fit", collapses)
    assert "sameness" in caught(tonight, run(tonight))


def test_half_the_users_missing_fails_lost_users(tonight: Home) -> None:
    spoil(tonight, lambda rows: rows[rows["userId"] < USERS // 2])
    assert "lost_users" in caught(tonight, run(tonight))


def test_export_cut_short_fails_lost_rows(tonight: Home) -> None:
    """Sorted by item and broken off at a line's end: every user is still there, and the newest rows are, too."""
    spoil(tonight, lambda rows: rows.sort_values(["movieId", "userId"]).head(len(rows) * 2 // 3))
    outcome = run(tonight)
    assert "lost_rows" in caught(tonight, outcome)
    assert "ratings had 6,000 rows in the live run and have 4,000 tonight" in outcome.run.reason


def test_rows_missing_here_and_there_fail_relisted_seen(tonight: Home) -> None:
    spoil(tonight, lambda rows: rows.sample(frac=0.85, random_state=1))
    outcome = run(tonight)
    assert caught(tonight, outcome) == {"relisted_seen"}
    values = {check.check: check.value for check in outcome.run.summary.checks}
    assert values["lost_rows"] == pytest.approx(0.15)


def test_input_of_last_month_fails_days_behind_live(tonight: Home) -> None:
    month_ago = at_quantile(tonight.input, 0.8) - 30 * DAY
    spoil(tonight, lambda rows: rows[rows["timestamp"] < month_ago])
    assert caught(tonight, run(tonight)) == {"days_behind_live", "lost_rows"}


def test_input_a_few_hours_older_passes(tonight: Home) -> None:
    """Deleting a user may remove the newest interaction. Yesterday's file held later rows, behind its `as_of`."""
    until = at_quantile(tonight.input, 0.8)
    spoil(tonight, lambda rows: rows[rows["timestamp"] < until - DAY // 2])
    outcome = run(tonight, "check.max_lost_rows=1")
    assert outcome.run.status == "published", outcome.run.reason
    values = {check.check: check.value for check in outcome.run.summary.checks}
    assert 0 < values["days_behind_live"] < 1
    assert values["overlap"] is not None


@pytest.mark.slow
def test_a_future_as_of_does_not_hold_back_later_nights(tonight: Home) -> None:
    ahead = run(tonight, as_of=datetime(2050, 1, 1))
    assert ahead.run.status == "published", ahead.run.reason
    newest = at_quantile(tonight.input, 1)
    spoil(tonight, lambda rows: pd.concat([rows, rows.iloc[[0]].assign(timestamp=newest + DAY)]))
    outcome = run(tonight)
    assert outcome.run.status == "published", outcome.run.reason
    values = {check.check: check.value for check in outcome.run.summary.checks}
    assert (values["days_behind_live"], values["overlap"] is not None) == (0, True)


def test_old_input_fails_input_age_days(tonight: Home) -> None:
    assert caught(tonight, run(tonight, "check.max_input_age_days=30")) == {"input_age_days"}
