"""Base class of models with a vector for each item: items are similar, and explain one another, by its direction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, Recommender, TopN
from models.numerics.unit_vectors import unit_vectors
from models.ranking import factor_scorer
from models.ranking.explanations import largest_terms, ones_like
from models.ranking.topk import identity


class ItemVectorRecommender(Recommender):
    """A recommender whose `_fit` sets the array below; similar items and reasons are inherited.

    Attributes:
        item_factors_: (n_items, f) float32.
    """

    item_factors_: FloatArray

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        """Rank by the cosine of the item vectors; the bias, which is popularity, is left out."""
        directions = unit_vectors(self.item_factors_)
        return factor_scorer.top_n(
            directions, directions, items, n,
            tie_order=self.tie_order_, exclude=identity(len(directions)), eligible=eligible,
        )  # fmt: skip

    def _because_of(
        self,
        users: IntArray,  # noqa: ARG002
        items: NDArray[np.int32],
        liked: sparse.csr_array,
    ) -> NDArray[np.int32]:
        """Return the liked item of greatest cosine with the listed one, the nearest in the model's own space."""
        directions = unit_vectors(self.item_factors_)
        return largest_terms(items, ones_like(liked), left=directions, right=directions)
