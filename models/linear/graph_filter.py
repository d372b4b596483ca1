"""GF-CF: two low-pass filters of the graph of users and items, applied to each user's row, in closed form.

Shen et al. 2021, "How powerful is graph convolution for recommendation?", section 4.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray, Progress
from models.interactions import Interactions, MatrixName
from models.neighbours import weighting
from models.neighbours.neighbourhoods import k_within_memory, keep_greatest, possible_neighbours, size_mb
from models.neighbours.similarity import Measure, similarity_blocks
from models.new_users import NewUsers
from models.numerics.sparse_product import multiply
from models.numerics.truncated_svd import right_singular
from models.ranking.item_item_model import ItemItemRecommender
from models.ranking.item_item_scorer import Factors
from models.search_space import Range, SearchSpace
from models.warm_start import WarmStart

_ROUNDING = 1e-6  # relative to a singular vector's length, 1: smaller entries are rounding errors of zero


class GraphFilterConfig(Config):
    """Hyperparameters of `graph_filter`."""

    search_space: ClassVar[SearchSpace] = {
        "low_pass": Range(0.0, 2.0),
        "rank": Range(8, 512, log=True),
        "user_exponent": Range(0.0, 1.0),
    }

    low_pass: float = Field(
        default=0.3, ge=0, le=100, description="Weight of the ideal low-pass filter beside the linear one."
    )
    rank: int | None = Field(
        default=None,
        ge=1,
        le=4096,
        description="Number of frequencies that the ideal filter passes. By default 1.48 · √(the smaller of users and "
        "items): 256 for 30,000, as published, and 66 for 2,000, where 256 would pass nearly all.",
    )
    user_exponent: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Entries are divided by their user's number of entries to this power.",
    )
    memory_mb: int = Field(
        default=2000,
        ge=1,
        le=1_000_000,
        description="Memory limit of the item-item products in MB; if all would take more, only the strongest of each "
        "item are kept. Not counted are one block of scores, of at most 120 MB, and the low-pass filter: 4 bytes × "
        "rank per user and item, and several times that while its frequencies are computed.",
    )


class GraphFilter(ItemItemRecommender):
    """Scores items by score(u, ·) = r · P + low_pass · r · D^-½ V Vᵀ D^½, with r the user's row.

    P = NᵀN is the linear filter, N = D_u^-user_exponent R D^-½ the normalised matrix, V its leading right singular
    vectors (the low frequencies), D the items' numbers of users and D_u the users' numbers of items.

    Lists of similar items are by the linear filter.

    Attributes:
        similarity_: P without its diagonal, which only raises items that the user has.
        user_factors_: (n_users, rank) float32, low_pass · R D^-½ V.
        item_factors_: (n_items, rank) float32, D^½ V.
        item_degrees_: (n_items,) int64, D; 1 for items without users.
    """

    name: ClassVar[str] = "graph_filter"
    in_words: ClassVar[str] = "likes smoothed along the network of people and items"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = GraphFilterConfig
    config: GraphFilterConfig

    user_factors_: FloatArray
    item_factors_: FloatArray
    item_degrees_: NDArray[np.int64]

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,
        progress: Progress,  # noqa: ARG002
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        config = self.config
        normalised = weighting.degree(matrix, row_exponent=config.user_exponent, column_exponent=0.5)
        self.profiles_ = matrix
        self.similarity_ = self._linear_filter(sparse.csr_array(normalised.T))
        rank = config.rank or default_rank(int(self.known_users_.sum()), int(self.known_items_.sum()))
        _, frequencies = right_singular(normalised, rank, seed=seed)
        # Without rounding errors scores are exactly 0, which is no score, where no frequency passes.
        frequencies[np.abs(frequencies) < _ROUNDING] = 0
        self.item_degrees_ = weighting.column_degrees(matrix)
        self.item_factors_ = (frequencies * np.sqrt(self.item_degrees_)[:, None]).astype(np.float32)
        self.user_factors_ = multiply(matrix, self._item_factors()[0])

    def _linear_filter(self, columns: sparse.csr_array) -> sparse.csr_array:
        """Return all products of two items if they fit into memory, else each item's strongest, in its column."""
        limit, possible = self.config.memory_mb, possible_neighbours(columns)
        products = similarity_blocks(columns, Measure(similarity="dot"), rows_are_users=False)
        if size_mb(possible, len(possible)) <= limit:  # P is symmetric: rows are columns
            return keep_greatest(products, possible, k=len(possible), tie_order=self.tie_order_)
        k = k_within_memory(possible, 0, memory_mb=limit, model=self.name, with_transpose=True)
        return sparse.csr_array(keep_greatest(products, possible, k=k, tie_order=self.tie_order_).T)

    def _factors(self) -> Factors:
        return self.user_factors_, self.item_factors_

    def _item_factors(self) -> Factors:
        divided = self.item_factors_ / self.item_degrees_[:, None]  # D^-½ V = D⁻¹ D^½ V
        return (self.config.low_pass * divided).astype(np.float32), self.item_factors_

    def _fold_in(self, new: NewUsers) -> None:
        super()._fold_in(new)
        self.user_factors_ = multiply(self.profiles_, self._item_factors()[0])


def default_rank(n_users: int, n_items: int) -> int:
    """Return the default rank: 256 for Gowalla's 30,000 users, as published, else by the root of the smaller side."""
    return max(1, round(1.48 * math.sqrt(min(n_users, n_items))))
