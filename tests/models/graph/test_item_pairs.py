"""Pairs of items: the graph against plain loops, draws in proportion to it, and what is no pair."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.graph.item_pairs import ItemPairs
from models.sequence.histories import Histories

N_ITEMS = 6


def histories_of(rows: list[list[tuple[int, int]]]) -> Histories:
    """Return histories from lists of (item, time), which are in time order."""
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    likes = np.array([like for row in rows for like in row], np.int64).reshape(-1, 2)
    return Histories(likes[:, 0], likes[:, 1], starts)


def plain_graph(pairs: ItemPairs) -> np.ndarray:
    """Return the graph by loops over users and places: the oracle."""
    found = np.zeros((N_ITEMS, N_ITEMS))
    items, times, starts = pairs.histories.items, pairs.histories.times, pairs.histories.starts
    for start, end in pairwise(starts):
        for i in range(start, end):
            for j in range(i + 1, min(end, i + pairs.window + 1)):
                if times[j] - times[i] <= pairs.most_s and items[i] != items[j]:
                    found[items[i], items[j]] += 1 / (j - i)
                    found[items[j], items[i]] += 1 / (j - i)
    return found


@given(
    st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=7, unique=True), max_size=5),
    st.integers(1, 4),
    st.integers(0, 40),
)
def test_the_graph_is_that_of_plain_loops(rows, window, most_s):
    timed = [[(item, 10 * place) for place, item in enumerate(row)] for row in rows]
    pairs = ItemPairs(histories_of(timed), window, most_s, N_ITEMS)
    np.testing.assert_allclose(pairs.graph().toarray(), plain_graph(pairs), rtol=1e-6)


def test_pairs_are_drawn_in_proportion_to_their_weights():
    rows = [[(0, 0), (1, 1), (2, 2)], [(3, 0), (4, 100), (5, 101)], [(2, 0)]]
    pairs = ItemPairs(histories_of(rows), 2, 50, N_ITEMS)
    first, second = pairs.draw(60_000, np.random.default_rng(1))
    drawn = np.zeros((N_ITEMS, N_ITEMS))
    np.add.at(drawn, (first, second), 1)
    graph = plain_graph(pairs)
    np.testing.assert_allclose(drawn / drawn.sum(), graph / graph.sum(), atol=0.01)
    assert (drawn[graph == 0] == 0).all()


def test_likes_of_one_time_are_in_random_order():
    rows = [[(item, 0) for item in range(N_ITEMS)] for _ in range(200)]
    graph = ItemPairs.of(histories_of(rows), 1, 10, N_ITEMS, seed=1).graph().toarray()
    others = graph[~np.eye(N_ITEMS, dtype=bool)]
    assert others.min() > 0.5 * others.max()  # in the order of the items most would be 0


def test_the_order_of_other_likes_stays():
    rows = [[(4, 0), (1, 1), (3, 2), (0, 3)]]
    pairs = ItemPairs.of(histories_of(rows), 1, 10, N_ITEMS, seed=1)
    np.testing.assert_array_equal(pairs.histories.items, [4, 1, 3, 0])


@pytest.mark.parametrize("rows", [[], [[]], [[(1, 0)]]])
def test_no_pairs_are_an_empty_graph(rows):
    pairs = ItemPairs(histories_of(rows), 3, 10, N_ITEMS)
    assert pairs.graph().nnz == 0
    assert len(pairs.draw(10, np.random.default_rng(0))[0]) == 0
