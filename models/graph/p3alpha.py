"""P3α: items that a random walk of three steps reaches from a user: liked item, another of its users, their item.

Cooper et al. 2014, "Random walks in recommender systems: exact computation and simulations", section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import BoolArray, Config, FloatArray, IntArray, Progress, TopN
from models.interactions import Interactions, MatrixName
from models.neighbours import weighting
from models.neighbours.neighbourhoods import k_within_memory, keep_greatest, possible_neighbours
from models.neighbours.similarity import Measure, similarity_blocks
from models.ranking import item_item_scorer
from models.ranking.item_item_model import ItemItemRecommender
from models.ranking.topk import identity
from models.search_space import Range, SearchSpace
from models.warm_start import WarmStart


class P3AlphaConfig(Config):
    """Hyperparameters of `p3alpha`."""

    search_space: ClassVar[SearchSpace] = {
        "alpha": Range(0.1, 1.6),
        "k": Range(20, 2000, log=True),
    }

    alpha: float = Field(
        default=0.7,
        ge=0,
        le=10,
        description="Power of the probability of a step: 1 is the plain walk, less lets active users and popular items "
        "pass more.",
    )
    k: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Items kept that lead to an item; by default all that memory_mb allows.",
    )
    memory_mb: int = Field(
        default=2000,
        ge=1,
        le=1_000_000,
        description="Memory limit of the walks between items in MB; if they would take more, only the likeliest are "
        "kept.",
    )


class P3Alpha(ItemItemRecommender):
    """Scores an item by the probability of walking to it from the user: p(user → item)^α p(item → user)^α p(…)^α.

    The last two steps are a matrix of items by items, W[i, j] = Σ_u d_i^−α d_u^−α over the users who like both, with d
    the number of likes. The first step is the same for all items of a user, so it changes no order.

    Lists of similar items are the ends of the walk from the item.

    Attributes:
        similarity_: W without its diagonal.
    """

    name: ClassVar[str] = "p3alpha"
    in_words: ClassVar[str] = "items that a random walk along likes reaches from those you liked"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = P3AlphaConfig
    config: P3AlphaConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        config, likes = self.config, self._only_positive(matrix)
        degrees = weighting.column_degrees(likes).astype(np.float32)
        out, back = degrees ** np.float32(-config.alpha), degrees ** np.float32(-self._penalty())
        shared = weighting.degree(likes, row_exponent=config.alpha / 2, column_exponent=0)
        columns = sparse.csr_array(shared.T)
        possible = possible_neighbours(columns)
        k = k_within_memory(
            possible, config.k or 0, memory_mb=config.memory_mb, model=self.name, with_transpose=True
        )
        products = similarity_blocks(columns, Measure(similarity="dot"), rows_are_users=False)
        kept = keep_greatest(_times(products, out, back), possible, k=k, tie_order=self.tie_order_)
        self.profiles_, self.similarity_ = likes, sparse.csr_array(kept.T)

    def _penalty(self) -> float:
        """Return the power of an item's degree that divides the chance of the walk to it."""
        return 0.0

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        return item_item_scorer.top_n(
            identity(len(self.known_items_)), self.similarity_, items, n,
            tie_order=self.tie_order_, eligible=eligible,
        )  # fmt: skip


def _times(
    blocks: Iterator[tuple[int, FloatArray]], of_columns: FloatArray, of_rows: FloatArray
) -> Iterator[tuple[int, FloatArray]]:
    """Yield blocks of an (n, n) matrix whose columns and rows are multiplied, (n,) each, in place."""
    for start, block in blocks:
        np.multiply(block, of_columns, out=block)
        np.multiply(block, of_rows[start : start + len(block), None], out=block)
        yield start, block
