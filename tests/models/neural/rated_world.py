"""Ratings of a small world with two hidden tastes, for models that predict ratings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from models.base import Recommender
from models.interactions import Interactions
from models.ranking.rating_baselines import fit_baselines


def planted(seed: int = 0, users: int = 120, items: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return ratings with biases, two tastes and noise: half of them held out as NaN, and all."""
    rng = np.random.default_rng(seed)
    truth = 3.5 + rng.normal(0, 0.4, (users, 1)) + rng.normal(0, 0.4, (1, items))
    truth += 0.7 * rng.normal(size=(users, 2)) @ rng.normal(size=(2, items))
    ratings = (truth + rng.normal(0, 0.2, truth.shape)).clip(1, 5)
    return np.where(rng.random(truth.shape) < 0.5, ratings, np.nan), ratings


def rated(ratings: np.ndarray) -> Interactions:
    """Return Interactions of a dense matrix of ratings, NaN where missing."""
    there = np.isfinite(ratings)
    likes = Interactions.from_positive(sparse.csr_array(there.astype(np.float32)))
    entries = (ratings[there].astype(np.float32), np.nonzero(there))
    return replace(likes, rating=sparse.csr_array(entries, shape=ratings.shape))


def rmse(model: Recommender, shown: np.ndarray, ratings: np.ndarray) -> float:
    """Return the error of predictions of the ratings that were held out."""
    users, items = np.nonzero(np.isnan(shown))
    return float(np.sqrt(np.mean((model.predict(users, items) - ratings[users, items]) ** 2)))


def rmse_of_baselines(shown: np.ndarray, ratings: np.ndarray) -> float:
    """Return the error of mean + user bias + item bias, clipped to the scale."""
    found = fit_baselines(rated(shown).rating)
    predicted = (found.mean + found.user[:, None] + found.item).clip(1, 5)
    return float(np.sqrt(np.mean((predicted - ratings)[np.isnan(shown)] ** 2)))
