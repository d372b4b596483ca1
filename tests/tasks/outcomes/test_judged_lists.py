"""Later interactions count once for their users, and hit the rows of the lists that hold them."""

from __future__ import annotations

import pytest

from tasks.config.settings import UtilitySettings
from tasks.outcomes.judged_lists import (
    SEGMENTS,
    JudgedLists,
    Window,
    judge_lists,
    read_histories,
)
from tasks.recommendation.trial_arms import VARIANTS
from tests.tasks.logs import Log, day, make_clean_tables
from tests.tasks.outcomes.small_lists import write_small_lists

LISTS = {1: [(10, "als"), (11, "als"), (12, "popularity")], 2: [(11, "als"), (13, "als")]}
FALLBACK = [12, 11, 10]
UTILITY = UtilitySettings(positive_events={"watch": 30})


@pytest.fixture
def judge(con, tmp_path):
    def judged(log: Log, *, since=50, until=100, lists=LISTS, variants=None, seen_until=None) -> JudgedLists:
        make_clean_tables(con, log)
        folder = write_small_lists(tmp_path / "lists", lists, FALLBACK, variants)
        read_histories(con, day(seen_until or until))
        return judge_lists(con, folder, Window(day(since), day(until)), UTILITY)

    return judged


def hits_of(judged: JudgedLists) -> list[tuple[int, int, str]]:
    """(user, rank, model) of every hit."""
    users = judged.user_ids.to_pylist()
    return [
        (users[user], rank, judged.models[model])
        for user, rank, model in zip(judged.hits.user, judged.hits.rank, judged.hits.model, strict=True)
    ]


def positives_of(judged: JudgedLists) -> dict[int, int]:
    """User → number of items that the user came to like."""
    return dict(zip(judged.user_ids.to_pylist(), judged.n_positives.tolist(), strict=True))


def test_ratings_tags_and_events_count_as_in_training(judge):
    log = Log(
        ratings=[(1, 10, 3.5, 60), (1, 11, 3.0, 60), (1, 12, 5, 60)],
        tags=[(2, 13, "slow", 61)],
        events=[(2, 11, "watch", 20, 62), (2, 11, "watch", 10, 63), (2, 14, "watch", 29, 63)],
    )
    judged = judge(log)
    assert hits_of(judged) == [(1, 1, "als"), (1, 3, "popularity"), (2, 1, "als"), (2, 2, "als")]
    assert positives_of(judged) == {1: 2, 2: 2}


def test_a_pair_seen_before_the_window_does_not_count(judge):
    """Of whatever kind the earlier interaction is, and whether or not it was positive."""
    log = Log(
        ratings=[(1, 10, 1, 10), (1, 10, 5, 60), (1, 11, 5, 60)],
        events=[(2, 11, "click", 1, 49), (2, 11, "watch", 60, 60)],
    )
    judged = judge(log)
    assert hits_of(judged) == [(1, 2, "als")]
    assert positives_of(judged) == {1: 1}


def test_the_window_holds_its_first_moment_and_not_its_last(judge):
    log = Log(ratings=[(1, 10, 5, 50), (2, 11, 5, 100)])
    assert positives_of(judge(log)) == {1: 1}


def test_a_rating_that_is_taken_back_inside_the_window_does_not_count(judge):
    log = Log(ratings=[(1, 10, 5, 60), (1, 10, 2, 70)])
    assert positives_of(judge(log)) == {}


def test_a_rating_that_is_taken_back_after_the_window_counts(judge):
    log = Log(ratings=[(1, 10, 5, 60), (1, 10, 2, 80)])
    assert positives_of(judge(log, until=70, seen_until=100)) == {1: 1}


def test_users_without_a_list_are_judged_by_the_fallback_list(judge):
    judged = judge(Log(ratings=[(9, 11, 5, 60), (1, 10, 5, 60)]))
    assert hits_of(judged) == [(1, 1, "als"), (9, 2, "fallback")]
    assert [SEGMENTS[number] for number in judged.segment] == ["new", "cold"]


def test_users_who_did_not_act_are_counted_but_not_judged(judge):
    judged = judge(Log(ratings=[(1, 10, 5, 60)]))
    assert judged.user_ids.to_pylist() == [1]
    assert judged.n_listed == {None: 2}


def test_classes_are_those_of_the_history_before_the_window(judge):
    """Histories of 10, 20 and 30 items are light, medium and heavy; what comes later does not count."""
    lists = {user: [(99, "als")] for user in (1, 2, 3, 4)}
    history = [(user, item, 5, 10) for user in (1, 2, 3) for item in range(100, 100 + 10 * user)]
    later = [(4, item, 5, 60) for item in range(200, 250)] + [(user, 99, 5, 60) for user in (1, 2, 3)]
    judged = judge(Log(ratings=history + later), lists=lists)
    assert [SEGMENTS[number] for number in judged.segment] == ["light", "medium", "heavy", "new"]


def test_variants_are_read_where_a_run_has_them(judge):
    log = Log(ratings=[(1, 10, 5, 60), (2, 11, 5, 60), (9, 11, 5, 60)])
    judged = judge(log, variants={1: "trial", 2: "control"})
    assert [VARIANTS[number] if number >= 0 else None for number in judged.variant] == [
        "trial",
        "control",
        None,
    ]
    assert judged.n_listed == {None: 2, "control": 1, "trial": 1}


def test_rows_of_each_model_are_counted(judge):
    judged = judge(Log(ratings=[(1, 99, 5, 60), (2, 99, 5, 60)]))
    assert judged.models == ("als", "popularity")
    assert judged.n_rows.tolist() == [[2, 1], [2, 0]]
    assert hits_of(judged) == []


def test_nobody_acted(judge):
    judged = judge(Log(ratings=[(1, 10, 5, 10)]))
    assert (len(judged.user_ids), judged.n_rows.shape, judged.n_listed) == (0, (0, 0), {None: 2})
