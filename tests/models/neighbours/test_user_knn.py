import logging

import numpy as np
import pytest

from models.neighbours.similarity import Measure
from models.neighbours.user_knn import UserKNN, UserKNNConfig, default_k
from models.new_users import NewUsers
from tests.models.contract import (
    EMPTY_USER,
    N_ITEMS,
    N_USERS,
    PersonalContract,
    interactions,
    likes_of,
    small_world,
)
from tests.models.neighbours.oracle import similarities
from tests.models.threads import on_one_and_all_threads


class TestUserKNN(PersonalContract):
    model = UserKNN
    kept_of_own_history = 0.95  # the user has become a neighbour

    def test_scores_follow_the_formula_of_the_docstring(self) -> None:
        world = small_world()
        dense = world.positive.toarray()
        per_item = np.maximum(dense.sum(axis=0), 1)
        vectors = np.where(dense > 0, dense / per_item**0.3, np.nan)
        vectors /= np.maximum(dense.sum(axis=1, keepdims=True), 1) ** 0.5
        alike = similarities(vectors, Measure("cosine", shrink=3), rows_are_users=True)
        for row in alike:  # 50 of 60 users
            row[np.argsort(-row)[50:]] = 0
        model = self.fitted(world)
        np.testing.assert_allclose(np.sort(model.neighbours_.toarray()), np.sort(alike), rtol=1e-4, atol=1e-6)
        expected = model.neighbours_.toarray() @ (dense / per_item**0.3)
        np.testing.assert_allclose(np.nan_to_num(model.score(np.arange(N_USERS))), expected, rtol=1e-4)

    def test_only_items_of_neighbours_are_listed(self) -> None:
        apart = np.kron(np.eye(2), np.ones((3, 3)))
        apart[0, 1] = 0
        model = self.fitted(interactions(apart))
        assert model.recommend(np.array([0]), 6, exclude=None).items[0].tolist().count(-1) == 3
        assert np.isnan(model.score(np.array([0]))[0, 3:]).all()

    def test_k_bounds_the_neighbours_without_the_user(self) -> None:
        model = UserKNN(UserKNNConfig(k=4)).fit(small_world(), seed=1)
        counts = np.diff(model.neighbours_.indptr)
        assert counts.max() == 4
        assert counts[EMPTY_USER] == 0
        assert not model.neighbours_.diagonal().any()

    def test_default_k_grows_with_the_users(self) -> None:
        assert [default_k(n) for n in (1, 400, 1_000_000)] == [50, 80, 500]
        model = self.fitted(interactions(np.ones((400, 2))))
        assert np.diff(model.neighbours_.indptr).tolist() == [80] * 400

    def test_default_k_ignores_users_without_an_entry(self) -> None:
        model = self.fitted(interactions(np.ones((900, 2)) * (np.arange(900) % 9 < 4)[:, None]))
        assert np.diff(model.neighbours_.indptr).max() == 80

    def test_memory_limits_the_neighbours(self, caplog: pytest.LogCaptureFixture) -> None:
        data = interactions(np.ones((500, 2)))
        with caplog.at_level(logging.WARNING):
            model = UserKNN(UserKNNConfig(k=0, memory_mb=1)).fit(data, seed=1)
        assert "user_knn keeps only the 250 strongest" in caplog.text
        assert np.diff(model.neighbours_.indptr).tolist() == [250] * 500

    def test_equally_similar_users_are_not_preferred_by_index(self) -> None:
        data = interactions(np.ones((100, 3)))
        chosen = [
            UserKNN(UserKNNConfig(k=5)).fit(data, seed=seed).neighbours_.indices[-5:] for seed in (1, 2)
        ]
        assert set(chosen[0]) != set(chosen[1]) != {0, 1, 2, 3, 4}

    def test_similar_items_are_by_the_cosine_of_their_users(self) -> None:
        world = small_world()
        dense = world.positive.toarray().T
        norms = np.maximum(np.linalg.norm(dense, axis=1), 1e-9)
        cosine = dense @ dense.T / np.outer(norms, norms)
        np.fill_diagonal(cosine, 0)
        items = np.flatnonzero(dense.any(axis=1))
        top = self.fitted(world).similar_items(items, 6)
        best = -np.sort(-cosine[items], axis=1)[:, :6]
        np.testing.assert_allclose(np.nan_to_num(top.scores), best, rtol=1e-5)
        for row, item in enumerate(items):
            np.testing.assert_allclose(cosine[item, top.items[row]], best[row], rtol=1e-5)

    def test_the_number_of_threads_changes_no_bit(self) -> None:
        world = small_world()
        one, many = on_one_and_all_threads(lambda: self.fitted(world).score(np.arange(N_USERS)))
        assert one.shape == (N_USERS, N_ITEMS)
        assert np.array_equal(one, many, equal_nan=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weighting": "tfidf"},
        {"weighting": "bm25"},
        {"similarity": "jaccard"},
        {"similarity": "euclidean", "missing": "zero"},
    ],
)
def test_a_new_user_has_the_neighbours_of_a_trained_one(options: dict[str, object]) -> None:
    """A trained user's row, given as that of a new user, is as similar to the others as it was in training."""
    world = small_world()
    model = UserKNN(UserKNNConfig(k=0, **options)).fit(world, seed=1)
    users = np.arange(0, N_USERS, 7)
    new = NewUsers.of([likes_of(world, user) for user in users], world.n_items)
    found = model.fold_in(new).neighbours_.toarray()
    found[np.arange(len(users)), users] = 0  # the user themselves
    np.testing.assert_allclose(found, model.neighbours_.toarray()[users], rtol=1e-4)


def test_new_users_have_at_most_k_neighbours() -> None:
    model = UserKNN(UserKNNConfig(k=4)).fit(small_world(), seed=1)
    folded = model.fold_in(NewUsers.of([[1], [2, 4, 6], []], small_world().n_items))
    assert np.diff(folded.neighbours_.indptr).tolist() == [4, 4, 0]
