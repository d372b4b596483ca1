"""Implicit alternating least squares (Hu, Koren & Volinsky 2008; conjugate gradient: Takács et al. 2011)."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray, Progress
from models.factors.prior_least_squares import solve_rows
from models.interactions import Interactions, MatrixName
from models.numerics.outliers import limited
from models.numerics.threads import one_blas_thread
from models.passes import passes
from models.ranking.factor_model import FactorRecommender
from models.search_space import Range, SearchSpace
from models.warm_start import Rows, WarmStart, fill_new_rows, warm_rounds

_ROUNDS, _LEAST_ROUNDS = 10, 8
_PER_ROOT_DENSITY = 50.0  # default penalty over alpha, per root of the density
_PER_ROOT_SIDE = 0.48  # its greatest value, per cube root of the smaller of the numbers of users and items


class ALSConfig(Config):
    """Hyperparameters of `als`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(32, 512, log=True),
        "alpha": Range(1.0, 200.0, log=True),
        "regularization": Range(0.5, 500.0, log=True),
        "degree_exponent": Range(0.0, 0.8),
    }

    factors: int = Field(default=256, ge=1, le=2048, description="Length of the user and item vectors.")
    alpha: float = Field(
        default=20.0,
        gt=0,
        le=10_000,
        description="Confidences are 1 + alpha · w, where the weights w of the entries have the mean 1; that of a "
        "missing entry is 1.",
    )
    regularization: float | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="Weight of the squared vectors in the loss, as a multiple of alpha · √density, where density is "
        "the share of user-item pairs with an entry. Default: 50, but less on dense data, for few users or items, and "
        "for entries with heavy tails, where so much would leave nothing but popularity.",
    )
    degree_exponent: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Weights are divided by the item's number of users to this power: 0 keeps the weight of "
        "popular items, 1 gives all items the same.",
    )
    iterations: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Rounds of users, then items. Default: 10 up to a million entries; beyond, fewer by the fourth "
        "root of their number, but at least 8.",
    )
    warm_share: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="Share of the iterations that a warm start takes. More of them rank worse: ALS is stopped early.",
    )

    def rounds(self, n_entries: int) -> int:
        """Return the number of iterations over so many entries."""
        return self.iterations or passes(_ROUNDS, n_entries, least=_LEAST_ROUNDS, exponent=0.25)


class ALS(FactorRecommender):
    """ALS by three conjugate-gradient steps a row, as in the library implicit; the same bits at any number of threads.

    The loss, with the confidences c of `confidences`, p = 1 for an entry above 0 and else 0, and λ = alpha · `penalty`:

        Σ c_ui (p_ui − x_u · y_i)² + λ (Σ_u ‖x_u‖² + Σ_i ‖y_i‖²)
    """

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
        warm_start: WarmStart | None,
    ) -> None:
        config = self.config
        # A row of zeros teaches nothing: its list would rank rounding errors.
        matrix = self._only_nonzero(matrix)
        weights = entry_weights(matrix, config.degree_exponent)
        start, iterations = starting_factors(matrix.shape, config.factors, seed), config.rounds(matrix.nnz)
        if warm_start is not None:
            start = _warm_factors(warm_start, start)
            iterations = warm_rounds(iterations, config.warm_share, warm_start.effort)
        self.user_factors_, self.item_factors_ = alternate(
            sparse.csr_array(confidences(weights, config.alpha)),
            *start,
            ridge=config.alpha * penalty(weights, config.regularization),
            iterations=iterations,
            progress=progress,
        )
        self.item_bias_ = np.empty(0, np.float32)

    def warm_parts(self) -> Mapping[str, Rows]:
        """Return the factors; rows of new users and items start as in a cold fit, and are solved for first."""
        return {"user_factors_": "users", "item_factors_": "items"}


def alternate(
    confidences: sparse.csr_array,
    users: FloatArray,
    items: FloatArray,
    *,
    ridge: float,
    iterations: int,
    progress: Progress,
) -> tuple[FloatArray, FloatArray]:
    """Solve for the users given the items, then for the items given the users, and so on.

    Args:
        confidences: (n_users, n_items) float32, from `confidences`.
        users: (n_users, f) float32, to start from.
        items: (n_items, f) float32, to start from.
        ridge: λ, the weight of the squared vectors.
        iterations: rounds of users, then items.
        progress: called after every round.

    Returns:
        (n_users, f) and (n_items, f) float32.
    """
    transposed = sparse.csr_array(confidences.T)
    with one_blas_thread():
        for done in range(1, iterations + 1):
            users = solve_rows(confidences, items, users, ridge=ridge)
            items = solve_rows(transposed, users, items, ridge=ridge)
            progress(done, iterations)
    return users, items


def _warm_factors(
    warm_start: WarmStart, cold: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Return the factors of the earlier fit, and those of a cold start for new users and items."""
    users = warm_start.take("user_factors_", *cold[0].shape)
    items = warm_start.take("item_factors_", *cold[1].shape)
    fill_new_rows(users, cold[0])
    fill_new_rows(items, cold[1])
    return users, items


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


def entry_weights(matrix: sparse.csr_array, degree_exponent: float) -> sparse.csr_matrix:
    """Return the entries divided by (users of the item)^degree_exponent, scaled to a mean magnitude of 1.

    The scaling gives `alpha` the same meaning for every matrix and every exponent. Rows of enormous entries are
    limited first: a single user would take all weight from the others.

    Args:
        matrix: (n_users, n_items) float32.
        degree_exponent: from 0 to 1.

    Returns:
        (n_users, n_items) float32, as the csr_matrix that implicit requires.
    """
    degree = np.maximum(np.bincount(matrix.indices, minlength=matrix.shape[1]), 1)
    divided = matrix.data * (degree**-degree_exponent)[matrix.indices]
    entries = limited(sparse.csr_array((divided, matrix.indices, matrix.indptr), shape=matrix.shape)).data
    total = float(np.abs(entries).sum())
    scaled = (entries * (len(entries) / total if total else 1)).astype(np.float32)
    return sparse.csr_matrix((scaled, matrix.indices, matrix.indptr), shape=matrix.shape)


def confidences(weights: sparse.csr_matrix, alpha: float) -> sparse.csr_matrix:
    """Return 1 + alpha · w for every weight w (Hu et al. 2008, section 4): no entry counts less than a missing one.

    A negative weight gives −(1 + alpha · |w|), with which implicit marks an item as disliked.

    Args:
        weights: (n_users, n_items) float32.
        alpha: above 0.
    """
    found = weights.copy()
    found.data = weights.data * np.float32(alpha) + np.sign(weights.data)
    return found


def penalty(weights: sparse.csr_matrix, regularization: float | None) -> float:
    """Return the weight of the squared vectors in the loss, as a multiple of alpha.

    It is `regularization` · √density. The default is 50 · √density, but at most .48 times the cube root of the smaller
    of the numbers of users and items; both are divided by the square root of the weights' root mean square, because
    with heavy tails most weights lie far below their mean. The limit matters on dense data: a penalty as great as the
    singular value of a taste removes that taste, and in the end only popularity is left. The rule was found on a grid
    of synthetic tastes and on real sets; `benchmarks/als_shapes.py` compares it with the best penalty on others.

    Args:
        weights: (n_users, n_items), from `entry_weights`.
        regularization: the setting, at least 0; None for the default.
    """
    if not weights.nnz:
        return 0.0
    users, items = used_sides(weights)
    root_density = sqrt(weights.nnz / (users * items))
    if regularization is not None:
        return regularization * root_density
    greatest: float = _PER_ROOT_SIDE * float(min(users, items)) ** (1 / 3)
    root_mean_square = sqrt(float(np.square(weights.data, dtype=np.float64).mean()))
    return min(_PER_ROOT_DENSITY * root_density, greatest) / sqrt(max(root_mean_square, 1.0))


def used_sides(matrix: sparse.csr_array | sparse.csr_matrix) -> tuple[int, int]:
    """Return the number of non-empty rows and that of non-empty columns."""
    users = int(np.count_nonzero(np.diff(matrix.indptr)))
    return users, int(np.count_nonzero(np.bincount(matrix.indices)))
