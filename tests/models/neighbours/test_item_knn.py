from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest

from models.neighbours.item_knn import ItemKNN, ItemKNNConfig
from models.neighbours.similarity import Measure
from tests.models.contract import N_USERS, UNTOUCHED_ITEM, PersonalContract, interactions, small_world
from tests.models.neighbours.oracle import similarities


class TestItemKNN(PersonalContract):
    model = ItemKNN

    def test_scores_are_profile_times_similarity(self) -> None:
        world = small_world()
        model = self.fitted(world)
        expected = world.positive.toarray() @ model.similarity_.toarray()
        scores = model.score(np.arange(N_USERS))
        np.testing.assert_allclose(np.nan_to_num(scores), expected, rtol=1e-5)

    def test_items_without_a_common_user_are_never_listed(self) -> None:
        apart = np.kron(np.eye(2), np.ones((3, 3)))
        apart[0, 1] = 0
        model = self.fitted(interactions(apart))
        assert model.recommend(np.array([0]), 6).items[0].tolist().count(-1) == 3
        assert np.isnan(model.score(np.array([0]))[0, 3:]).all()

    def test_ties_are_not_listed_by_index(self) -> None:
        data = interactions(np.vstack([np.ones(30), np.eye(30)[0]]))
        model = self.fitted(data)
        items = model.recommend(np.array([1]), 29, exclude=data.seen).items[0]
        assert items.tolist() == [i for i in model.tie_order_ if i != 0] != sorted(items)

    def test_default_similarity_is_the_cosine_of_the_docstring(self) -> None:
        """The shrunk cosine, to the power .8, of entries over the root of their user's number of entries."""
        world = small_world()
        dense = world.positive.toarray()
        weighted = (dense / np.sqrt(np.maximum(dense.sum(axis=1, keepdims=True), 1))).T
        vectors = np.where(weighted > 0, weighted, np.nan)
        expected = similarities(vectors, Measure("cosine", shrink=10, exponent=0.8), rows_are_users=False)
        found = self.fitted(world).similarity_.toarray()
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)

    def test_k_bounds_the_neighbours(self) -> None:
        model = ItemKNN(ItemKNNConfig(k=4)).fit(small_world(), seed=1)
        assert np.bincount(model.similarity_.indices).max() == 4

    def test_default_k_grows_with_the_items(self) -> None:
        for n_items, k in ((400, 50), (2000, 100)):
            model = self.fitted(interactions(np.ones((2, n_items))))
            assert np.bincount(model.similarity_.indices).tolist() == [k] * n_items

    def test_similar_items_are_the_neighbours_of_the_item(self) -> None:
        model = ItemKNN(ItemKNNConfig(k=4)).fit(small_world(), seed=1)
        similarity = model.similarity_.toarray()
        for item in np.flatnonzero(model.known_items_):
            similar = [i for i in model.similar_items(np.array([item]), 9).items[0].tolist() if i >= 0]
            assert set(similar) == set(np.flatnonzero(similarity[:, item]))
            assert (np.diff(similarity[similar, item]) <= 0).all()

    def test_asymmetry_is_the_exponent_of_the_scored_item(self) -> None:
        """Item 0 has 4 users, item 1 one of them: with asymmetry 1 only the scored item's length counts."""
        data = interactions(np.array([[1, 1], [1, 0], [1, 0], [1, 0]]))
        config = ItemKNNConfig(
            similarity="asymmetric_cosine", asymmetry=1, weighting="none", shrink=0, exponent=1
        )
        model = ItemKNN(config).fit(data, seed=1)
        assert model.similarity_.toarray().tolist() == [[0, 1], [0.25, 0]]

    def test_memory_limits_neighbours_and_their_transpose(self, caplog: pytest.LogCaptureFixture) -> None:
        data = interactions(np.ones((2, 500)))
        with caplog.at_level(logging.WARNING):
            model = ItemKNN(ItemKNNConfig(k=0, memory_mb=1)).fit(data, seed=1)
        assert "item_knn keeps only the 125 strongest" in caplog.text
        assert np.bincount(model.similarity_.indices).tolist() == [125] * 500

    def test_unknown_items_have_no_neighbours(self) -> None:
        model = self.fitted(small_world())
        assert UNTOUCHED_ITEM not in model.similarity_.indices
        assert model.similarity_.indptr[UNTOUCHED_ITEM] == model.similarity_.indptr[UNTOUCHED_ITEM + 1]


@pytest.mark.parametrize(
    ("given", "share", "is_sparse"),
    [({}, 0.02, True), ({}, 0.5, False), ({"k": 7}, 0.02, False), ({"matrix": "rating"}, 0.02, False)],
)
def test_sparse_data_have_defaults_of_their_own(given: dict[str, Any], share: float, is_sparse: bool) -> None:
    """Two of the 60 items share .1 users of 150, and 38."""
    likes = interactions((np.random.default_rng(0).random((150, 60)) < share).astype(np.float32))
    product = ItemKNNConfig(k=0, similarity="dot", user_exponent=0.6, item_exponent=0.45, exponent=0.6)
    cosine = ItemKNNConfig(**{"similarity": "cosine", **given})
    model = ItemKNN(ItemKNNConfig(**given))
    for _ in range(2):  # a fit leaves the settings as they are
        found = model.fit(likes, seed=1).similarity_
        expected, other = (ItemKNN(config).fit(likes, seed=1).similarity_ for config in (product, cosine))
        if not is_sparse:
            expected, other = other, expected
        assert np.array_equal(found.toarray(), expected.toarray())
        assert not np.array_equal(found.toarray(), other.toarray())
