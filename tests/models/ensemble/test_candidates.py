"""The pool of proposals against a plain version, and what no weight could mend: scales, ties, NaN, short lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import TopN
from models.ensemble.candidates import best, pooled

N_ITEMS = 12


def top(*rows: list[tuple[int, float]], n: int = 4) -> TopN:
    """Lists of (item, score), padded."""
    items, scores = np.full((len(rows), n), -1, np.int32), np.full((len(rows), n), np.nan, np.float32)
    for row, entries in enumerate(rows):
        for rank, (item, score) in enumerate(entries):
            items[row, rank], scores[row, rank] = item, score
    return TopN(items, scores)


def plainly(lists: list[TopN]) -> dict[tuple[int, int], tuple[list[float], list[float]]]:
    """(row, item) → each member's standardised score and rank, by the docstring."""
    found = {}
    for row in range(len(lists[0].items)):
        members = []
        for each in lists:
            there = [
                (item, rank, float(score))
                for rank, (item, score) in enumerate(zip(each.items[row], each.scores[row], strict=True))
                if item >= 0 and np.isfinite(score)
            ]
            given = [score for _, _, score in there]
            mean, deviation = (np.mean(given), np.std(given)) if given else (0, 0)
            scale = {item: (score - mean) / deviation if deviation > 0 else 0 for item, _, score in there}
            members.append((scale, {item: rank for item, rank, _ in there}))
        for item in {item for scale, _ in members for item in scale}:
            scores = [scale.get(item, min(scale.values(), default=0)) for scale, _ in members]
            found[row, int(item)] = scores, [ranks.get(item, each.items.shape[1]) for _, ranks in members]
    return found


@st.composite
def some_lists(draw: st.DrawFn) -> list[TopN]:
    def one() -> list[tuple[int, float]]:
        items = draw(st.lists(st.integers(0, N_ITEMS - 1), max_size=4, unique=True))
        scores = sorted((draw(st.integers(-50, 50)) / 4 for _ in items), reverse=True)
        return list(zip(items, scores, strict=True))

    rows, members = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    return [top(*(one() for _ in range(rows))) for _ in range(members)]


@given(some_lists())
def test_the_pool_is_that_of_the_plain_version(lists: list[TopN]) -> None:
    pool = pooled(lists, N_ITEMS)
    expected = plainly(lists)
    assert list(zip(pool.row, pool.item, strict=True)) == sorted(expected)
    for at, key in enumerate(sorted(expected)):
        np.testing.assert_allclose(pool.scores[:, at], expected[key][0], atol=1e-5)
        assert pool.ranks[:, at].tolist() == expected[key][1]


@given(some_lists(), st.floats(0.01, 100), st.floats(-50, 50))
def test_no_members_scale_has_a_say(lists: list[TopN], factor: float, offset: float) -> None:
    pool = pooled(lists, N_ITEMS)
    moved = [TopN(each.items, each.scores * np.float32(factor) + np.float32(offset)) for each in lists]
    np.testing.assert_allclose(pooled(moved, N_ITEMS).scores, pool.scores, atol=2e-2)


@given(some_lists())
def test_ranks_know_only_the_order(lists: list[TopN]) -> None:
    bent = [TopN(each.items, np.exp(each.scores / 4).astype(np.float32)) for each in lists]
    ours, theirs = pooled(lists, N_ITEMS), pooled(bent, N_ITEMS)
    assert np.array_equal(ours.ranks, theirs.ranks)
    assert np.array_equal(ours.item, theirs.item)


def test_a_score_that_is_none_is_no_proposal() -> None:
    broken = top([(1, 3.0), (2, np.nan), (3, -np.inf)])
    pool = pooled([broken, top([(3, 1.0), (4, 1.0)])], N_ITEMS)
    assert pool.item.tolist() == [1, 3, 4]
    assert pool.scores.tolist() == [[0, 0, 0], [0, 0, 0]], "one score has no deviation, equal ones neither"
    assert pool.ranks.tolist() == [[0, 4, 4], [4, 0, 1]]


def test_with_no_proposal_the_pool_is_empty() -> None:
    pool = pooled([top([], [])], N_ITEMS)
    assert pool.scores.shape == (1, 0)
    lists = best(pool, np.empty(0, np.float32), 2, 3, np.arange(N_ITEMS, dtype=np.int32))
    assert (lists.items == -1).all()


@pytest.mark.parametrize("seed", range(3))
def test_the_best_are_the_greatest_and_ties_follow_the_tie_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(N_ITEMS).astype(np.int32)
    pool = pooled([top([(i, 0.0) for i in range(4)], [], [(7, 2.0), (5, 1.0)])], N_ITEMS)
    scores = rng.integers(0, 2, len(pool.row)).astype(np.float32)
    lists = best(pool, scores, 3, 3, order)
    for row in range(3):
        mine = [(-scores[at], list(order).index(pool.item[at])) for at in np.flatnonzero(pool.row == row)]
        expected = [int(order[place]) for _, place in sorted(mine)][:3]
        assert [item for item in lists.items[row] if item >= 0] == expected
        assert (np.diff(lists.scores[row][: len(expected)]) <= 0).all()
