"""The composite utility against plain loops and hand-computed numbers; it must not depend on later interactions."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.interactions import Interactions
from tasks.config.settings import TRANSFORMS, Signal, SplitSettings, UtilitySettings
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.split import everything, make_split
from tests.examples import examples
from tests.tasks.logs import AS_OF, EPOCH, Log, day, make_clean_tables
from tests.tasks.preparation import utility_oracle

BIG = 2**40
TEXT_IDS = ["007", "7", "O'Brien", 'say "hi"', "é", "日本", "a;drop table ratings", " "]
MATRICES = ("seen", "rating", "positive", "composite", "timestamp")

users = st.sampled_from([1, 2, 3, BIG])
items = st.sampled_from([-5, 10, 11, 12, BIG + 1])
days = st.integers(0, 20).map(lambda halves: halves / 2)
stars = st.integers(1, 10).map(lambda halves: halves / 2)
amounts = st.sampled_from([0.0, 0.1, 0.25, 1.0, 3.0, 7.7])


def distinct(row, key):
    return st.lists(row, max_size=14, unique_by=key)


logs = st.builds(
    Log,
    ratings=distinct(st.tuples(users, items, stars, days), lambda row: (row[0], row[1], row[3])),
    tags=distinct(st.tuples(users, items, st.sampled_from(["noir", "blue", "fun"]), days), lambda row: row),
    events=distinct(st.tuples(users, items, st.sampled_from(["watch", "like"]), amounts, days), lambda r: r),
)
sources = st.sampled_from([("ratings", None), ("tags", None), ("events", "watch"), ("events", "like")])
signals = st.builds(
    lambda source, **rest: Signal(source=source[0], event=source[1], **rest),
    sources,
    weight=st.sampled_from([0.5, 1.0, 5.0]),
    aggregate=st.sampled_from(["last", "sum", "max", "count"]),
    transform=st.sampled_from(sorted(TRANSFORMS)),
    half_life_days=st.sampled_from([0, 0.5, 30]),
)


def all_cells(snapshot):
    """Each stored matrix as {(user_id, item_id): value}."""
    data = Interactions.load(snapshot.folder)
    user_ids = pq.read_table(snapshot.folder / "users.parquet")["user_id"].to_pylist()
    item_ids = pq.read_table(snapshot.folder / "items.parquet")["item_id"].to_pylist()
    return {
        name: {
            (user_ids[row], item_ids[column]): value
            for row, column, value in zip(*matrix.coords, matrix.data.tolist(), strict=True)
        }
        for name, matrix in ((name, getattr(data, name).tocoo()) for name in MATRICES)
    }


def cells(snapshot, matrix):
    return all_cells(snapshot)[matrix]


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def snapshot_at(con, folder, cutoff_day, utility):
    """The snapshot before a common cutoff."""
    train, matrices = folder / "split", folder / "snapshot"
    train.mkdir(parents=True)
    matrices.mkdir()
    chosen = SplitSettings(method="temporal", cutoff=day(cutoff_day).isoformat())
    split = make_split(con, chosen, utility, as_of=AS_OF, key="split", folder=train)
    return build_snapshot(con, split, utility, key="snapshot", folder=matrices)


def refit_snapshot(con, folder, utility):
    """The snapshot of everything."""
    split_folder, matrices = folder / "everything", folder / "refit"
    split_folder.mkdir()
    matrices.mkdir()
    split = everything(con, as_of=AS_OF, key="everything", folder=split_folder)
    return build_snapshot(con, split, utility, key="refit", folder=matrices)


@settings(max_examples=examples(30))
@given(log=logs, chosen=st.lists(signals, min_size=1, max_size=3), data=st.data())
def test_agrees_with_plain_loops(con, log, chosen, data):
    make_clean_tables(con, log)
    utility = UtilitySettings(
        positive_tags=data.draw(st.booleans()),
        positive_events={"like": 1, "watch": 3.1},
        signals={f"signal {number}": signal for number, signal in enumerate(chosen)},
    )
    method = data.draw(st.sampled_from(["temporal", "leave_last"]))
    with TemporaryDirectory() as name:
        folder = Path(name)
        split = make_split(con, SplitSettings(method=method), utility, as_of=AS_OF, key="", folder=folder)
        snapshot = build_snapshot(con, split, utility, key="", folder=folder)
        found = all_cells(snapshot)
        table = pq.read_table(folder / "cutoffs.parquet").to_pydict()

    cutoffs = {
        user: (cutoff - EPOCH).total_seconds() / 86400
        for user, cutoff in zip(table["user_id"], table["cutoff"], strict=True)
    }
    train = utility_oracle.before(log, cutoffs)
    latest = {}
    for user, item, when in sorted(train.interactions, key=lambda row: row[2]):
        latest[user, item] = int(day(when).timestamp() - day(0).timestamp() + 1767225600)
    assert found["timestamp"] == latest
    assert found["seen"] == dict.fromkeys(latest, 1)
    assert found["rating"] == {row[:2]: row[2] for row in train.ratings}
    assert found["positive"] == dict.fromkeys(utility_oracle.positive(train, utility), 1)
    now = (split.cutoff or split.as_of) - EPOCH
    expected = utility_oracle.composite(train, now.total_seconds() / 86400, utility)
    for pair in expected.keys() | found["composite"].keys():
        assert math.isclose(
            expected.get(pair, 0), found["composite"].get(pair, 0), rel_tol=2e-6, abs_tol=1e-9
        ), pair


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_transform_agrees_with_plain_loops(con, tmp_path, transform):
    """A transform that `utility_oracle.py` lacks fails here."""
    make_clean_tables(con, HAND_MADE)
    utility = UtilitySettings(
        signals={
            "rating": Signal(source="ratings", aggregate="last", transform=transform),
            "like": Signal(source="events", event="like", transform=transform, half_life_days=30),
        }
    )
    cutoffs = dict.fromkeys((1, 2, 3), 100)
    expected = utility_oracle.composite(utility_oracle.before(HAND_MADE, cutoffs), 100, utility)
    assert expected or transform in ("user_mean", "user_zscore")
    assert cells(refit_snapshot(con, tmp_path, utility), "composite") == pytest.approx(expected, rel=1e-6)


HAND_MADE = Log(
    ratings=[(1, 10, 5.0, 1), (1, 11, 2.0, 2), (1, 10, 3.0, 60), (2, 10, 4.0, 3), (3, 12, 4.5, 4)],
    tags=[(1, 10, "noir", 2), (2, 10, "noir", 3), (2, 11, "fun", 70)],
    events=[(2, 12, "like", 1.0, 5), (3, 12, "like", 1.0, 6), (3, 11, "like", 1.0, 80)],
    items=[(10, "Ten", ["Crime", "Drama"]), (11, "Eleven", ["Drama"]), (99, "Never met", ["Western"])],
)


def test_rows_from_the_cutoff_on_change_nothing(con, tmp_path):
    make_clean_tables(con, HAND_MADE)
    utility = UtilitySettings()
    honest = snapshot_at(con, tmp_path / "honest", 50, utility)

    def past(rows):
        return [row for row in rows if row[-1] < 50]

    other_future = Log(
        ratings=[*past(HAND_MADE.ratings), (1, 11, 5.0, 50), (2, 10, 0.5, 51), (9, 12, 5.0, 52)],
        tags=[*past(HAND_MADE.tags), (1, 10, "noir", 50), (2, 12, "blue", 99)],
        events=[*past(HAND_MADE.events), (2, 12, "like", 40.0, 50)],
        items=HAND_MADE.items,
    )
    make_clean_tables(con, other_future)
    assert files(snapshot_at(con, tmp_path / "other", 50, utility).folder) == files(honest.folder)


def test_a_row_just_before_the_cutoff_changes_the_matrices(con, tmp_path):
    make_clean_tables(con, HAND_MADE)
    utility = UtilitySettings()
    honest = snapshot_at(con, tmp_path / "honest", 50, utility)
    changed = replace(HAND_MADE, ratings=[*HAND_MADE.ratings, (1, 10, 1.0, 49.9)])
    make_clean_tables(con, changed)
    other = snapshot_at(con, tmp_path / "other", 50, utility)
    assert cells(honest, "rating")[1, 10] == 5
    assert cells(other, "rating")[1, 10] == 1


def test_the_refit_has_all_rows_before_as_of_only(con, tmp_path):
    log = replace(HAND_MADE, ratings=[*HAND_MADE.ratings, (3, 10, 1.0, 100), (8, 10, 1.0, 101)])
    make_clean_tables(con, log)
    refit = refit_snapshot(con, tmp_path, UtilitySettings())
    assert cells(refit, "rating") == {(1, 10): 3, (1, 11): 2, (2, 10): 4, (3, 12): 4.5}
    assert set(cells(refit, "seen")) == {(user, item) for user, item, when in log.interactions if when < 100}


def test_counts_of_the_reference_match_the_matrices(con, tmp_path):
    make_clean_tables(con, HAND_MADE)
    snapshot = refit_snapshot(con, tmp_path, UtilitySettings())
    data = Interactions.load(snapshot.folder)
    assert (snapshot.n_users, snapshot.n_items) == data.seen.shape == (3, 4)
    assert snapshot.n_untouched == 1
    assert snapshot.n_seen == data.seen.nnz == data.timestamp.nnz
    assert snapshot.n_rating == data.rating.nnz
    assert snapshot.n_positive == data.positive.nnz
    assert snapshot.n_composite == data.composite.nnz
    assert all(getattr(data, name).has_canonical_format for name in MATRICES)


def test_a_disliked_item_is_seen_and_not_positive(con, tmp_path):
    make_clean_tables(con, HAND_MADE)
    snapshot = refit_snapshot(con, tmp_path, UtilitySettings())
    assert (1, 11) in cells(snapshot, "seen")
    assert (1, 11) not in cells(snapshot, "positive")


def test_item_features_are_genres_and_the_tags_before_the_cutoff(con, tmp_path):
    make_clean_tables(con, HAND_MADE)
    data = Interactions.load(snapshot_at(con, tmp_path / "cut", 50, UtilitySettings()).folder)
    assert data.feature_names == ("genre:Crime", "genre:Drama", "genre:Western", "tag:noir")
    np.testing.assert_array_equal(
        data.item_features.toarray(), [[1, 1, 0, 2], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    )


def test_untouched_items_are_there_when_they_have_genres(con, tmp_path):
    new = [(5, "Tagged only later", ["Drama"]), (98, "Nothing known", [])]
    make_clean_tables(
        con, replace(HAND_MADE, items=[*HAND_MADE.items, *new], tags=[*HAND_MADE.tags, (3, 5, "noir", 60)])
    )
    cut = snapshot_at(con, tmp_path / "cut", 50, UtilitySettings())
    table = pq.read_table(cut.folder / "items.parquet").to_pydict()
    assert table["item_id"] == [5, 10, 11, 12, 99]
    assert table["item_idx"] == [0, 1, 2, 3, 4]
    assert table["is_touched"] == [False, True, True, True, False]
    data = Interactions.load(cut.folder)
    assert [data.feature_names[column] for column in data.item_features[[0]].indices] == ["genre:Drama"]
    assert data.seen[:, [0, 4]].nnz == 0
    refit = refit_snapshot(con, tmp_path, UtilitySettings())
    assert pq.read_table(refit.folder / "items.parquet")["is_touched"].to_pylist() == [True] * 4 + [False]


def test_documented_example_of_weighted_events(con, tmp_path):
    """docs/utility.md: hours watched 1, likes 2, shares 5, comments 2, rating 1, worked by hand."""
    log = Log(
        ratings=[(1, 10, 4.0, 1)],
        events=[
            (1, 10, "watch", 1.5, 1),
            (1, 10, "watch", 0.5, 2),
            (1, 10, "like", 1.0, 2),
            (1, 10, "share", 1.0, 3),
            (1, 10, "share", 1.0, 4),
            (1, 10, "comment", 1.0, 5),
            (1, 11, "watch", 0.25, 6),
            (1, 12, "mute", 1.0, 7),
        ],
    )
    make_clean_tables(con, log)
    events = {"watch": 1, "like": 2, "share": 5, "comment": 2}
    utility = UtilitySettings(
        signals={
            "rating": Signal(source="ratings", aggregate="last"),
            **{event: Signal(source="events", event=event, weight=w) for event, w in events.items()},
        }
    )
    snapshot = refit_snapshot(con, tmp_path, utility)
    # 1·4 (rating) + 1·2 (hours) + 2·1 (like) + 5·2 (shares) + 2·1 (comment) = 20; a quarter of an hour = 0.25
    assert cells(snapshot, "composite") == {(1, 10): 20, (1, 11): 0.25}
    assert set(cells(snapshot, "positive")) == {(1, 10)}
    assert set(cells(snapshot, "seen")) == {(1, 10), (1, 11), (1, 12)}


def test_age_counts_from_cutoff_and_in_the_refit_from_as_of(con, tmp_path):
    make_clean_tables(con, Log(ratings=[(1, 10, 4.0, 40), (1, 11, 4.0, 60)]))
    utility = UtilitySettings(
        signals={"rating": Signal(source="ratings", aggregate="last", half_life_days=10)}
    )
    assert cells(snapshot_at(con, tmp_path, 50, utility), "composite") == {(1, 10): 2}
    assert cells(refit_snapshot(con, tmp_path, utility), "composite") == {
        (1, 10): 4 * 2**-6,
        (1, 11): 4 * 2**-4,
    }


def test_judged_utilities_of_leave_last_are_those_published(con, tmp_path):
    """User 1 was active long before user 2; what is judged must have faded as much as what is published."""
    log = Log(ratings=[(user, item, 4.0, 40 * user + item) for user in (1, 2) for item in range(10)])
    make_clean_tables(con, log)
    utility = UtilitySettings(
        signals={"rating": Signal(source="ratings", aggregate="last", half_life_days=10)}
    )
    chosen = SplitSettings(method="leave_last")
    split = make_split(con, chosen, utility, as_of=AS_OF, key="", folder=tmp_path)
    judged = cells(build_snapshot(con, split, utility, key="", folder=tmp_path), "composite")
    (tmp_path / "all").mkdir()
    published = cells(refit_snapshot(con, tmp_path / "all", utility), "composite")
    assert len(judged) == 16
    assert judged == {pair: value for pair, value in published.items() if pair in judged}


def test_log1p_counts_a_negative_value_as_zero(con, tmp_path):
    make_clean_tables(con, Log(ratings=[(1, 10, -3.0, 1), (1, 11, 3.0, 1)]))
    rating = Signal(source="ratings", aggregate="last", transform="log1p")
    snapshot = refit_snapshot(con, tmp_path, UtilitySettings(signals={"rating": rating}))
    assert cells(snapshot, "composite") == {(1, 11): pytest.approx(math.log(4))}


RATIO = Signal(source="ratings", aggregate="last", transform="user_ratio")
values_of_any_sign = st.one_of(
    st.integers(-5, 5).map(float), st.floats(-1e30, 1e30, allow_nan=False), st.floats(-1e-9, 1e-9)
)


@settings(max_examples=examples(30))
@given(values=st.lists(values_of_any_sign, min_size=1, max_size=12))
@pytest.mark.slow
def test_user_ratio_keeps_the_order_within_its_bound(con, values):
    """A click on every item raises all utilities by n + 1, so that ratios of −n to n can be read from them."""
    n = len(values)
    make_clean_tables(
        con,
        Log(
            ratings=[(1, item, value, 1) for item, value in enumerate(values)],
            events=[(1, item, "click", 1.0, 1) for item in range(n)],
        ),
    )
    click = Signal(source="events", event="click", weight=n + 1)
    utility = UtilitySettings(signals={"rating": RATIO, "click": click})
    with TemporaryDirectory() as folder:
        found = cells(refit_snapshot(con, Path(folder), utility), "composite")
    utilities = np.array([found[1, item] for item in range(n)])
    assert np.abs(utilities - (n + 1)).max() <= n * (1 + 1e-6)
    assert (np.diff(utilities[np.argsort(values, kind="stable")]) >= 0).all()


@pytest.mark.parametrize(
    ("values", "ratios"),
    [
        ([1, 3, 5], [1 / 3, 1, 5 / 3]),
        ([-1, -3, 2], [None, None, 1]),
        ([-1e9, 1e9 + 1, 1], [None, 1.5, 1.5e-9]),
        ([0, 0], [None, None]),
        ([-1, -2], [None, None]),
    ],
    ids=["positive", "a mean below 0", "a mean near 0", "only zeros", "only negative"],
)
def test_user_ratio_divides_by_the_mean_magnitude(con, tmp_path, values, ratios):
    make_clean_tables(con, Log(ratings=[(1, item, float(v), 1) for item, v in enumerate(values)]))
    found = cells(refit_snapshot(con, tmp_path, UtilitySettings(signals={"rating": RATIO})), "composite")
    expected = {(1, item): ratio for item, ratio in enumerate(ratios) if ratio is not None}
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_utilities_are_finite_when_values_are_enormous(con, tmp_path, transform):
    make_clean_tables(
        con, Log(ratings=[(u, i, v, 1) for u in (1, 2) for i, v in enumerate((3e38, -3e38, 1.0))])
    )
    enormous = Signal(source="ratings", aggregate="last", transform=transform, weight=1000)
    found = cells(refit_snapshot(con, tmp_path, UtilitySettings(signals={"rating": enormous})), "composite")
    assert found
    assert np.isfinite(list(found.values())).all()


def test_ratings_equal_to_the_mean_have_no_utility(con, tmp_path):
    """Their mean is 3.3 only up to rounding; the error must not stay behind as a tiny positive utility."""
    make_clean_tables(con, Log(ratings=[(1, item, 3.3, item) for item in range(10)]))
    assert cells(refit_snapshot(con, tmp_path, UtilitySettings()), "composite") == {}


def test_bytes_do_not_depend_on_threads(con, tmp_path):
    """1e17 + 1 − 1e17 is 0 or 1, as the order will have it: an unordered sum would show."""
    make_clean_tables(con, Log())
    rng = np.random.default_rng(1)
    pairs = rng.permutation(np.unique(rng.integers(0, [400, 2000], (160_000, 2)), axis=0))
    log = {
        "u": pairs[:, 0],
        "i": pairs[:, 1],
        "v": rng.choice([1e17, 1, -1e17], len(pairs)),
        "event": rng.choice(["watch", "read", "hear"], len(pairs)),
        "moment": (EPOCH + rng.random(len(pairs)) * timedelta(days=30)).astype("datetime64[us]"),
    }
    con.register("log", log)
    con.execute("insert into ratings select u, i, v, moment, null from log")
    con.execute("insert into events select u, i % 40, event, v, moment, null from log")
    con.unregister("log")
    utility = UtilitySettings(
        positive_events={"watch": 1},
        signals={
            **{t: Signal(source="ratings", transform=t) for t in ("user_mean", "user_zscore")},
            **{event: Signal(source="events", event=event) for event in ("watch", "read", "hear")},
        },
    )
    written = []
    for threads in (1, 4):
        con.execute("set threads = " + str(threads))
        folder = tmp_path / str(threads)
        folder.mkdir()
        written.append(files(refit_snapshot(con, folder, utility).folder))
    assert written[0] == written[1]


def test_text_ids_are_kept(con, tmp_path):
    log = Log(
        ratings=[(user, item, 4.0, 1) for user, item in zip(TEXT_IDS, reversed(TEXT_IDS), strict=True)],
        tags=[("O'Brien", "é", 'it\'s "so" naïve', 2)],
    )
    make_clean_tables(con, log, "text")
    snapshot = refit_snapshot(con, tmp_path, UtilitySettings())
    assert cells(snapshot, "rating") == {row[:2]: 4 for row in log.ratings}
    users_table = pq.read_table(snapshot.folder / "users.parquet")
    assert users_table["user_id"].to_pylist() == sorted(TEXT_IDS)
    assert users_table["user_idx"].to_pylist() == list(range(len(TEXT_IDS)))
    assert Interactions.load(snapshot.folder).feature_names == ('tag:it\'s "so" naïve',)


@pytest.mark.parametrize(
    ("log", "n_composite"),
    [
        (Log(tags=[(1, 10, "noir", 1)]), 1),
        (Log(events=[(1, 10, "like", 1.0, 1)]), 0),
        (Log(ratings=[(1, 10, 4.0, 1)]), 0),
        (Log(ratings=[(1, 10, 4.0, 1), (1, 11, 3.0, 1)]), 1),
    ],
    ids=["only a tag", "only an event", "one rating", "one user, two ratings"],
)
def test_the_smallest_data_give_a_snapshot(con, tmp_path, log, n_composite):
    make_clean_tables(con, log)
    snapshot = refit_snapshot(con, tmp_path, UtilitySettings())
    assert set(cells(snapshot, "seen")) == {(user, item) for user, item, _ in log.interactions}
    assert snapshot.n_composite == n_composite


def test_no_interactions_at_all_give_an_empty_snapshot(con, tmp_path):
    make_clean_tables(con, Log(items=[(10, "Ten", ["Drama"])]))
    snapshot = refit_snapshot(con, tmp_path, UtilitySettings())
    assert (snapshot.n_users, snapshot.n_items, snapshot.n_untouched, snapshot.n_seen) == (0, 1, 1, 0)
    assert Interactions.load(snapshot.folder).seen.shape == (0, 1)
