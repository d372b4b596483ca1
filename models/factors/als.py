"""Implicit alternating least squares (Hu, Koren & Volinsky 2008; conjugate gradient: Takács et al. 2011)."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray, Progress, Recommender
from models.factors.implicit_library import fitted_factors
from models.interactions import Interactions, MatrixName
from models.ranking.factor_model import FactorRecommender
from models.search_space import Range, SearchSpace

_MOST = 0.2  # of the greatest singular value of the confidences: what the penalty may weigh
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
        default=20.0, gt=0, le=10_000, description="Mean confidence of an entry; that of no entry is 1."
    )
    regularization: float = Field(
        default=35.0,
        ge=0,
        le=10_000,
        description="Weight of the squared vectors in the loss, as a multiple of alpha · √density, where density is "
        "the share of user-item pairs with an entry: one value then suits data of all sizes. On little data it is "
        "held down, lest every vector come out as zero.",
    )
    degree_exponent: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Confidences are divided by the item's number of users to this power: 0 leaves popular items "
        "their weight, 1 takes all of it.",
    )
    iterations: int = Field(default=10, ge=1, le=1000, description="Rounds of users, then items.")


class ALS(FactorRecommender):
    """implicit's ALS on the CPU behind our contract: reproducible at any number of threads."""

    name: ClassVar[str] = "als"
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
        config = self.config
        matrix = self._only_nonzero(
            matrix
        )  # of a row of zeros nothing is learned: rounding errors would be ranked
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
    """Where the iterations begin: (n_users, f) and (n_items, f) float32 in [0, 0.01), as in implicit.

    Users and items each have a stream of their own, row by row, so that new ones behind the others move nobody's start.
    implicit draws both from one stream: with one new user every item starts elsewhere, which is another seed, and half
    of all lists of ten change for nothing.
    """
    users, items = (
        0.01 * np.random.default_rng([seed, side]).random((rows, factors), np.float32)
        for side, rows in enumerate(shape)
    )
    return users, items


def confidences(matrix: sparse.csr_array, degree_exponent: float) -> sparse.csr_matrix:
    """The entries over (users of the item)^degree_exponent, scaled to a mean of 1, as the csr_matrix implicit wants.

    So `alpha` means the same for every matrix and every exponent.
    """
    degree = np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1)
    entries = matrix.data * (degree**-degree_exponent).astype(np.float32)[matrix.indices]
    total = float(np.abs(entries).sum())
    scaled = (entries * (len(entries) / total if total else 1)).astype(np.float32)
    return sparse.csr_matrix((scaled, matrix.indices, matrix.indptr), shape=matrix.shape)


def penalty(weights: sparse.csr_matrix, regularization: float) -> float:
    """`regularization` · √density, but at most a share of the greatest singular value of the confidences.

    A penalty of that whole value outweighs whatever vectors could explain: the best are zero, and rounding errors
    are ranked. On hundreds of entries √density alone gets there; on fifty thousand it is a twentieth of it.
    """
    return min(regularization * sqrt(density(weights)), _MOST * greatest_singular_value(abs(weights)))


def greatest_singular_value(matrix: sparse.csr_matrix) -> float:
    """By power iteration from a vector of ones, (m, n): never above it, and near it where no entry is negative."""
    value, vector = 0.0, np.ones(matrix.shape[1])
    for _ in range(_POWER_ITERATIONS):
        vector = matrix.T @ (matrix @ vector)
        length = sqrt(np.square(vector).sum())  # not by BLAS, whose bits depend on its threads
        if length == 0:
            break
        value, vector = sqrt(length), vector / length
    return value


def density(matrix: sparse.csr_array | sparse.csr_matrix) -> float:
    """The share of entries among all pairs of a user and an item that have any; 0 without entries."""
    users = int(np.count_nonzero(np.diff(matrix.indptr)))
    items = int(np.count_nonzero(np.bincount(matrix.indices)))
    return float(matrix.nnz) / max(users * items, 1)
