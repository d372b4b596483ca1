"""The holdout: relevant items, cold users, and the halves of users."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tasks.artifacts import HeldOut
from tasks.config.settings import SplitSettings, UtilitySettings
from tasks.preparation.holdout import hold_out
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.item_statistics import load_item_statistics
from tasks.preparation.similar_pairs import load_similar_pairs
from tasks.preparation.split import make_split
from tests.examples import examples
from tests.tasks.logs import AS_OF, EPOCH, Log, day, make_clean_tables
from tests.tasks.preparation import utility_oracle

AT_50 = SplitSettings(method="temporal", cutoff=day(50).isoformat())
UTILITY = UtilitySettings()


class Judged:
    """A held-out artifact in external ids: {user: relevant items} with history, [relevant items] without."""

    def __init__(self, con, log, *, split=AT_50, seed=42, max_users=40_000, id_type="bigint"):
        make_clean_tables(con, log, id_type)
        with TemporaryDirectory() as name:
            folder = Path(name)
            made = make_split(con, split, UTILITY, as_of=AS_OF, key="", folder=folder)
            snapshot = build_snapshot(con, made, UTILITY, key="", folder=folder)
            self.reference = hold_out(
                con, made, snapshot, UTILITY, seed=seed, max_users=max_users, key="k", folder=folder
            )
            self.files = {path.name: path.read_bytes() for path in folder.glob("*.npz")}
            self.cutoffs = pq.read_table(folder / "cutoffs.parquet").to_pydict()
            user_ids = pq.read_table(folder / "users.parquet")["user_id"].to_pylist()
            item_ids = pq.read_table(folder / "items.parquet")["item_id"].to_pylist()
            judged, liking_new = np.load(folder / "users.npz"), np.load(folder / "new_item_users.npz")
            relevant, cold, new_items = (
                [
                    [item_ids[column] for column in row.indices]
                    for row in sparse.csr_array(sparse.load_npz(folder / f"{name}.npz"))
                ]
                for name in ("relevant", "cold_relevant", "new_item_relevant")
            )
            likes = np.load(folder / "cold_likes.npz")
            self.cold_in_time = [
                [item_ids[item] for item in likes["item_idx"][likes["row_idx"] == row]]
                for row in range(len(cold))
            ]
            cold_users = np.load(folder / "cold_users.npz")
            self.cold_half, self.cold_places = cold_users["half"].tolist(), cold_users["user_idx"].tolist()
            later = {name: column.tolist() for name, column in np.load(folder / "ratings.npz").items()}
            pairs, half, is_cold = load_similar_pairs(replace(self.reference, folder=folder))
            self.statistics = load_item_statistics(replace(self.reference, folder=folder))
            self.segments = json.loads((folder / "segments.json").read_text())
        self.ratings = {
            (user_ids[user], item_ids[item]): (rating, half)
            for user, item, rating, half in zip(
                later["user_idx"], later["item_idx"], later["rating"], later["half"], strict=True
            )
        }
        ids = [user_ids[row] for row in judged["user_idx"]]
        self.relevant = dict(zip(ids, relevant, strict=True))
        self.half = dict(zip(ids, judged["half"].tolist(), strict=True))
        ids = [user_ids[row] for row in liking_new["user_idx"]]
        self.new_items = dict(zip(ids, new_items, strict=True))
        self.half_of_new_items = dict(zip(ids, liking_new["half"].tolist(), strict=True))
        self.cold = cold
        ids = [user_ids[row] for row in pairs.user]
        self.pairs = [
            (user, item_ids[query], item_ids[target])
            for user, query, target in zip(ids, pairs.query, pairs.target, strict=True)
        ]
        self.half_of_pairs = dict(zip(ids, half.tolist(), strict=True))
        self.cold_targets = {pair[2] for pair, cold in zip(self.pairs, is_cold, strict=True) if cold}


def test_only_new_positives_of_known_items_are_relevant(con):
    log = Log(
        ratings=[
            (1, 10, 2.0, 1), (1, 11, 4.0, 1), (2, 12, 4.0, 2), (2, 13, 1.0, 2), (3, 14, 5.0, 3),
            (1, 10, 5.0, 60),  # seen before, though disliked
            (1, 12, 4.0, 50),  # relevant: the cutoff itself is held out
            (1, 13, 3.0, 60),  # not liked
            (1, 99, 5.0, 60),  # nobody had touched it
            (2, 14, 5.0, 60), (2, 14, 1.0, 70),  # liked, then disliked: the latest counts
            (3, 13, 5.0, 100),  # at as_of: not yet there
        ],
        tags=[(1, 14, "noir", 55)],
        events=[(2, 10, "like", 1.0, 50), (2, 11, "mute", 1.0, 60)],
        items=[(item, None, ["Drama"]) for item in (5, 10, 99)],
    )  # fmt: skip
    judged = Judged(con, log)
    assert judged.relevant == {1: [12, 14], 2: [10]}
    assert judged.reference.unknown_item_share == 1 / 4
    assert judged.reference.n_cold == 0
    half = {user: hashlib.md5(f"42:{user}".encode()).digest()[8] % 2 for user in (1, 2)}
    assert (judged.new_items, judged.half_of_new_items) == ({1: [99]}, {1: half[1]})
    assert judged.ratings == {
        (1, 12): (4, half[1]), (1, 13): (3, half[1]), (2, 14): (1, half[2]),
    }, "liked or not, but new to the user and known to somebody; the latest counts"  # fmt: skip


def test_users_without_history_are_cold(con):
    log = Log(
        ratings=[
            (1, 10, 5.0, 1), (1, 11, 5.0, 1),
            (7, 10, 5.0, 60), (7, 11, 4.0, 61),
            (8, 99, 5.0, 60),  # likes nothing that the snapshot knows
            (9, 10, 1.0, 60),  # likes nothing
        ]
    )  # fmt: skip
    judged = Judged(con, log)
    assert judged.relevant == {}
    assert judged.ratings == {}
    assert judged.cold == [[10, 11]]
    assert judged.reference.n_cold == len(judged.cold_half) == 1
    assert judged.cold_places == [-1], "nothing is known of them, not even a link"
    assert (judged.reference.n_select, judged.reference.n_report) == (0, 0)


def test_cold_likes_are_in_the_order_of_the_first_meeting(con):
    log = Log(
        ratings=[
            *[(1, item, 5.0, 1) for item in range(10, 16)],
            (7, 13, 5.0, 60), (7, 12, 5.0, 61), (7, 11, 5.0, 61),  # of one time: in the order of the ids
            (7, 14, 1.0, 55),  # not liked
            (8, 10, 5.0, 70),
            (7, 99, 5.0, 52),  # nobody knows it
        ],
        events=[
            (7, 10, "watch", 1.0, 53), (7, 10, "like", 1.0, 80), (7, 13, "like", 1.0, 90),
        ],
        items=[(99, None, ["Drama"])],
    )  # fmt: skip
    judged = Judged(con, log)
    assert judged.cold_in_time == [[10, 13, 11, 12], [10]]
    assert judged.cold == [[10, 11, 12, 13], [10]]
    assert judged.new_items == {}, "user 7, who likes the new item, has no history"


@settings(max_examples=examples(20))
@given(
    ratings=st.lists(
        st.tuples(st.integers(1, 4), st.integers(10, 15), st.sampled_from([1.0, 4.0]), st.integers(0, 9)),
        max_size=25,
        unique_by=lambda row: (row[0], row[1], row[3]),
    ),
    method=st.sampled_from(["temporal", "leave_last"]),
)
def test_agrees_with_plain_loops(con, ratings, method):
    log = Log(ratings=ratings, items=[(item, None, ["Drama"]) for item in (10, 11, 12)])
    judged = Judged(con, log, split=SplitSettings(method=method, temporal_share=0.4, leave_last_share=0.4))
    cutoffs = {
        user: (cutoff - EPOCH).days
        for user, cutoff in zip(judged.cutoffs["user_id"], judged.cutoffs["cutoff"], strict=True)
    }
    train = utility_oracle.before(log, cutoffs)
    seen, known = {row[:2] for row in train.ratings}, {row[1] for row in train.ratings}
    later = Log(ratings=[row for row in ratings if row[-1] >= cutoffs[row[0]]])
    visible = utility_oracle.before(later, dict.fromkeys(cutoffs, 100))
    fresh = utility_oracle.positive(visible, UTILITY) - seen
    expected, expected_new = {}, {}
    for user, item in sorted(fresh):
        if item in known:
            expected.setdefault(user, []).append(item)
        elif item in (10, 11, 12):
            expected_new.setdefault(user, []).append(item)
    with_history = {row[0] for row in train.ratings}
    assert judged.relevant == {user: items for user, items in expected.items() if user in with_history}
    assert judged.new_items == {user: items for user, items in expected_new.items() if user in with_history}
    assert judged.cold == [items for user, items in expected.items() if user not in with_history]
    time, liked = {row[:2]: row[-1] for row in sorted(train.ratings, key=lambda row: row[-1])}, {}
    for pair in utility_oracle.positive(train, UTILITY):
        liked[pair[0]] = max(liked.get(pair[0], (-1, -1)), (time[pair], pair[1]))
    assert sorted(judged.pairs) == [
        (user, liked[user][1], item)
        for user, item in sorted(fresh)
        if user in liked and item in {*known, 10, 11, 12}
    ]
    unknown = sum(item not in known for _, item in fresh)
    assert judged.reference.unknown_item_share == pytest.approx(unknown / max(len(fresh), 1))


def test_later_likes_are_paired_with_the_last_one_before(con):
    """Item 10 has five likes before the cutoff, item 11 four and a dislike, and item 99 none of any kind."""
    log = Log(
        ratings=[
            *[(user, 10, 5.0, 1) for user in range(3, 8)],
            *[(user, 11, 5.0, 2) for user in range(3, 7)], (9, 11, 1.0, 2),
            (1, 13, 5.0, 4), (1, 14, 5.0, 3), (1, 15, 1.0, 5),  # 15 is later, and not liked
            (1, 10, 5.0, 60), (1, 11, 5.0, 61), (1, 99, 5.0, 62),
            (2, 15, 1.0, 1), (2, 10, 5.0, 60),  # has liked nothing
            (3, 99, 5.0, 60),
        ],
        items=[(99, None, ["Drama"])],
    )  # fmt: skip
    judged = Judged(con, log)
    assert judged.pairs == [(1, 13, 10), (1, 13, 11), (1, 13, 99), (3, 11, 99)]
    assert judged.cold_targets == {11, 99}
    assert judged.half_of_pairs == {
        user: hashlib.md5(f"42:{user}".encode()).digest()[8] % 2 for user in (1, 3)
    }


def test_item_statistics_ignore_rows_after_the_cutoff(con):
    early = [
        (user, item, 5.0, 1)
        for user, items in {1: range(10, 20), 2: (10, 11), 3: (10,)}.items()
        for item in items
    ]
    late = [(user, 12, 5.0, 60) for user in (2, 3)]
    judged = Judged(con, Log(ratings=early + late, items=[(99, None, ["Drama"])]))
    by = judged.statistics
    assert list(judged.relevant) == [2, 3]
    assert by.popularity == pytest.approx([3 / 3, 2 / 3, *[1 / 3] * 8, 0])
    assert by.history_popularity == pytest.approx([5 / 6, 1])
    assert by.user_class.tolist() == [0, 0], "both are new; the settled user is not judged"
    assert by.item_class.tolist() == [0, 1, *[1] * 8, -1]
    assert by.taste_vectors.any(axis=1).tolist() == [True] * 10 + [False]
    assert {
        row["segment"]: (row["of"], row["n"], row["least"], row["greatest"]) for row in judged.segments
    } == {
        "new": ("users", 2, 1, 2),
        "light": ("users", 1, 10, 10),
        "head": ("items", 1, 3, 3),
        "middle": ("items", 9, 1, 2),
        "new_items": ("items", 1, 0, 0),
    }
    assert Judged(con, Log(ratings=early + late[::-1], items=[(99, None, ["Drama"])])).files == judged.files


def crowd(user_ids):
    """Users who like item 10 before day 50 and item 11 after it; somebody else makes 11 known."""
    rows = [row for user in user_ids for row in ((user, 10, 5.0, 1), (user, 11, 5.0, 60))]
    return Log(ratings=[*rows, (-1, 11, 5.0, 1)])


def test_halves_do_not_depend_on_other_users(con):
    alone, together = Judged(con, crowd(range(0, 200, 2))), Judged(con, crowd(range(200)))
    assert alone.half == {user: half for user, half in together.half.items() if user % 2 == 0}
    assert (together.reference.n_select, together.reference.n_report) == (
        list(together.half.values()).count(0),
        list(together.half.values()).count(1),
    )
    assert 70 < together.reference.n_select < 130


def test_another_seed_makes_other_halves(con):
    assert Judged(con, crowd(range(50)), seed=1).half != Judged(con, crowd(range(50)), seed=2).half


@pytest.mark.parametrize("id_type", ["bigint", "text"])
def test_half_is_the_documented_bit_of_md5(con, id_type):
    judged = Judged(con, crowd(range(20)), seed=7, id_type=id_type)
    digests = {user: hashlib.md5(f"7:{user}".encode()).digest() for user in judged.half}
    assert judged.half == {user: digest[8] % 2 for user, digest in digests.items()}


def test_bytes_do_not_depend_on_the_order_of_rows(con):
    log = crowd(range(60))
    assert Judged(con, log).files == Judged(con, Log(ratings=log.ratings[::-1])).files


@pytest.mark.parametrize("log", [Log(), Log(ratings=[(1, 10, 5.0, 1)])], ids=["nothing", "one rating"])
def test_an_empty_holdout_is_valid(con, log):
    judged = Judged(con, log, split=SplitSettings())
    assert (judged.relevant, judged.cold) == ({}, [])
    assert judged.reference.unknown_item_share == 0


def test_note_says_which_half_has_how_many_users() -> None:
    made = HeldOut("h", Path("h"), n_select=3, n_report=2, n_cold=1, unknown_item_share=0.25)
    assert hold_out.note(made).startswith("3 users to select by, 2 to report on, 1 without history; 25.0% of")


def test_of_many_users_some_are_drawn_whatever_their_half(con):
    log = Log(
        ratings=[
            *((user, 10 + user % 3, 4.0, 1) for user in range(40)),
            *((user, 10 + (user + 1) % 3, 5.0, 60) for user in range(80)),
            *((user, 10, 4.0, 1) for user in range(100, 140)),
            *((user, 11, 1.0, 60) for user in range(100, 120)),  # judged by their ratings only
            *((user, 99, 5.0, 60) for user in range(120, 140)),  # by an item that nobody had met
        ],
        items=[(item, None, ["Drama"]) for item in (10, 11, 12, 99)],
    )
    every = Judged(con, log)
    assert (len(every.relevant), len(every.cold), every.reference.n_not_drawn) == (40, 40, 0)
    assert len(every.ratings) == 60
    drawn = {n: Judged(con, log, max_users=n) for n in (8, 20, 39, 40)}
    for n, judged in drawn.items():
        assert (len(judged.relevant), len(judged.cold), judged.reference.n_not_drawn) == (n, n, 40 - n)
        assert judged.relevant.items() <= every.relevant.items()
        assert judged.half.items() <= every.half.items()
        assert judged.ratings.items() <= every.ratings.items()
        assert {user for user, _ in judged.ratings} >= set(judged.relevant)
    for few, more in itertools.pairwise(drawn.values()):
        assert set(few.relevant) < set(more.relevant)
        assert set(few.ratings) <= set(more.ratings)
        assert set(few.new_items) <= set(more.new_items)
    halves = set(drawn[20].half.values())
    assert halves == {0, 1}
    only_rated = {user for user, _ in drawn[20].ratings} - set(drawn[20].relevant)
    assert 3 <= len(only_rated) <= 17  # about half of them, as of the others
    assert 3 <= len(set(drawn[20].new_items)) <= 17
    assert drawn[40].files == every.files
    assert set(Judged(con, log, seed=7, max_users=8).relevant) != set(drawn[8].relevant)
