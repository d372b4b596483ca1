"""Nights without Prefect that judge the lists of those before, with a trial; and the command that shows it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from tasks.errors import UsageError
from tasks.outcomes.find_outcomes import find_outcomes
from tasks.outcomes.outcomes import read_outcomes
from tasks.recommendation.trial_arms import Arms
from tasks.run.dag import nightly
from tasks.run.lifecycle import Outcome
from tasks.storage.home import Home, open_home
from tasks.storage.run_records import Runs
from tests.flows.cli.invoke import invoke
from tests.flows.conftest import run_small_night

pytestmark = pytest.mark.slow
TRIAL = ("models.shelf=item_knn", "publish.trial={model='popularity', share=0.5, nights=1, salt='s'}")


class Nights(NamedTuple):
    """Three nights of one home, the first two on earlier data and with a trial."""

    home: Home
    outcomes: list[Outcome]

    @property
    def ids(self) -> list[int]:
        return [outcome.run.run_id for outcome in self.outcomes]

    def sql(self, query: str) -> list[tuple]:
        with sqlite3.connect(f"file:{self.home.path / 'recommendations.db'}?mode=ro", uri=True) as con:
            return con.execute(query).fetchall()


@pytest.fixture(scope="module")
def nights(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    home = open_home(str(dataset), tmp_path_factory.mktemp("outcomes") / "home")
    times = pd.read_csv(dataset / "ratings.csv")["timestamp"].quantile([0.7, 0.85])
    days = [datetime.fromtimestamp(int(time), UTC).replace(tzinfo=None) for time in times]
    loose = ("check.max_lost_users=1", "check.min_overlap=0")
    made = [
        run_small_night(home, *TRIAL, flow=nightly, as_of=days[0]),
        run_small_night(home, *TRIAL, *loose, flow=nightly, as_of=days[1]),
        run_small_night(home, "models.shelf=item_knn", *loose, flow=nightly),
    ]
    assert [outcome.run.status for outcome in made] == ["published"] * 3, [each.run.reason for each in made]
    return Nights(home, made)


def test_every_night_judges_the_kept_runs(nights: Nights) -> None:
    first, second, third = nights.ids
    folder = Runs(nights.home.runs).folder(third)
    rows = read_outcomes(folder)
    assert {(row.run_id, row.period) for row in rows} == {
        (run, period) for run in (first, second) for period in ("live", "to_date")
    }
    assert read_outcomes(Runs(nights.home.runs).folder(first)) == ()
    stored = nights.sql("select scored_by, count(*) from run_outcomes group by 1 order by 1")
    assert [scored_by for scored_by, _ in stored] == [second, third]
    assert stored[1][1] == len(rows)
    ends = {(row.run_id, row.period): row.until for row in rows}
    assert ends[first, "live"] == nights.outcomes[1].run.as_of
    assert ends[first, "to_date"] == nights.outcomes[2].run.as_of


def test_lists_find_some_of_what_users_did(nights: Nights) -> None:
    figures = nights.sql(
        "select value, n_users from run_outcomes where metric = 'hit_rate' and k = 20 and model = 'all' "
        "and segment = 'all' and variant is null and period = 'live'"
    )
    assert all(0 < value < 1 and n_users > 10 for value, n_users in figures)
    assert len(figures) == 3


def test_the_trial_is_in_lists_record_and_view(nights: Nights) -> None:
    second, third = (outcome.run for outcome in nights.outcomes[1:])
    assert second.summary.trial.salt == "s"
    assert third.summary.trial is None
    assert nights.sql("select distinct variant from recommendations") == [(None,)]
    arms = nights.sql("select distinct user_id, variant from previous_recommendations")
    users = [user for user, _ in arms]
    drawn = Arms(0.5, "s").in_trial(users)
    assert dict(arms) == dict(zip(users, ["trial" if each else "control" for each in drawn], strict=True))
    assert {variant for _, variant in arms} == {"control", "trial"}
    models = nights.sql("select distinct variant, model from previous_recommendations where rank = 1")
    assert ("trial", "popularity") in models
    assert ("control", "item_knn") in models


def test_recs_outcomes_shows_runs_and_one_run(nights: Nights) -> None:
    first, second, _ = nights.ids
    text = invoke("outcomes", "--home", nights.home.path)
    assert str(first) in text
    assert str(second) in text
    assert "hit_rate@10" in text
    text = invoke("outcomes", first, "--home", nights.home.path)
    assert "while they were the newest" in text
    assert "rows of item_knn" in text
    assert "trial: all users" in text


def test_recs_outcomes_speaks_the_verdict_of_the_trial(nights: Nights) -> None:
    text = invoke("outcomes", "--trial", "--home", nights.home.path)
    assert "Trial of popularity against item_knn" in text
    assert "after 1 night" in text
    assert "ndcg@10" in text


def test_the_report_has_a_sentence_on_the_lists_before(nights: Nights) -> None:
    second, third = nights.ids[1:]
    sentence = f"Lists of run {second}: of the "
    assert sentence in invoke("report", third, "--home", nights.home.path)
    assert sentence in (Runs(nights.home.runs).folder(third) / "report.html").read_text(encoding="utf-8")


def test_runs_without_an_outcome_say_why(nights: Nights) -> None:
    third = nights.ids[2]
    with pytest.raises(UsageError, match="have not been judged"):
        find_outcomes(nights.home, third)
    with pytest.raises(UsageError, match="There is no run 7"):
        find_outcomes(nights.home, 7)


def test_bad_input_of_recs_outcomes_is_refused(nights: Nights, home: Home) -> None:
    with pytest.raises(UsageError, match="--trial pools the nights"):
        invoke("outcomes", nights.ids[0], "--trial", "--home", nights.home.path)
    with pytest.raises(UsageError, match="No night with a trial"):
        invoke("outcomes", "--trial", "--home", home.path)
    with pytest.raises(UsageError, match="have been judged by what users did next"):
        invoke("outcomes", "--home", home.path)
