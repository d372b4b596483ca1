"""EASE (Steck 2019): every item predicted from all others by ridge regression, in closed form."""

from __future__ import annotations

import logging
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, Progress, Recommender
from models.device import blas_threads
from models.interactions import Interactions, MatrixName
from models.linear import regression
from models.neighbours.neighbourhoods import bounded_k, greatest_k, reach, stored_mb
from models.ranking.item_item_model import ItemItemRecommender
from models.ranking.item_item_scorer import check_products
from models.search_space import Range, SearchSpace

logger = logging.getLogger(__name__)


class EASEConfig(Config):
    """Hyperparameters of `ease`."""

    search_space: ClassVar[SearchSpace] = {
        "regularization": Range(10.0, 3000.0, log=True),
        "user_exponent": Range(0.0, 0.8),
        "neighbours": Range(50, 2000, log=True),
    }

    regularization: float = Field(
        default=150.0,
        gt=0,
        le=1e6,
        description="Penalty on squared weights, in users: distrusts what fewer users than that speak for.",
    )
    user_exponent: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Users' rows are divided by their length to this power, the mean weight of an entry kept: "
        "0 is plain EASE, more lets users of many items count for less.",
    )
    neighbours: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Weights kept per item: the greatest ones of `dense`, the only ones `sparse` looks for.",
    )
    solver: Literal["auto", "dense", "sparse"] = Field(
        default="auto",
        description="dense: exact, at least 4 bytes × items² of memory, time ~ items³. sparse: each item regressed "
        "only on the `neighbours` that predict it best. auto: dense where memory_mb allows it.",
    )
    memory_mb: int = Field(
        default=4000,
        ge=1,
        le=1_000_000,
        description="What the weights may take in MB while they are solved: where the dense solver would take "
        "more, the sparse one takes over, with fewer predictors an item if it must. Not counted are one block of "
        "products, of at most 120 MB, and the scratch of each thread of the sparse solver: 8 bytes for every entry of "
        "an item's predictors, and 4 a user.",
    )

    def machine_state(self) -> dict[str, str | int]:
        """Return the number of threads of BLAS, on which the dense solver's bits depend; empty if it cannot be used."""
        return {} if self.solver == "sparse" else {"threads": blas_threads()}


class EASE(ItemItemRecommender):
    """Weights between items that explain every user's row by the rest of it.

    Plain EASE is `user_exponent=0, neighbours=100000, solver=dense`.

    The dense solver's Cholesky decomposition is left to all threads of BLAS: its last digits may depend on their
    number. No bit of the sparse solver's result does.
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
        warm_start: Recommender | None,  # noqa: ARG002
    ) -> None:
        config = self.config
        weights = self._weights(weigh_users(matrix, config.user_exponent), progress)
        self.profiles_ = matrix
        self.similarity_ = sparse.csr_array(weights.T)

    def _weights(self, matrix: sparse.csr_array, progress: Progress) -> sparse.csr_array:
        """Row i holds what item i is predicted from."""
        config = self.config
        needed = dense_mb(matrix.shape[1], config.neighbours)
        if config.solver != "sparse" and needed <= config.memory_mb:
            everything = regression.on_all(matrix, config.regularization)
            return regression.strongest(everything, config.neighbours, self.tie_order_)
        k = self._predictors(matrix, needed)
        chosen = regression.candidates(matrix, config.regularization, k, self.tie_order_)
        return regression.on_candidates(matrix, chosen, config.regularization, progress)

    def _predictors(self, matrix: sparse.csr_array, needed: float) -> int:
        """How many items each item is regressed on; says why if they are not those that were asked for.

        Args:
            matrix: whose columns are regressed.
            needed: what the dense solver would take in MB.

        Raises:
            ValueError: only the dense solver was allowed, and it needs too much.
        """
        config = self.config
        too_much = (
            f"ease: the dense solver needs {needed:,.1f} MB for {matrix.shape[1]:,} items of "
            f"{config.neighbours:,} neighbours and memory_mb is {config.memory_mb:,}"
        )
        if config.solver == "dense":
            raise ValueError(f"{too_much}: raise it, or let solver be auto or sparse")
        possible = reach(sparse.csr_array(matrix.T))
        if config.solver == "sparse":
            return bounded_k(
                possible, config.neighbours, memory_mb=config.memory_mb, model=self.name, with_transpose=True
            )
        room = config.memory_mb / 2  # for a moment there are two: the weights and their transpose
        k = greatest_k(possible, min(config.neighbours, matrix.shape[1]), room)
        logger.warning(
            "%s: each item is regressed on its %d best predictors only; raise memory_mb for the exact solution",
            too_much, k,
        )  # fmt: skip
        return k


def dense_mb(n_items: int, neighbours: int) -> float:
    """MB that the dense solver takes at its worst: all weights beside those kept, or those kept and their transpose."""
    everything, kept = 4e-6 * n_items**2, stored_mb(n_items * min(neighbours, n_items))
    return max(everything + kept, 2 * kept) + 1e-6 * regression.SCRATCH_BYTES * n_items


def weigh_users(matrix: sparse.csr_array, exponent: float) -> sparse.csr_array:
    """Rows over (their squared length)^exponent, scaled so that the mean square of an entry stays as it was.

    A row of explicit zeros says nothing and stays one.

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
