"""EASE (Steck 2019): every item predicted from all others by ridge regression, in closed form.

Its options are those of later papers: a penalty that grows with an item's number of users, as dropout makes it (Steck
2020, "Autoencoders that don't overfit towards the identity"), and weights by powers of degrees (Park et al. 2025, "Why
is normalization necessary for linear recommenders?").
"""

from __future__ import annotations

import logging
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray, Progress
from models.device import blas_threads
from models.interactions import Interactions, MatrixName
from models.linear import regression
from models.neighbours.neighbourhoods import k_within_memory, largest_k, possible_neighbours, stored_mb
from models.neighbours.weighting import column_degrees
from models.ranking.item_item_model import ItemItemRecommender
from models.ranking.item_item_scorer import check_products
from models.search_space import Range, SearchSpace
from models.warm_start import WarmStart

logger = logging.getLogger(__name__)


class EASEConfig(Config):
    """Hyperparameters of `ease`."""

    search_space: ClassVar[SearchSpace] = {
        "regularization": Range(10.0, 3000.0, log=True),
        "user_exponent": Range(0.0, 0.8),
        "dropout": Range(0.0, 0.8),
        "item_exponent": Range(-0.4, 0.4),
        "neighbours": Range(50, 2000, log=True),
    }

    regularization: float = Field(
        default=150.0,
        gt=0,
        le=1e6,
        description="Penalty on squared weights, in numbers of users: shrinks weights that fewer users support.",
    )
    user_exponent: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Users' rows are divided by their squared length to this power; the mean square of an entry is "
        "kept. 0 is plain EASE; above 0 users of many items count for less.",
    )
    dropout: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the likes that training leaves out at random, in the mean over all draws: adds "
        "dropout / (1 − dropout) times an item's squared length to its penalty.",
    )
    item_exponent: float = Field(
        default=0.0,
        ge=-1,
        le=1,
        description="Weights are multiplied by (users of the predicted item / users of the liked one) to this power.",
    )
    neighbours: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Weights kept per item: dense keeps the greatest ones, sparse solves only for so many.",
    )
    solver: Literal["auto", "dense", "sparse"] = Field(
        default="auto",
        description="dense: exact, at least 4 bytes × items² of memory, time ~ items³. sparse: each item is regressed "
        "only on the `neighbours` that predict it best. auto: dense where memory_mb allows it.",
    )
    memory_mb: int = Field(
        default=4000,
        ge=1,
        le=1_000_000,
        description="Memory limit of the weights in MB while they are solved. Where the dense solver would take more, "
        "the sparse one is used, with fewer predictors per item if necessary. Not counted are one block of products, "
        "of at most 120 MB, and the scratch space of each thread of the sparse solver: 8 bytes for every entry of an "
        "item's predictors, and 4 per user.",
    )

    def machine_state(self) -> dict[str, str | int]:
        """Return the number of threads of BLAS, on which the dense solver's bits depend; empty if it cannot be used."""
        return {} if self.solver == "sparse" else {"threads": blas_threads()}


class EASE(ItemItemRecommender):
    """Predicts every item of a user from the user's other items, by ridge regression between items.

    Plain EASE is `user_exponent=0, neighbours=100000, solver=dense`; DLAE and DAN are `dropout` and the exponents.

    The dense solver's Cholesky decomposition uses all threads of BLAS: its last bits may depend on their number. The
    sparse solver's result does not.
    """

    name: ClassVar[str] = "ease"
    in_words: ClassVar[str] = "every item weighed directly against every other"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = EASEConfig
    config: EASEConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,  # noqa: ARG002
        progress: Progress,
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        config = self.config
        weights = self._weights(weigh_users(matrix, config.user_exponent), progress)
        self.profiles_ = matrix
        self.similarity_ = sparse.csr_array(weights.T)

    def _weights(self, matrix: sparse.csr_array, progress: Progress) -> sparse.csr_array:
        """Solve for the weights; row i holds those that predict item i."""
        config = self.config
        penalty, scale = self._penalties(matrix), self._scale(matrix)
        needed = dense_mb(matrix.shape[1], config.neighbours)
        if config.solver != "sparse" and needed <= config.memory_mb:
            dense = regression.solve_dense(matrix, penalty)
            if config.item_exponent:  # a pass over all weights takes seconds
                dense *= scale[:, None]
                dense /= scale
            return regression.keep_strongest(dense, config.neighbours, self.tie_order_)
        k = self._n_predictors(matrix, needed)
        chosen = regression.best_predictors(matrix, penalty, k, self.tie_order_)
        weights = regression.solve_sparse(matrix, chosen, penalty, progress)
        weights.data *= np.repeat(scale, np.diff(weights.indptr)) / scale[weights.indices]
        return weights

    def _penalties(self, matrix: sparse.csr_array) -> NDArray[np.float64]:
        """Return the penalty on the squared weight of each item, (n_items,)."""
        config = self.config
        squares = np.asarray(matrix.multiply(matrix).sum(axis=0, dtype=np.float64))
        penalties: NDArray[np.float64] = (
            config.regularization + config.dropout / (1 - config.dropout) * squares
        )
        return penalties

    def _scale(self, matrix: sparse.csr_array) -> FloatArray:
        """Return the items' numbers of users to the power `item_exponent`, (n_items,)."""
        scale = np.power(column_degrees(matrix), self.config.item_exponent, dtype=np.float64)
        return scale.astype(np.float32)

    def _n_predictors(self, matrix: sparse.csr_array, needed: float) -> int:
        """Return the number of items each item is regressed on; log a warning if it or the solver is due to memory_mb.

        Args:
            matrix: (n_users, n_items); its columns are regressed.
            needed: memory of the dense solver in MB.

        Raises:
            ValueError: solver is `dense`, and it needs more than memory_mb.
        """
        config = self.config
        too_much = (
            f"ease: the dense solver needs {needed:,.1f} MB for {matrix.shape[1]:,} items of "
            f"{config.neighbours:,} neighbours and memory_mb is {config.memory_mb:,}"
        )
        if config.solver == "dense":
            raise ValueError(f"{too_much}: raise it, or let solver be auto or sparse")
        possible = possible_neighbours(sparse.csr_array(matrix.T))
        if config.solver == "sparse":
            return k_within_memory(
                possible, config.neighbours, memory_mb=config.memory_mb, model=self.name, with_transpose=True
            )
        room = config.memory_mb / 2  # the weights and their transpose must fit
        k = largest_k(possible, min(config.neighbours, matrix.shape[1]), room)
        logger.warning(
            "%s: each item is regressed on its %d best predictors only; raise memory_mb for the exact solution",
            too_much, k,
        )  # fmt: skip
        return k


def dense_mb(n_items: int, neighbours: int) -> float:
    """Return the peak MB of the dense solver: all weights and those kept, or those kept and their transpose."""
    dense, kept = 4e-6 * n_items**2, stored_mb(n_items * min(neighbours, n_items))
    return max(dense + kept, 2 * kept) + 1e-6 * regression.SCRATCH_BYTES * n_items


def weigh_users(matrix: sparse.csr_array, exponent: float) -> sparse.csr_array:
    """Divide rows by (their squared length)^exponent, scaled so that the mean square of an entry stays the same.

    Args:
        matrix: (n_users, n_items) float32; rows of explicit zeros stay as they are.
        exponent: at least 0; 0 leaves all entries as they are.

    Returns:
        (n_users, n_items) float32.

    Raises:
        DivergedError: the entries are too large for float32.
    """
    check_products(matrix)
    squares = np.asarray(matrix.multiply(matrix).sum(axis=1, dtype=np.float64))
    weights = np.zeros_like(squares)
    np.power(squares, -exponent, out=weights, where=squares > 0)
    kept = squares.sum() / max((squares * weights**2).sum(), 1e-300)
    factors = (weights * np.sqrt(kept)).astype(np.float32)
    entries = matrix.data * np.repeat(factors, np.diff(matrix.indptr))
    return sparse.csr_array((entries, matrix.indices, matrix.indptr), shape=matrix.shape)
