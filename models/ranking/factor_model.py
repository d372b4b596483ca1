"""Base class of factor models: users and items are vectors, a score is their product plus a bias."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, DivergedError, FloatArray, IntArray, Recommender, TopN
from models.numerics.unit_vectors import unit_vectors
from models.ranking import factor_scorer
from models.ranking.explanations import largest_terms, ones_like
from models.ranking.topk import identity


class FactorRecommender(Recommender):
    """A recommender whose `_fit` sets the three arrays below; scoring, lists and reasons are inherited.

    Class attributes of a subclass:
        remedy: advice for the error that `fit` raises when training diverges.

    Attributes:
        user_factors_: (n_users, f) float32.
        item_factors_: (n_items, f) float32.
        item_bias_: (n_items,) float32, or an empty array for models without a bias.
    """

    remedy: ClassVar[str] = "smaller steps are safer"

    user_factors_: FloatArray
    item_factors_: FloatArray
    item_bias_: FloatArray

    def _check_learned(self) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            bias = np.abs(self.item_bias_).max(initial=0)
            greatest = _greatest_norm(self.user_factors_) * _greatest_norm(self.item_factors_) + bias
        if not np.isfinite(greatest):
            raise DivergedError(f"{self.name}: training diverged; {self.remedy}")

    def _score(self, users: IntArray) -> FloatArray:
        return factor_scorer.score(self.user_factors_, self.item_factors_, users, self._bias())

    def _recommend(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        return factor_scorer.top_n(
            self.user_factors_, self.item_factors_, users, n,
            tie_order=self.tie_order_, item_bias=self._bias(), exclude=exclude, eligible=eligible,
        )  # fmt: skip

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

    def _bias(self) -> FloatArray | None:
        return self.item_bias_ if self.item_bias_.size else None


def _greatest_norm(vectors: FloatArray) -> np.float32:
    """Return the length of the longest row; NaN or infinite if an entry is, or if a square overflows float32."""
    squared: FloatArray = np.einsum("nf,nf->n", vectors, vectors)
    return np.float32(np.sqrt(squared.max(initial=0)))
