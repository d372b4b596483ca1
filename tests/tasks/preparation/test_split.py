"""Cutoffs: shares, ties, the choice of `auto`, and data that cannot be split."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.config.settings import Signal, SplitSettings, UtilitySettings
from tasks.preparation.split import everything, make_split
from tests.examples import examples
from tests.tasks.logs import AS_OF, Log, day, make_clean_tables

LIKED, DISLIKED = 5.0, 1.0


def cut(con, folder, log, *, utility=UtilitySettings(), **chosen):  # noqa: B008 (frozen)
    """The split, and its cutoffs as {user: moment}."""
    make_clean_tables(con, log)
    split = make_split(con, SplitSettings(**chosen), utility, as_of=AS_OF, key="k", folder=folder)
    return split, read_cutoffs(folder)


def read_cutoffs(folder):
    table = pq.read_table(folder / "cutoffs.parquet").to_pydict()
    return dict(zip(table["user_id"], table["cutoff"], strict=True))


def rated(user, *days, rating=LIKED):
    """One rating of another item on each of the days."""
    return [(user, item, rating, when) for item, when in enumerate(days)]


def test_temporal_holds_out_the_newest_share_of_all_kinds(con, tmp_path):
    log = Log(
        ratings=rated(1, 1, 2, 3, 4),
        tags=[(2, 1, "noir", 5), (2, 2, "noir", 6), (2, 3, "noir", 7)],
        events=[(3, 1, "like", 1, 8), (3, 2, "like", 1, 9), (3, 3, "like", 1, 10), (4, 1, "like", 1, 100)],
    )
    split, cutoffs = cut(con, tmp_path, log, method="temporal", temporal_share=0.3)
    assert split.kind == "temporal"
    assert split.cutoff == day(8)
    assert cutoffs == dict.fromkeys([1, 2, 3], day(8)), "user 4 only comes after as_of"


def test_rows_with_the_cutoff_time_are_held_out_together(con, tmp_path):
    log = Log(ratings=[*rated(1, 1, 2, 3, 3, 3, 4)])
    assert cut(con, tmp_path, log, method="temporal", temporal_share=0.2)[0].cutoff == day(3)


def test_cutoff_moves_on_when_nothing_would_be_left_before_it(con, tmp_path):
    log = Log(ratings=rated(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2))
    assert cut(con, tmp_path, log, method="temporal", temporal_share=0.5)[0].cutoff == day(2)


@pytest.mark.parametrize("text", ["2026-01-06", "2026-01-06T02:00:00+02:00"])
def test_a_date_is_converted_to_utc(con, tmp_path, text):
    log = Log(ratings=rated(1, 1, 2, 9))
    assert cut(con, tmp_path, log, method="temporal", cutoff=text)[0].cutoff == datetime(2026, 1, 6)


@pytest.mark.parametrize("text", ["2020-01-01", "2030-01-01"])
def test_a_date_outside_the_data_holds_nothing_out(con, tmp_path, text):
    split, cutoffs = cut(con, tmp_path, Log(ratings=rated(1, 1, 2)), method="temporal", cutoff=text)
    assert cutoffs == {1: AS_OF}
    assert split.why == f"temporal: nothing is held out, because {text} leaves one side empty"


def test_leave_last_cuts_each_user_at_their_own_time(con, tmp_path):
    log = Log(ratings=[*rated(1, *range(10)), *rated(2, *range(50, 55))])
    split, cutoffs = cut(con, tmp_path, log, method="leave_last", leave_last_share=0.2)
    assert (split.kind, split.cutoff) == ("leave_last", None)
    assert cutoffs == {1: day(8), 2: day(54)}


def test_leave_last_n_leaves_at_least_one_before(con, tmp_path):
    log = Log(ratings=[*rated(1, *range(10)), *rated(2, 50, 51), *rated(3, 60)])
    _, cutoffs = cut(con, tmp_path, log, method="leave_last", leave_last_n=3)
    assert cutoffs == {1: day(7), 2: day(51), 3: AS_OF}


@settings(max_examples=examples(30))
@given(
    days=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 6)), min_size=1, max_size=25),
    share=st.sampled_from([0.1, 0.2, 0.5, 0.9]),
    method=st.sampled_from(["temporal", "leave_last"]),
)
def test_cutoff_leaves_rows_on_both_sides(con, days, share, method):
    log = Log(ratings=[(user, item, LIKED, when) for item, (user, when) in enumerate(days)])
    with TemporaryDirectory() as name:
        shares = {"temporal_share": share, "leave_last_share": share}
        _, cutoffs = cut(con, Path(name), log, method=method, **shares)
    assert cutoffs.keys() == {user for user, _ in days}
    groups = [list(cutoffs)] if method == "temporal" else [[user] for user in cutoffs]
    for group in groups:
        moments = sorted(day(when) for user, when in days if user in group)
        held_out = [moment for moment in moments if moment >= cutoffs[group[0]]]
        if moments[0] == moments[-1]:
            assert not held_out
        else:
            assert 0 < len(held_out) < len(moments)
            smaller = [moment for moment in held_out if moment > held_out[0]]
            assert len(smaller) < share * len(moments), "one timestamp less would have done"


def crowd(n_active, n_early):
    """Users active from start to end, and users who came early and left."""
    active = [row for user in range(n_active) for row in rated(user, 1, 50, 90)]
    early = [row for user in range(n_early) for row in rated(1000 + user, 1, 2, 3)]
    return Log(ratings=active + early)


def test_auto_is_temporal_when_enough_users_can_be_judged(con, tmp_path):
    split, _ = cut(con, tmp_path, crowd(6, 4), min_users=500, min_user_share=0.2)
    assert split.why == (
        "temporal: 6 of 10 users have history before 2026-04-01 00:00:00 and positives from then on "
        "(auto asks for 500 users or 20% of all)"
    )
    assert cut(con, tmp_path, crowd(6, 40), min_users=6, min_user_share=0.9)[0].kind == "temporal"


def test_auto_is_leave_last_when_too_few_users_can_be_judged(con, tmp_path):
    split, cutoffs = cut(con, tmp_path, crowd(1, 9), min_users=5, min_user_share=0.9, temporal_share=0.01)
    assert split.kind == "leave_last"
    assert split.cutoff is None
    assert cutoffs[1000] == day(3)
    assert split.why == (
        "leave_last: 10 of 10 users have positives among the newest 20% of their interactions; models know what "
        "others did later, which flatters them; not temporal, because 1 of 10 users have history before "
        "2026-04-01 00:00:00 and positives from then on (auto asks for 5 users or 90% of all)"
    )


def test_auto_cuts_earlier_before_it_takes_leave_last(con, tmp_path):
    """The newest 2 and 4 of 20 interactions belong to one user; among the newest 6 two users have a past."""
    log = Log(ratings=[*rated(1, *range(1, 8), 20, 21, 22, 23), *rated(2, *range(1, 8), 18, 19)])
    split, _ = cut(con, tmp_path, log, method="auto", min_users=2, min_user_share=0.9)
    assert (split.kind, split.cutoff) == ("temporal", day(18))
    assert split.why.endswith(", with the newest 30% held out (auto asks for 2 users or 90% of all)")


def test_auto_counts_only_users_with_history(con, tmp_path):
    newcomers = [row for user in range(2000, 2003) for row in rated(user, 90)]
    log = Log(ratings=[*crowd(2, 0).ratings, *newcomers])
    split, _ = cut(con, tmp_path, log, temporal_share=0.5)
    assert split.why.startswith("temporal: 2 of 5 users have history")


def test_auto_counts_only_positives(con, tmp_path):
    log = crowd(10, 0)
    disliked_later = [(*row[:2], DISLIKED if row[-1] == 90 else LIKED, row[-1]) for row in log.ratings]
    assert cut(con, tmp_path, log)[0].kind == "temporal"
    assert cut(con, tmp_path, replace(log, ratings=disliked_later))[0].kind == "leave_last"


@pytest.mark.parametrize("method", ["temporal", "leave_last", "auto"])
@pytest.mark.parametrize(
    "log",
    [
        Log(ratings=rated(1, 5)),
        Log(tags=[(1, 1, "noir", 5)]),
        Log(events=[(1, 1, "like", 1, 5)]),
        Log(),
    ],
    ids=["one rating", "one tag", "one event", "nothing"],
)
def test_data_that_cannot_be_split_hold_nothing_out(con, tmp_path, log, method):
    split, cutoffs = cut(con, tmp_path, log, method=method)
    assert cutoffs == {user: AS_OF for user, _, _ in log.interactions}
    assert "nothing is held out, because" in split.why


@pytest.mark.parametrize("method", ["temporal", "leave_last"])
def test_one_moment_holds_nothing_out_by_time(con, tmp_path, method):
    log = Log(ratings=[*rated(1, 5, 5, 5), *rated(2, 5, 5)])
    split, cutoffs = cut(con, tmp_path, log, method=method)
    assert cutoffs == {1: AS_OF, 2: AS_OF}
    assert "nothing is held out, because" in split.why


def test_everything_cuts_at_as_of(con, tmp_path):
    make_clean_tables(con, Log(ratings=[*rated("a", 1), *rated("b", 99), *rated("c", 100)]), "text")
    split = everything(con, as_of=AS_OF, key="k", folder=tmp_path)
    assert (split.kind, split.cutoff) == ("everything", AS_OF)
    assert read_cutoffs(tmp_path) == {"a": AS_OF, "b": AS_OF}


def test_the_same_data_give_the_same_bytes(con, tmp_path):
    written = []
    for ratings in (crowd(30, 30).ratings, crowd(30, 30).ratings[::-1]):
        cut(con, tmp_path, Log(ratings=ratings), method="leave_last")
        written.append((tmp_path / "cutoffs.parquet").read_bytes())
    assert written[0] == written[1]


IMPORTED_AT_ONCE = Log(ratings=[row for user in (1, 2, 3) for row in rated(user, *[5 + user] * 10)])


def test_auto_is_random_when_times_cannot_order(con, tmp_path):
    """Each user's ratings have one time, as after an import: they hold nothing out, and a draw does."""
    split, _ = cut(con, tmp_path, IMPORTED_AT_ONCE, method="auto")
    assert (split.kind, split.seed) == ("random", 0)
    assert split.why == (
        "random: 3 of 3 users have positives among 20% of their interactions, drawn at random; no user has "
        "interactions at two different times"
    )


def test_half_lives_keep_auto_from_a_random_split(con, tmp_path):
    aging = UtilitySettings(signals={"rating": Signal(source="ratings", half_life_days=30)})
    split, _ = cut(con, tmp_path, IMPORTED_AT_ONCE, utility=aging, method="auto")
    assert (split.kind, split.seed) == ("leave_last", None)
    assert split.why.endswith("without utility.signals.rating.half_life_days, some would be at random")


def test_auto_holds_nothing_out_of_single_interactions(con, tmp_path):
    split, cutoffs = cut(con, tmp_path, Log(ratings=[*rated(1, 1), *rated(2, 1)]), method="auto")
    assert (split.kind, split.seed) == ("leave_last", None)
    assert set(cutoffs.values()) == {AS_OF}
