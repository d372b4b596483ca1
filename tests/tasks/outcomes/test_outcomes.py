"""The stage: periods of each run, the files it writes, and the sentence on the lists that were live."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.artifacts import Lists
from tasks.config.settings import JudgeSettings, UtilitySettings
from tasks.outcomes.live_windows import PublishedLists
from tasks.outcomes.outcomes import judge_outcomes, outcome_in_words, read_outcomes
from tasks.outcomes.trial_users import keep_trial_users, read_trial_users
from tests.tasks.logs import Log, day, make_clean_tables
from tests.tasks.outcomes.small_lists import write_small_lists

JUDGE = JudgeSettings(k=(1, 2), champion_metric="ndcg@2", bootstrap_samples=100)
LIKES = Log(ratings=[(1, 10, 5, 55), (2, 11, 5, 55), (2, 12, 5, 75), (3, 10, 5, 75)])
USERS = {1: [(10, "als"), (12, "als")], 2: [(12, "als"), (11, "als")]}


@pytest.fixture
def judge(con, tmp_path):
    make_clean_tables(con, LIKES)

    def outcomes(*runs: tuple[int, float, float | None, bool], variants=None):
        """Runs are (id, since, replaced at, whether they have a period of their own)."""
        path = write_small_lists(tmp_path / "lists", USERS, [10], variants)
        lists = Lists("k", path, 2, 4, 0, 1, 3)
        published = [
            PublishedLists(run_id, lists, day(since), end and day(end), is_live, "als")
            for run_id, since, end, is_live in runs
        ]
        folder = tmp_path / "made"
        folder.mkdir()
        made = judge_outcomes(
            con, published, day(80), UtilitySettings(), JUDGE, seed=1, key="k", folder=folder
        )
        return made, read_outcomes(folder)

    return outcomes


def hit_rates(rows) -> dict[tuple[int, str], tuple[float, int]]:
    return {
        (row.run_id, row.period): (row.value, row.n_users)
        for row in rows
        if (row.metric, row.k, row.segment, row.model, row.variant) == ("hit_rate", 1, "all", "all", None)
    }


def test_each_run_is_judged_by_its_own_period_and_to_date(judge):
    made, rows = judge((7, 50, 70, True), (8, 70, None, True))
    assert made.runs == (7, 8)
    assert hit_rates(rows) == {
        (7, "live"): (0.5, 2),
        (7, "to_date"): (1.0, 2),
        (8, "live"): (1.0, 1),
        (8, "to_date"): (1.0, 1),
    }
    periods = {(row.run_id, row.period): (row.since, row.until) for row in rows}
    assert periods[7, "live"] == (day(50), day(70))
    assert periods[7, "to_date"] == (day(50), day(80))


def test_a_run_that_was_rolled_back_is_judged_to_date_only(judge):
    _, rows = judge((7, 50, 70, False))
    assert {row.period for row in rows} == {"to_date"}


def test_no_runs_are_no_rows(judge):
    made, rows = judge()
    assert (made.n_rows, rows) == (0, ())


def test_only_a_trial_keeps_outcomes_of_users(judge, tmp_path):
    made, _ = judge((7, 50, 70, True))
    keep_trial_users(made.folder, 7, tmp_path)
    assert read_trial_users(tmp_path) is None


def test_outcomes_of_users_are_those_of_the_own_period(judge, tmp_path):
    made, _ = judge((7, 50, 70, True), (8, 70, None, True), variants={1: "control", 2: "trial"})
    for run_id in made.runs:
        (tmp_path / str(run_id)).mkdir()
        keep_trial_users(made.folder, run_id, tmp_path / str(run_id))
    first, second = (read_trial_users(tmp_path / str(run_id)) for run_id in made.runs)
    assert (first.since, first.until, first.is_over) == (day(50), day(70), True)
    assert (second.until, second.is_over, second.n_listed) == (day(80), False, {"control": 1, "trial": 1})
    columns = ("user_id", "variant", "n_positives", "hit_rate@1")
    assert [*zip(*(first.users[name].to_pylist() for name in columns), strict=True)] == [
        (1, "control", 1, 1.0),
        (2, "trial", 1, 0.0),
    ]
    assert second.users["user_id"].to_pylist() == [2]


def test_the_sentence_is_on_the_lists_that_were_live(judge):
    _, rows = judge((7, 50, 70, True), (8, 70, None, True))
    assert "run 7: of the 2 users" in outcome_in_words(rows, 7)
    assert "50% [0%, 100%] took it from the first 1 rows" in outcome_in_words(rows, 7)
    assert "run 8: of the one user" in outcome_in_words(rows, 5)
    assert outcome_in_words((), 7) == ""


def test_the_sentence_says_that_nobody_acted(judge):
    _, rows = judge((7, 79, None, True))
    assert outcome_in_words(rows, 7).endswith("none of their users came to like anything new.")


def test_a_folder_of_an_older_version_has_no_outcomes(tmp_path: Path):
    assert read_outcomes(tmp_path) == ()
