"""What all item-item models share: an item scores by its similarity to what the user did."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, Recommender, TopN
from models.ranking import item_item_scorer
from models.ranking.explanations import largest_terms, ones_like
from models.ranking.item_item_scorer import Factors


class ItemItemRecommender(Recommender):
    """A recommender whose `_fit` sets the two matrices below; everything else is inherited.

    It lists only items for which something in the user's profile speaks, so its lists may be short.

    Attributes:
        profiles_: (n_users, n_items) float32, the users' rows as the model weighs them.
        similarity_: (n_items, n_items) float32; row j holds what a liking of j says about every other item,
            column i the neighbours that item i is judged by; the diagonal is empty, indices are sorted.
    """

    profiles_: sparse.csr_array
    similarity_: sparse.csr_array

    def _check_learned(self) -> None:
        item_item_scorer.check_scores(self.profiles_, self.similarity_, self._factors())

    def _score(self, users: IntArray) -> FloatArray:
        return item_item_scorer.score(self.profiles_, self.similarity_, users, self._factors())

    def _recommend(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        return item_item_scorer.top_n(
            self.profiles_, self.similarity_, users, n,
            tie_order=self.tie_order_, factors=self._factors(), exclude=exclude, eligible=eligible,
        )  # fmt: skip

    def _because_of(
        self, users: IntArray, items: NDArray[np.int32], liked: sparse.csr_array
    ) -> NDArray[np.int32]:
        """Exact: the liked item of the largest term of the score's sum, which unknown users do not have."""
        reasons = np.full(items.shape, -1, np.int32)
        users, known = self._split_known(users)
        weights = sparse.csr_array(self.profiles_[users[known]].multiply(ones_like(liked[known])))
        left, right = self._item_factors() or (None, None)
        reasons[known] = largest_terms(
            items[known], weights, similarity=self.similarity_, left=left, right=right
        )
        return reasons

    def _item_factors(self) -> Factors | None:
        """The factors of the score as a sum over the history: `_factors` of users are profiles · the first of these."""
        return None

    def _factors(self) -> Factors | None:
        """Of users and items, for models whose scores have a part of low rank beside the similarities."""
        return None

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        """The neighbours that the items are judged by: the greatest entries of their columns."""
        # Only their columns: all would take the model's size again.
        judges = sparse.csr_array(self.similarity_[:, items].T)
        one_each = sparse.csr_array(sparse.eye_array(len(items), dtype=np.float32, format="csr"))
        return item_item_scorer.top_n(
            one_each, judges, np.arange(len(items)), n, tie_order=self.tie_order_, eligible=eligible
        )
