"""The walks visit nodes as often as the chances of their steps say, whatever the number of threads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.graph.random_walks import Walks, alias_table, neighbourhoods
from tests.models.threads import on_one_and_all_threads


def ring(n: int) -> sparse.csr_array:
    """Return a ring in which every node has an edge to the next of weight 3 and to the one before of weight 1."""
    node = np.arange(n)
    weights = np.concatenate([np.full(n, 3.0), np.full(n, 1.0)])
    return sparse.csr_array(
        (weights, (np.tile(node, 2), np.concatenate([(node + 1) % n, (node - 1) % n]))), shape=(n, n)
    )


def expected_visits(graph: sparse.csr_array, walks: Walks) -> np.ndarray:
    """Return how often the walks from each node are expected at each node: the oracle, by matrix powers."""
    dense = graph.toarray()
    step = dense / dense.sum(axis=1, keepdims=True)
    at = np.eye(len(step))
    total = np.zeros_like(step)
    for _ in range(walks.steps):
        at = (walks.restart * np.eye(len(step)) + (1 - walks.restart) * at) @ step
        total += at
    total *= walks.walkers
    return total - np.diag(np.diag(total))


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=30))
def test_the_alias_table_gives_every_edge_its_share(weights):
    n = len(weights)
    graph = sparse.csr_array((weights, (np.zeros(n, int), np.arange(n))), shape=(n, n))
    node, other, chance, _ = alias_table(graph).T
    chances = np.bincount(node, chance / 65_536, n) + np.bincount(other, 1 - chance / 65_536, n)
    np.testing.assert_allclose(chances / n, graph.toarray()[0] / sum(weights), atol=1 / 65_536)


@pytest.mark.parametrize("restart", [0.0, 0.5])
def test_visits_are_as_frequent_as_the_chances_say(restart):
    walks = Walks(walkers=20_000, steps=3, restart=restart)
    found = neighbourhoods(ring(8), walks, 8, seed=3)
    visits = np.zeros((8, 9))
    np.put_along_axis(visits, found.nodes.astype(int), found.visits, axis=1)  # −1 is the column too many
    np.testing.assert_allclose(visits[:, :8], expected_visits(ring(8), walks), atol=600)


def test_the_most_visited_come_first_equals_by_their_index():
    graph = sparse.csr_array(np.ones((30, 30)) - np.eye(30))
    found = neighbourhoods(graph, Walks(40, 2, 0.5), 29, seed=1)
    for node, (nodes, visits) in enumerate(zip(*found, strict=True)):
        there = nodes[visits > 0]
        keys = [(-count, other) for other, count in zip(nodes, visits, strict=True) if count]
        assert keys == sorted(keys)
        assert node not in there
        assert len(set(there.tolist())) == len(there)


def test_a_shorter_list_is_the_beginning_of_a_longer_one():
    graph = sparse.csr_array(np.ones((30, 30)) - np.eye(30))
    long, short = (neighbourhoods(graph, Walks(40, 3, 0.3), most, seed=2) for most in (29, 7))
    np.testing.assert_array_equal(long.nodes[:, :7], short.nodes)
    np.testing.assert_array_equal(long.visits[:, :7], short.visits)


def test_the_bits_do_not_depend_on_the_threads_but_on_the_seed():
    graph = sparse.csr_array(np.ones((50, 50)) - np.eye(50))
    walks = Walks(10, 3, 0.5)
    one, all_of_them = on_one_and_all_threads(lambda: neighbourhoods(graph, walks, 10, seed=4))
    np.testing.assert_array_equal(one.nodes, all_of_them.nodes)
    assert (neighbourhoods(graph, walks, 10, seed=5).nodes != one.nodes).any()


def test_walkers_wait_at_a_node_without_edges():
    graph = sparse.csr_array(np.array([[0, 1, 0], [0, 0, 0], [0, 1, 0]]))
    found = neighbourhoods(graph, Walks(50, 4, 0.0), 2, seed=1)
    np.testing.assert_array_equal(found.nodes, [[1, -1], [-1, -1], [1, -1]])
    np.testing.assert_array_equal(found.visits[:, 0], [50, 0, 50])
    again = neighbourhoods(graph, Walks(1000, 4, 0.5), 2, seed=1)
    np.testing.assert_array_equal(again.nodes, found.nodes)
    np.testing.assert_allclose(again.visits[:, 0], [2500, 0, 2500], atol=150)


def test_importance_is_the_share_of_the_visits_to_the_first_nodes():
    found = neighbourhoods(ring(8), Walks(1000, 3, 0.5), 5, seed=1)
    importance = found.importance(2)
    np.testing.assert_allclose(importance.sum(axis=1), 1, rtol=1e-6)
    assert np.diff(importance.indptr).max() == 2
    assert importance[0, found.nodes[0, 0]] == pytest.approx(
        found.visits[0, 0] / found.visits[0, :2].sum(), rel=1e-6
    )
