"""The weights against scipy's optimiser on the loss of the docstring; changes of the data that must not move them."""

import numpy as np
import pytest
from scipy.optimize import minimize

from models.ensemble.listwise import fit_weights


def training_data(seed: int = 0, users: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, rows and likes: the first feature decides what is liked, the last one never varies."""
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(users), rng.integers(2, 9, users))
    features = rng.normal(size=(len(row), 4)) * [1, 10, 0.1, 0]
    liked = rng.random(len(row)) < 1 / (1 + np.exp(2 - 2 * features[:, 0]))
    return features.astype(np.float32), row, liked


def loss(
    weights: np.ndarray, features: np.ndarray, row: np.ndarray, liked: np.ndarray, regularization: float
):
    total, kept = 0.0, np.zeros(len(row), bool)
    for user in np.unique(row):
        mine = row == user
        if liked[mine].any():
            scores = features[mine] @ weights
            total += np.log(np.exp(scores).sum()) - scores[liked[mine]].mean()
            kept |= mine
    return total + regularization / 2 * ((features[kept].std(axis=0) * weights) ** 2).sum()


@pytest.mark.parametrize("regularization", [0.3, 30])
def test_weights_are_those_of_a_general_optimiser(regularization: float) -> None:
    features, row, liked = training_data()
    weights = fit_weights(features, row, liked, regularization=regularization)
    exact = features.astype(np.float64)
    found = minimize(loss, np.zeros(4), args=(exact, row, liked, regularization), tol=1e-12)
    assert loss(weights, exact, row, liked, regularization) <= found.fun + 1e-6
    np.testing.assert_allclose(
        weights[:3] * exact.std(axis=0)[:3], found.x[:3] * exact.std(axis=0)[:3], atol=2e-3
    )
    assert weights[0] > 0
    assert weights[3] == 0


def test_a_shift_of_all_candidates_of_a_user_changes_nothing() -> None:
    features, row, liked = training_data()
    shifted = features.copy()
    shifted[:, 1] += np.repeat(np.random.default_rng(1).normal(size=30), np.bincount(row)).astype(np.float32)
    scale = features[:, 1].std() / shifted[:, 1].std()
    assert scale == pytest.approx(1, abs=0.02), "else the penalty differs"
    ours, theirs = (fit_weights(x, row, liked, regularization=1) for x in (features, shifted))
    np.testing.assert_allclose(theirs, ours, atol=1e-2)


def test_users_without_a_liked_candidate_change_nothing() -> None:
    features, row, liked = training_data()
    more = np.vstack([features, np.full((3, 4), 1e6, np.float32)])
    rows, likes = np.append(row, [30, 30, 30]), np.append(liked, [False] * 3)
    assert np.array_equal(
        fit_weights(more, rows, likes, regularization=1), fit_weights(features, row, liked, regularization=1)
    )
    assert not fit_weights(features, row, np.zeros(len(row), bool), regularization=1).any()
    assert not fit_weights(features[:0], row[:0], liked[:0], regularization=1).any()


def test_weights_shrink_as_regularization_grows() -> None:
    sizes = [np.abs(fit_weights(*training_data(), regularization=r)).max() for r in (1, 10, 100, 1e6)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1e-3


def test_weight_of_a_perfect_feature_is_finite() -> None:
    row = np.repeat(np.arange(20), 2)
    liked = np.tile([True, False], 20)
    weights = fit_weights(1e6 * liked[:, None].astype(np.float32), row, liked, regularization=1e-3)
    assert np.isfinite(weights).all()
    assert weights[0] > 0


def test_repeated_features_share_a_weight_when_penalty_is_tiny() -> None:
    """The Hessian is then singular: the weights are those of the smallest penalty that can still be solved."""
    rng = np.random.default_rng(0)
    row, liked = np.repeat(np.arange(20), 20), rng.random(400) < 0.2
    single = rng.standard_normal((400, 3)).astype(np.float32)
    twice = np.hstack([single, single])
    weights = fit_weights(twice, row, liked, regularization=1e-300)
    np.testing.assert_allclose(weights, fit_weights(twice, row, liked, regularization=1e-6), atol=1e-4)
