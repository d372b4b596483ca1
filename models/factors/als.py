"""Implicit alternating least squares (Hu, Koren & Volinsky 2008; conjugate gradient: Takács et al. 2011)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray, Progress
from models.factors.als_block import ALSBlock
from models.factors.als_in_blocks import Alternation, alternate_in_blocks, collected
from models.factors.als_weights import confidences, entry_weights, penalty, starting_factors
from models.factors.prior_least_squares import solve_rows
from models.interactions import Interactions, MatrixName
from models.numerics.threads import one_blas_thread
from models.passes import passes
from models.ranking.factor_model import FactorRecommender
from models.row_blocks import Blocks, FitsInBlocks, Runner
from models.search_space import Range, SearchSpace
from models.warm_start import Rows, WarmStart, fill_new_rows, warm_rounds

_ROUNDS, _LEAST_ROUNDS = 10, 8


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


class ALS(FactorRecommender, FitsInBlocks):
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
        self.item_bias_ = np.empty(0, np.float32)
        if self.runner is not None:
            self.user_factors_, self.item_factors_ = self._in_blocks(self.runner, matrix, seed, progress)
            return
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

    def _in_blocks(
        self, runner: Runner, matrix: sparse.csr_array, seed: int, progress: Progress
    ) -> tuple[FloatArray, FloatArray]:
        """Return the factors of a fit in blocks, memory-mapped. It is always cold."""
        config = self.config
        asked = Alternation(
            config.factors,
            config.alpha,
            config.regularization,
            config.degree_exponent,
            config.rounds(matrix.nnz),
            seed,
        )

        def work(blocks: Blocks, cuts: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
            alternate_in_blocks(blocks, cuts, asked, progress)
            return collected(blocks, runner, matrix.shape, config.factors)

        return runner.run(ALSBlock, matrix, work)

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
