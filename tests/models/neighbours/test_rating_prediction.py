"""Both neighbourhood models on ratings: predictions, rankings, and a plain oracle for them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.base import NotFittedError, Recommender
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN, ItemKNNConfig
from models.neighbours.user_knn import UserKNN, UserKNNConfig
from models.ranking.rating_baselines import fit_baselines, residuals
from tests.models.contract import (
    EMPTY_USER,
    N_ITEMS,
    N_USERS,
    UNTOUCHED_ITEM,
    RecommenderContract,
    interactions,
)

MODELS = {"item_knn": (ItemKNN, ItemKNNConfig), "user_knn": (UserKNN, UserKNNConfig)}


def rated_world(seed: int = 0) -> Interactions:
    """Return 40 users who rate the items of their parity high and the others low, with gaps."""
    rng = np.random.default_rng(seed)
    taste = np.arange(N_USERS)[:, None] % 2 == np.arange(N_ITEMS)[None, :] % 2
    ratings = np.where(taste, 4.5, 1.5) + rng.choice([-0.5, 0, 0.5], taste.shape)
    ratings[rng.random(taste.shape) < 0.6] = 0
    ratings[EMPTY_USER], ratings[:, UNTOUCHED_ITEM] = 0, 0
    return interactions(ratings)


def fitted(name: str, data: Interactions, **options: object) -> Recommender:
    cls, config = MODELS[name]
    return cls(config.model_validate({"matrix": "rating", **options})).fit(data, seed=1)


class RatingsContract(RecommenderContract):
    """The scale of ratings is data: a user who rates everything 1e-12 dislikes everything.

    One who rates 1e12 changes the baselines and the similarities of all, so that the bounds on kept lists are lower.
    """

    kept_of_tiny_rows = 0.5
    kept_beside_a_huge_row = 0.4
    kept_of_own_history = 0.5  # a history says what was liked, not how much


class TestItemKNNOnRatings(RatingsContract):
    model = ItemKNN
    config = ItemKNNConfig(matrix="rating")


class TestUserKNNOnRatings(RatingsContract):
    model = UserKNN
    config = UserKNNConfig(matrix="rating")


def weighted_mean(name: str, model: Recommender, user: int, item: int) -> float | None:
    """Return Σ s (r − baseline) / (Σ s + .3) by a loop over the neighbours; None if none has a rating."""
    if isinstance(model, ItemKNN):
        deviations = model.profiles_.toarray()[user]
        similarity = model.similarity_.toarray()[:, item]
        rated = model.profiles_.indices[slice(*model.profiles_.indptr[user : user + 2])]
    else:
        assert isinstance(model, UserKNN)
        deviations = model.entries_.toarray()[:, item]
        similarity = model.neighbours_.toarray()[user]
        rated = np.repeat(np.arange(N_USERS), np.diff(model.entries_.indptr))[model.entries_.indices == item]
    near = [j for j in rated if similarity[j] > 0]
    if not near:
        return None
    return sum(similarity[j] * deviations[j] for j in near) / (sum(similarity[j] for j in near) + 0.3)


@pytest.mark.parametrize("name", MODELS)
def test_scores_and_predictions_equal_a_plain_loop(name: str) -> None:
    model = fitted(name, rated_world())
    pairs = [(user, item) for user in range(8) for item in range(N_ITEMS)]
    users, items = np.array(pairs).T
    scores, predicted = model.score(np.arange(8)), model.predict(users, items)
    least, mean, greatest = model.rating_scale_
    for (user, item), rating in zip(pairs, predicted, strict=True):
        deviation = weighted_mean(name, model, user, item)
        if deviation is None:
            assert np.isnan(scores[user, item])
        else:
            assert scores[user, item] == pytest.approx(model.item_bias_[item] + deviation, abs=1e-5)
        known = model.known_users_[user] and model.known_items_[item]
        expected = mean + model.user_rating_bias_[user] + model.item_rating_bias_[item]
        expected += deviation if deviation is not None and known else 0
        assert rating == pytest.approx(np.clip(expected, least, greatest), abs=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_film_that_like_minded_people_hated_is_not_listed(name: str) -> None:
    """Users 0 to 4 agree on items 0 to 4 and hate item 5, users 5 to 9 the opposite; user 0 has not rated 5 to 7."""
    ratings = np.zeros((10, 8))
    ratings[:5, :5], ratings[:5, 5], ratings[:5, 6:] = [5, 4, 5, 4, 1], 0.5, 4.5
    ratings[5:, :5], ratings[5:, 5], ratings[5:, 6:] = [1, 2, 1, 2, 5], 5, 1
    ratings[0, 5:] = 0
    data = interactions(ratings)
    model = fitted(name, data, shrink=0.1)
    best = model.recommend(np.array([0]), 1, exclude=data.seen).items[0, 0]
    assert best in (6, 7)
    assert model.predict(np.array([0]), np.array([5]))[0] < 2
    assert model.predict(np.array([0]), np.array([6]))[0] > 3.5


@pytest.mark.parametrize("name", MODELS)
def test_tastes_lower_the_error_of_held_out_ratings(name: str) -> None:
    data = rated_world()
    rng = np.random.default_rng(3)
    held_out = rng.random(data.rating.nnz) < 0.2
    users = np.repeat(np.arange(N_USERS), np.diff(data.rating.indptr))
    kept = sparse.csr_array(
        (data.rating.data[~held_out], (users[~held_out], data.rating.indices[~held_out])),
        shape=data.rating.shape,
    )
    model = fitted(name, replace(data, rating=kept), shrink=1)
    given = data.rating.data[held_out]
    predicted = model.predict(users[held_out], data.rating.indices[held_out])
    baselines = fit_baselines(kept)
    plain = baselines.mean + baselines.user[users[held_out]] + baselines.item[data.rating.indices[held_out]]
    rmse, of_baselines = (np.sqrt(np.mean((guess - given) ** 2)) for guess in (predicted, plain))
    assert rmse < 0.8 * of_baselines


@pytest.mark.parametrize("name", MODELS)
def test_unknown_sides_are_predicted_by_the_other(name: str) -> None:
    model = fitted(name, rated_world())
    mean = model.rating_scale_[1]
    found = model.predict(np.array([EMPTY_USER, 3, -5]), np.array([2, UNTOUCHED_ITEM, 10**6]))
    assert found == pytest.approx(
        [mean + model.item_rating_bias_[2], mean + model.user_rating_bias_[3], mean]
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_predicts_the_same(name: str, tmp_path: Path) -> None:
    model = fitted(name, rated_world())
    model.save(tmp_path)
    users, items = np.arange(N_USERS), np.arange(N_USERS) % N_ITEMS
    assert np.array_equal(type(model).load(tmp_path).predict(users, items), model.predict(users, items))


@pytest.mark.parametrize("name", MODELS)
def test_other_matrices_predict_no_ratings(name: str) -> None:
    model = fitted(name, rated_world(), matrix="positive")
    with pytest.raises(NotImplementedError, match=f"{name} predicts ratings only with matrix = 'rating'"):
        model.predict(np.array([0]), np.array([0]))
    with pytest.raises(NotFittedError):
        MODELS[name][0](MODELS[name][1](matrix="rating")).predict(np.array([0]), np.array([0]))


def test_rankings_alone_add_popularity() -> None:
    plain, popular = (fitted("item_knn", rated_world(), rating_popularity=weight) for weight in (0, 2))
    everybody = np.arange(N_USERS)
    assert np.array_equal(
        plain.predict(everybody, everybody % N_ITEMS), popular.predict(everybody, everybody % N_ITEMS)
    )
    counts = np.bincount(rated_world().rating.indices, minlength=N_ITEMS)
    spread = rated_world().rating.data.std()
    added = popular.item_bias_ - plain.item_bias_
    assert added == pytest.approx(2 * spread * np.log(np.maximum(counts, 1)), abs=1e-4)


def test_baselines_are_the_minimum_of_their_loss() -> None:
    """A change of any bias raises Σ (r − baseline)² + 5 Σ bias²."""
    ratings = rated_world().rating
    found = fit_baselines(ratings)

    def loss(user: np.ndarray, item: np.ndarray) -> float:
        apart = residuals(ratings, found._replace(user=user, item=item)).data.astype(np.float64)
        return float(np.sum(apart**2) + 5 * np.sum(user**2) + 5 * np.sum(item**2))

    least = loss(found.user, found.item)
    for side in (0, 1):
        for place in range(5):
            for step in (-0.05, 0.05):
                moved = [found.user.copy(), found.item.copy()]
                moved[side][place] += step
                assert loss(*moved) > least


def test_baselines_of_nothing_are_zero() -> None:
    found = fit_baselines(sparse.csr_array((3, 4), dtype=np.float32))
    assert found.mean == 0
    assert not found.user.any()
    assert not found.item.any()
