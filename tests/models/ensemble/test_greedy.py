"""Greedy selection: each addition is the one that raises NDCG most, as a plain search finds it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ensemble import greedy
from tests.examples import examples


def ndcg(row: np.ndarray, liked: np.ndarray, scores: np.ndarray, n: int) -> float:
    """Return the sum of NDCG over the lists, by sorting."""
    total = 0.0
    for line in np.unique(row):
        here = row == line
        hits = liked[here][np.argsort(-scores[here], kind="stable")]
        ideal = (1 / np.log2(np.arange(min(hits.sum(), n)) + 2)).sum()
        total += (hits[:n] / np.log2(np.arange(len(hits[:n])) + 2)).sum() / ideal if ideal else 0
    return float(total)


def plain(features: np.ndarray, row: np.ndarray, liked: np.ndarray, n: int, most: int) -> list[np.ndarray]:
    """Return the counts after each addition."""
    counts, found = np.zeros(features.shape[1]), []
    for _ in range(greedy._ROUNDS):
        qualities = [ndcg(row, liked, features @ counts + column, n) for column in features.T]
        allowed = [count > 0 or (counts > 0).sum() < most for count in counts]
        counts[np.argmax(np.where(allowed, qualities, -1))] += 1
        found.append(counts.copy())
    return found


@settings(max_examples=examples(15))
@given(
    seed=st.integers(0, 10_000),
    n_lists=st.integers(1, 6),
    n_features=st.integers(1, 4),
    n=st.integers(1, 5),
    most=st.integers(1, 4),
)
def test_each_addition_helps_most(seed: int, n_lists: int, n_features: int, n: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(n_lists), rng.integers(1, 8, n_lists))
    features = rng.integers(-9, 9, (len(row), n_features)).astype(np.float32)  # sums are exact
    liked = rng.random(len(row)) < 0.3
    found = greedy.select(features, row, liked, n=n, most=most)
    steps = plain(features.astype(np.float64), row, liked, n, most)
    qualities = [ndcg(row, liked, features @ counts, n) for counts in steps]
    best = steps[int(np.argmax(np.round(qualities, 9)))]
    np.testing.assert_allclose(found, best / best.sum() if max(qualities) > 0 else 0 * best)


def test_a_member_that_brings_nothing_is_left_out() -> None:
    rng = np.random.default_rng(0)
    row = np.repeat(np.arange(200), 20)
    liked = rng.random(len(row)) < 0.15
    good = liked + rng.standard_normal(len(row))
    other = liked + rng.standard_normal(len(row))
    noise = 0.2 * rng.standard_normal(len(row)) - 0.5 * liked
    found = greedy.select(np.column_stack([good, noise, other]).astype(np.float32), row, liked, n=10)
    assert found[1] == 0
    assert found[0] > 0.2
    assert found[2] > 0.2


def test_no_more_features_are_added_than_allowed() -> None:
    """Each of three features helps other users, so that without a limit all are added."""
    rng = np.random.default_rng(1)
    row = np.repeat(np.arange(300), 20)
    liked = rng.random(len(row)) < 0.15
    columns = [liked * (row % 3 == which) + 0.7 * rng.standard_normal(len(row)) for which in range(3)]
    features = np.column_stack(columns).astype(np.float32)
    assert np.count_nonzero(greedy.select(features, row, liked, n=10)) == 3
    for most in (1, 2):
        assert np.count_nonzero(greedy.select(features, row, liked, n=10, most=most)) == most
