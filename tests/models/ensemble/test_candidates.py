"""The pool of candidates against a plain version; scales, ties, NaN and short lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.base import TopN
from models.ensemble import candidates
from models.ensemble.candidates import pool_lists, top_candidates
from tests.models.ensemble import oracle
from tests.models.threads import on_one_and_all_threads

N_ITEMS = 12


def top(*rows: list[tuple[int, float]], n: int = 4) -> TopN:
    """Lists of (item, score), padded."""
    items, scores = np.full((len(rows), n), -1, np.int32), np.full((len(rows), n), np.nan, np.float32)
    for row, entries in enumerate(rows):
        for rank, (item, score) in enumerate(entries):
            items[row, rank], scores[row, rank] = item, score
    return TopN(items, scores)


def plain_pool(lists: list[TopN]) -> dict[tuple[int, int], tuple[list[float], list[float]]]:
    """(row, item) → each member's standardised score and rank, by the docstring of `CandidatePool`."""
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
def test_pool_equals_that_of_the_plain_version(lists: list[TopN]) -> None:
    pool = pool_lists(lists, N_ITEMS)
    expected = plain_pool(lists)
    assert list(zip(pool.row, pool.item, strict=True)) == sorted(expected)
    for at, key in enumerate(sorted(expected)):
        np.testing.assert_allclose(pool.scores[:, at], expected[key][0], atol=1e-5)
        assert pool.ranks[:, at].tolist() == expected[key][1]


@given(some_lists(), st.floats(0.01, 100), st.floats(-50, 50))
def test_scores_do_not_depend_on_a_members_scale(lists: list[TopN], factor: float, offset: float) -> None:
    pool = pool_lists(lists, N_ITEMS)
    moved = [TopN(each.items, each.scores * np.float32(factor) + np.float32(offset)) for each in lists]
    np.testing.assert_allclose(pool_lists(moved, N_ITEMS).scores, pool.scores, atol=2e-2)


@given(some_lists())
def test_ranks_depend_only_on_the_order(lists: list[TopN]) -> None:
    bent = [TopN(each.items, np.exp(each.scores / 4).astype(np.float32)) for each in lists]
    ours, theirs = pool_lists(lists, N_ITEMS), pool_lists(bent, N_ITEMS)
    assert np.array_equal(ours.ranks, theirs.ranks)
    assert np.array_equal(ours.item, theirs.item)


def test_an_item_without_a_finite_score_is_no_candidate() -> None:
    broken = top([(1, 3.0), (2, np.nan), (3, -np.inf)])
    pool = pool_lists([broken, top([(3, 1.0), (4, 1.0)])], N_ITEMS)
    assert pool.item.tolist() == [1, 3, 4]
    assert pool.scores.tolist() == [[0, 0, 0], [0, 0, 0]], "a single score and equal scores have no deviation"
    assert pool.ranks.tolist() == [[0, 4, 4], [4, 0, 1]]


def test_pool_of_empty_lists_is_empty() -> None:
    pool = pool_lists([top([], [])], N_ITEMS)
    assert pool.scores.shape == (1, 0)
    lists = top_candidates(pool, np.empty(0, np.float32), 2, 3, np.arange(N_ITEMS, dtype=np.int32))
    assert (lists.items == -1).all()


@pytest.mark.parametrize("seed", range(3))
def test_top_candidates_have_the_greatest_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(N_ITEMS).astype(np.int32)
    pool = pool_lists([top([(i, 0.0) for i in range(4)], [], [(7, 2.0), (5, 1.0)])], N_ITEMS)
    scores = rng.integers(0, 2, len(pool.row)).astype(np.float32)
    lists = top_candidates(pool, scores, 3, 3, order)
    for row in range(3):
        mine = [(-scores[at], list(order).index(pool.item[at])) for at in np.flatnonzero(pool.row == row)]
        expected = [int(order[place]) for _, place in sorted(mine)][:3]
        assert [item for item in lists.items[row] if item >= 0] == expected
        assert (np.diff(lists.scores[row][: len(expected)]) <= 0).all()


def random_lists(rng: np.random.Generator, n_users: int, n: int, n_items: int) -> TopN:
    """Lists of every length, some of equal scores, in the order of their scores."""
    items = np.array([rng.permutation(n_items)[:n] for _ in range(n_users)], np.int32)
    scores = -np.sort(-rng.normal(rng.normal(0, 50), 1, (n_users, n)), axis=1).astype(np.float32)
    scores[:2] = 7.1
    padding = np.arange(n) >= rng.integers(0, n + 1, n_users)[:, None]
    items[padding], scores[padding] = -1, np.nan
    return TopN(items, scores)


@pytest.mark.parametrize(("n", "n_items"), [(1, 9), (7, 40), (100, 300), (300, 2000)])
def test_pool_has_the_bits_of_numpys_version(n: int, n_items: int) -> None:
    rng = np.random.default_rng(n)
    lists = [random_lists(rng, 50, n, n_items) for _ in range(3)]
    expected = oracle.pool_lists(lists, n_items)
    for pool in on_one_and_all_threads(lambda: pool_lists(lists, n_items)):
        for ours, theirs in zip(pool, expected, strict=True):
            assert ours.dtype == theirs.dtype
            assert np.array_equal(ours, theirs)


def test_top_candidates_have_the_bits_of_numpys_version() -> None:
    rng = np.random.default_rng(5)
    order = rng.permutation(400).astype(np.int32)
    pool = pool_lists([random_lists(rng, 60, 50, 400) for _ in range(3)], 400)
    scores = np.round(rng.normal(0, 3, len(pool.row))).astype(np.float32)
    scores[:30] = [np.nan, -np.inf, np.inf, -0.0, 0.0, 1e-42] * 5
    for n in (5, 300):
        ours, theirs = (f(pool, scores, 60, n, order) for f in (top_candidates, oracle.top_candidates))
        assert np.array_equal(ours.items, theirs.items)
        assert np.array_equal(ours.scores.view(np.int32), theirs.scores.view(np.int32))


def test_sums_have_the_bits_of_numpys() -> None:
    """The pool rounds to float32, which hides most differences of the order of additions."""
    rng = np.random.default_rng(6)
    for n in (0, 1, 7, 8, 9, 100, 128, 129, 300, 1001):
        values = rng.normal(size=n)
        assert candidates._sum(values) == values.sum(), n
