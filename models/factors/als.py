"""Implicit alternating least squares (Hu, Koren & Volinsky 2008; conjugate gradient: Takács et al. 2011)."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray, Progress, Recommender
from models.factors.implicit_library import fitted_factors
from models.interactions import Interactions, MatrixName
from models.ranking.factor_model import FactorRecommender
from models.search_space import Range, SearchSpace

_MOST = 0.2  # greatest penalty, as a share of the greatest singular value of the confidences
_POWER_ITERATIONS = 10


class ALSConfig(Config):
    """Hyperparameters of `als`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(32, 512, log=True),
        "alpha": Range(1.0, 200.0, log=True),
        "regularization": Range(3.0, 300.0, log=True),
        "degree_exponent": Range(0.0, 0.8),
    }

    factors: int = Field(default=256, ge=1, le=2048, description="Length of the user and item vectors.")
    alpha: float = Field(
        default=20.0,
        gt=0,
        le=10_000,
        description="Mean confidence of an entry; that of a missing entry is 1.",
    )
    regularization: float = Field(
        default=35.0,
        ge=0,
        le=10_000,
        description="Weight of the squared vectors in the loss, as a multiple of alpha · √density, where density is "
        "the share of user-item pairs with an entry: one value then suits data of all sizes. On little data the "
        "weight is limited, because it would make every vector zero.",
    )
    degree_exponent: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Confidences are divided by the item's number of users to this power: 0 keeps the weight of "
        "popular items, 1 gives all items the same.",
    )
    iterations: int = Field(default=10, ge=1, le=1000, description="Rounds of users, then items.")


class ALS(FactorRecommender):
    """The ALS of the library implicit, on the CPU; the same bits at any number of threads."""

    name: ClassVar[str] = "als"
    in_words: ClassVar[str] = (
        "tastes as mixtures of hidden factors, learned from how much everybody did with each item"
    )
    matrix: ClassVar[MatrixName] = "composite"
    config_class: ClassVar[type[Config]] = ALSConfig
    remedy: ClassVar[str] = "a lower `alpha` or a higher `regularization` is safer"
    config: ALSConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,
        progress: Progress,
        warm_start: Recommender | None,  # noqa: ARG002
    ) -> None:
        from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415  (takes half a second)

        config = self.config
        matrix = self._only_nonzero(
            matrix
        )  # a row of zeros teaches nothing: its list would rank rounding errors
        weights = confidences(matrix, config.degree_exponent)
        self.user_factors_, self.item_factors_ = fitted_factors(
            AlternatingLeastSquares,
            weights,
            progress,
            factors=config.factors,
            regularization=config.alpha * penalty(weights, config.regularization),
            alpha=config.alpha,
            iterations=config.iterations,
            start=starting_factors(matrix.shape, config.factors, seed),
        )
        self.item_bias_ = np.empty(0, np.float32)


def starting_factors(shape: tuple[int, int], factors: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw the factors from which the iterations start, uniformly from [0, 0.01) as implicit does.

    Users and items are drawn from separate streams, row by row, so that a new user or item at the end does not change
    the start of the others. implicit draws both from one stream: one new user then changes the start of every item,
    which has the effect of another seed and changes half of all lists of ten for nothing.

    Args:
        shape: (n_users, n_items).
        factors: length of the vectors.
        seed: seed of both streams.

    Returns:
        (n_users, f) and (n_items, f) float32.
    """
    users, items = (
        0.01 * np.random.default_rng([seed, side]).random((rows, factors), np.float32)
        for side, rows in enumerate(shape)
    )
    return users, items


def confidences(matrix: sparse.csr_array, degree_exponent: float) -> sparse.csr_matrix:
    """Return the entries divided by (users of the item)^degree_exponent, scaled to a mean magnitude of 1.

    The scaling gives `alpha` the same meaning for every matrix and every exponent.

    Args:
        matrix: (n_users, n_items) float32.
        degree_exponent: from 0 to 1.

    Returns:
        (n_users, n_items) float32, as the csr_matrix that implicit requires.
    """
    degree = np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1)
    entries = matrix.data * (degree**-degree_exponent).astype(np.float32)[matrix.indices]
    total = float(np.abs(entries).sum())
    scaled = (entries * (len(entries) / total if total else 1)).astype(np.float32)
    return sparse.csr_matrix((scaled, matrix.indices, matrix.indptr), shape=matrix.shape)


def penalty(weights: sparse.csr_matrix, regularization: float) -> float:
    """Return `regularization` · √density, but at most a fifth of the greatest singular value of the confidences.

    With a penalty as great as that singular value, zero vectors minimise the loss and lists rank rounding errors.
    With hundreds of entries √density alone reaches it; with fifty thousand it is a twentieth of it.

    Args:
        weights: (n_users, n_items), from `confidences`.
        regularization: the setting, at least 0.
    """
    return min(regularization * sqrt(density(weights)), _MOST * greatest_singular_value(abs(weights)))


def greatest_singular_value(matrix: sparse.csr_matrix) -> float:
    """Estimate the greatest singular value of an (m, n) matrix by power iteration from a vector of ones.

    The estimate is never above the value, and close to it if no entry is negative.
    """
    value, vector = 0.0, np.ones(matrix.shape[1])
    for _ in range(_POWER_ITERATIONS):
        vector = matrix.T @ (matrix @ vector)
        length = sqrt(np.square(vector).sum())  # not by BLAS, whose rounding depends on its threads
        if length == 0:
            break
        value, vector = sqrt(length), vector / length
    return value


def density(matrix: sparse.csr_array | sparse.csr_matrix) -> float:
    """Return the share of stored entries among all pairs of a non-empty row and a non-empty column; 0 if empty."""
    users = int(np.count_nonzero(np.diff(matrix.indptr)))
    items = int(np.count_nonzero(np.bincount(matrix.indices)))
    return float(matrix.nnz) / max(users * items, 1)
