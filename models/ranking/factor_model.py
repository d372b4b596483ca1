"""Base class of factor models: users and items are vectors, a score is their product plus a bias."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import sparse

from models.base import BoolArray, DivergedError, FloatArray, IntArray, TopN
from models.export.exportable import Export, Exportable
from models.new_users import NewUsers
from models.ranking import factor_scorer
from models.ranking.folding_in import learn_map, mapped
from models.ranking.item_vectors import ItemVectorRecommender
from models.ranking.user_similarity import UserVectorRecommender


class FactorRecommender(ItemVectorRecommender, UserVectorRecommender, Exportable):
    """A recommender whose `_fit` sets the three arrays below; scoring and lists are inherited.

    Class attributes of a subclass:
        remedy: advice for the error that `fit` raises when training diverges.

    Attributes:
        user_factors_: (n_users, f) float32.
        item_factors_: (n_items, f) float32.
        item_bias_: (n_items,) float32, or an empty array for models without a bias.
        fold_in_map_: (f + 1, f) float32, makes vectors of new users from those of their items: `folding_in`. Models
            with a way of their own have none.
    """

    remedy: ClassVar[str] = "smaller steps are safer"

    user_factors_: FloatArray
    item_factors_: FloatArray
    item_bias_: FloatArray
    fold_in_map_: FloatArray

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

    def _learn_to_fold_in(self, likes: sparse.csr_array, seed: int) -> None:
        self.fold_in_map_ = learn_map(likes, self.user_factors_, self.item_factors_, self.known_users_, seed)

    def _fold_in(self, new: NewUsers) -> None:
        self.user_factors_ = mapped(self.fold_in_map_, new.likes(), self.item_factors_)

    def user_vectors(self) -> FloatArray:
        """Return `user_factors_`."""
        return self.user_factors_

    def exported(self) -> Export:
        """Return the map of sums of item vectors, and the item vectors; see `Exportable`."""
        from models.export.encoders import MappedSums  # noqa: PLC0415  (imports torch)

        encoder = MappedSums(self.known_items_, self.item_factors_, self.fold_in_map_)
        return Export(encoder, self.item_factors_, self.item_bias_)

    def _bias(self) -> FloatArray | None:
        return self.item_bias_ if self.item_bias_.size else None


def _greatest_norm(vectors: FloatArray) -> np.float32:
    """Return the length of the longest row; NaN or infinite if an entry is, or if a square overflows float32."""
    squared: FloatArray = np.einsum("nf,nf->n", vectors, vectors)
    return np.float32(np.sqrt(squared.max(initial=0)))
