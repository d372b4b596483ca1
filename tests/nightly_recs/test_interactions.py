"""Frames become matrices with the ids of the data; a split puts what is later aside."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nightly_recs as nr
from tests.examples import examples

FRAME = pd.DataFrame({
    "who": ["b", "a", "a", "b", "a"],
    "what": [10, 10, 20, 30, 20],
    "stars": [4.0, 2.0, 1.0, 3.5, 5.0],
    "at": pd.to_datetime(["2024-01-05", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-01"]),
    "name": ["Ten", "Ten", "Twenty", "Thirty", "Twenty"],
})  # fmt: skip
NAMES = {"user": "who", "item": "what", "rating": "stars"}


def ratings(data: nr.Interactions) -> dict:
    pairs = data.matrices.rating.tocoo()
    return {
        (data.user_ids[row], data.item_ids[column]): float(value)
        for row, column, value in zip(pairs.row, pairs.col, pairs.data, strict=True)
    }


def test_the_latest_row_of_a_pair_counts() -> None:
    by_time = nr.Interactions.from_frame(FRAME, **NAMES, time="at")
    assert ratings(by_time) == {("b", 10): 4, ("a", 10): 2, ("a", 20): 1, ("b", 30): 3.5}
    by_order = nr.Interactions.from_frame(FRAME, **NAMES)
    assert ratings(by_order)["a", 20] == 5
    assert {tuple(row) for row in by_time.likes().itertuples(index=False)} == {("b", 10), ("b", 30)}
    assert by_time.matrices.timestamp.data.max() == pd.Timestamp("2024-01-05").timestamp()


def test_without_ratings_every_row_is_a_like() -> None:
    data = nr.Interactions.from_frame(FRAME, user="who", item="what")
    assert len(data.likes()) == 4
    assert data.matrices.rating.nnz == 0


def test_a_scale_of_its_own_needs_the_least_like() -> None:
    tens = FRAME.assign(stars=FRAME["stars"] * 2)
    with pytest.raises(ValueError, match="ratings go from 2 to 10: say from which on they are likes"):
        nr.Interactions.from_frame(tens, **NAMES)
    assert len(nr.Interactions.from_frame(tens, **NAMES, liked=7).likes()) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"who": None}, "1 of 5 rows have no 'who'"),
        ({"stars": np.nan}, "1 of 5 rows have no 'stars'"),
    ],
)
def test_missing_values_are_counted(change: dict, message: str) -> None:
    frame = FRAME.copy()
    for column, value in change.items():
        frame.loc[0, column] = value
    with pytest.raises(ValueError, match=message):
        nr.Interactions.from_frame(frame, **NAMES)


def test_an_absent_column_is_named() -> None:
    with pytest.raises(ValueError, match="no column 'user'; it has who, what, stars, at, name"):
        nr.Interactions.from_frame(FRAME)


@settings(max_examples=examples(25))
@given(st.integers(0, 10**6), st.floats(0.05, 0.9), st.booleans())
def test_a_split_keeps_each_pair_once(seed: int, share: float, with_times: bool) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 80))
    frame = pd.DataFrame({
        "user": rng.integers(0, 12, n), "item": rng.integers(0, 15, n), "rating": rng.integers(1, 6, n),
        "time": rng.permutation(n) * 1000,
    })  # fmt: skip
    data = nr.Interactions.from_frame(frame, rating="rating", time="time" if with_times else None)
    training, later = data.split(share, seed=seed)
    for name in ("seen", "rating", "positive", "composite", "timestamp"):
        whole, parts = getattr(data.matrices, name), [getattr(p.matrices, name) for p in (training, later)]
        assert sum(part.nnz for part in parts) == whole.nnz
        assert np.array_equal(sum(part.toarray() for part in parts), whole.toarray())
    if with_times and training.matrices.seen.nnz and later.matrices.seen.nnz:
        assert training.matrices.timestamp.data.max() < later.matrices.timestamp.data.min()
    assert later.item_ids.equals(data.item_ids)


@pytest.mark.parametrize("share", [0, 1, -0.5])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        nr.Interactions.from_frame(FRAME, **NAMES).split(share)
