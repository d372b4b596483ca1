"""EASE (Steck 2019): every item predicted from all others by ridge regression, in closed form."""

from __future__ import annotations

import logging
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, Progress, Recommender
from models.interactions import Interactions, MatrixName
from models.linear import regression
from models.scoring.item_item_model import ItemItemRecommender

logger = logging.getLogger(__name__)


class EASEConfig(Config):
    """Hyperparameters of `ease`."""

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
        description="dense: exact, 4 bytes × items² of memory, time ~ items³. sparse: each item regressed only on "
        "the `neighbours` that predict it best. auto: dense where memory_mb allows it.",
    )
    memory_mb: int = Field(
        default=4000, ge=1, le=1_000_000, description="The most that the dense solver may take."
    )


class EASE(ItemItemRecommender):
    """Weights between items that explain every user's row by the rest of it.

    Plain EASE is `user_exponent=0, neighbours=100000, solver=dense`.
    """

    name: ClassVar[str] = "ease"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = EASEConfig
    config: EASEConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
        warm_start: Recommender | None,  # noqa: ARG002
    ) -> None:
        config = self.config
        weighted = weigh_users(matrix, config.user_exponent)
        if self._fits_in_memory(matrix.shape[1]):
            all_weights = regression.on_all(weighted, config.regularization)
            weights = regression.strongest(all_weights, config.neighbours, self.tie_order_)
        else:
            chosen = regression.candidates(
                weighted, config.regularization, config.neighbours, self.tie_order_
            )
            weights = regression.on_candidates(weighted, chosen, config.regularization)
        self.profiles_ = matrix
        self.similarity_ = sparse.csr_array(weights.T)

    def _fits_in_memory(self, n_items: int) -> bool:
        """Whether to solve densely; decided, and said, before anything is computed.

        Raises:
            ValueError: only the dense solver was allowed, and it needs too much.
        """
        config = self.config
        needed = 4e-6 * n_items**2
        if config.solver == "sparse" or needed <= config.memory_mb:
            return config.solver != "sparse"
        about = (
            f"ease: the dense solver needs {needed:,.0f} MB for {n_items:,} items "
            f"and memory_mb is {config.memory_mb:,}"
        )
        if config.solver == "dense":
            raise ValueError(f"{about}: raise it, or let solver be auto or sparse")
        logger.warning(
            "%s, so each item is regressed on its %d best predictors only; raise memory_mb for the exact solution",
            about, config.neighbours,
        )  # fmt: skip
        return False


def weigh_users(matrix: sparse.csr_array, exponent: float) -> sparse.csr_array:
    """Rows over (their squared length)^exponent, scaled so that the mean square of an entry stays as it was."""
    squares = matrix.data.astype(np.float64) ** 2
    lengths = np.repeat(np.asarray(matrix.multiply(matrix).sum(axis=1)), np.diff(matrix.indptr))
    weights = lengths**-exponent
    kept = squares.sum() / max((squares * weights**2).sum(), 1e-300)
    entries = (matrix.data * weights * np.sqrt(kept)).astype(np.float32)
    return sparse.csr_array((entries, matrix.indices, matrix.indptr), shape=matrix.shape)
