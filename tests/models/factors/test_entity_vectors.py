"""Mixtures that predict item vectors, against dense ridge regressions."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.factors.entity_vectors import EntityVectors, ItemMixtures, memberships
from models.graph.knowledge import Facts
from tests.models.threads import on_one_and_all_threads


def facts(edges: list[tuple[int, int]], n_items: int, n_nodes: int) -> Facts:
    heads, tails = np.array(edges, np.int64).T
    return Facts(heads, tails, np.zeros(len(edges), np.int64), np.ones(len(edges)), n_items, n_nodes)


def by_director(n_items: int, n_directors: int) -> sparse.csr_array:
    """Return the memberships of items in directors: item i is by director i mod n_directors."""
    items = np.arange(n_items)
    entries = np.ones(n_items, np.float32), (items, items % n_directors)
    return sparse.csr_array(entries, shape=(n_items, n_directors))


def test_items_belong_to_their_entities_in_either_direction() -> None:
    found = memberships(facts([(0, 3), (4, 1), (3, 4)], 3, 5), np.array([0.5, 0.25, 1.0]))
    expected = np.zeros((3, 5))
    expected[0, 3], expected[1, 4] = 0.5, 0.25
    assert np.array_equal(found.toarray(), expected), "a fact of two entities says nothing"


def test_a_fact_of_two_items_makes_groups_of_both() -> None:
    found = memberships(facts([(0, 1)], 3, 4), np.array([0.5]))
    assert found.toarray().tolist() == [[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]]


def test_of_repeated_facts_the_greatest_weight_counts() -> None:
    found = memberships(facts([(0, 3), (3, 0), (0, 3)], 3, 4), np.array([0.2, 0.75, 0.0]))
    assert found.nnz == 1
    assert found.toarray()[0, 3] == 0.75


def test_facts_without_weight_make_no_membership() -> None:
    assert memberships(facts([(0, 3), (1, 2)], 3, 4), np.zeros(2)).nnz == 0


def test_entity_vectors_are_the_ridge_regression_of_the_items() -> None:
    rng = np.random.default_rng(0)
    belongs = sparse.csr_array((rng.random((30, 6)) * (rng.random((30, 6)) < 0.5)).astype(np.float32))
    entries, items = rng.integers(0, 30, 30), rng.standard_normal((30, 4)).astype(np.float32)
    entities = EntityVectors(belongs, entries, 0.5, 4)
    for _ in range(5):
        entities.follow(items)
    a, trust = belongs.toarray().astype(np.float64), entries / (entries + 10)
    exact = np.linalg.solve((a.T * trust) @ a + 0.5 * np.eye(6), (a.T * trust) @ items)
    np.testing.assert_allclose(entities.vectors, exact, atol=1e-4)


def test_mixtures_predict_items_of_shared_entities() -> None:
    rng = np.random.default_rng(0)
    directors = rng.standard_normal((5, 4))
    items = (directors[np.arange(100) % 5] + 0.1 * rng.standard_normal((100, 4))).astype(np.float32)
    mixtures = ItemMixtures(by_director(100, 5), np.full(100, 40), 0.01, 4, seed=1)
    for _ in range(3):
        predicted = mixtures.of(items)
    centred = directors - directors.mean(axis=0)
    np.testing.assert_allclose(predicted, centred[np.arange(100) % 5], atol=0.25)


def test_facts_that_no_other_item_shares_predict_zeros() -> None:
    """Each item has an entity of its own: learned from the item itself it would repeat the item's vector."""
    items = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    mixtures = ItemMixtures(by_director(40, 40), np.full(40, 40), 0.01, 4, seed=1)
    for _ in range(3):
        predicted = mixtures.of(items)
    assert np.abs(predicted).max() < 1e-6


def test_a_prediction_does_not_depend_on_the_items_own_vector() -> None:
    items = np.random.default_rng(0).standard_normal((40, 4)).astype(np.float32)
    changed = items.copy()
    changed[7] = 100
    one, other = (
        ItemMixtures(by_director(40, 5), np.full(40, 40), 0.01, 4, seed=1).of(vectors)
        for vectors in (items, changed)
    )
    assert np.array_equal(one[7], other[7])
    assert not np.array_equal(one, other)


def test_a_new_item_at_the_end_leaves_the_others_predictions() -> None:
    items = np.random.default_rng(0).standard_normal((41, 4)).astype(np.float32)
    entries = np.where(np.arange(41) == 40, 0, 40)
    fewer, more = (
        ItemMixtures(by_director(n, 5), entries[:n], 0.01, 4, seed=1).of(items[:n]) for n in (40, 41)
    )
    np.testing.assert_allclose(more[:40], fewer, atol=1e-5)


def test_items_without_entries_get_the_mean_vector_and_their_facts() -> None:
    rng = np.random.default_rng(0)
    directors = rng.standard_normal((5, 4))
    items = directors[np.arange(101) % 5].astype(np.float32)
    entries = np.where(np.arange(101) == 100, 0, 40)
    belongs = by_director(101, 5)
    mixtures = ItemMixtures(belongs, entries, 0.01, 4, seed=1)
    items[100] = 9  # nothing is learned from it
    for _ in range(3):
        predicted = mixtures.of(items)
    np.testing.assert_allclose(predicted[100], directors[0], atol=0.02)


def test_items_without_entries_and_facts_get_nothing() -> None:
    belongs = sparse.csr_array(by_director(20, 4).toarray() * (np.arange(20) != 7)[:, None])
    items = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    predicted = ItemMixtures(belongs, np.where(np.arange(20) == 7, 0, 9), 0.1, 3, seed=1).of(items)
    assert not predicted[7].any()


def test_the_same_bits_on_one_thread_and_on_all() -> None:
    items = np.random.default_rng(0).standard_normal((600, 8)).astype(np.float32)
    belongs = by_director(600, 37)
    one, every = on_one_and_all_threads(
        lambda: ItemMixtures(belongs, np.full(600, 9), 0.1, 8, seed=1).of(items)
    )
    assert np.array_equal(one, every)
