"""Popularity: the same list for all users, by the number of users who liked each item."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, Progress, Recommender, TopN
from models.interactions import Interactions, MatrixName
from models.new_users import NewUsers
from models.ranking import one_ranking
from models.warm_start import WarmStart


class Popularity(Recommender):
    """Scores an item by the sum of its column; ties break by interaction count.

    Known users are all users, also those without a training entry; known items are all items with an interaction. So it
    can complete any list.

    Attributes:
        item_scores_: (n_items,) float32.
    """

    name: ClassVar[str] = "popularity"
    in_words: ClassVar[str] = (
        "what most people liked, the same for everybody; what the others are measured against"
    )
    matrix: ClassVar[MatrixName] = "positive"

    item_scores_: FloatArray

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        self.known_users_ = np.ones(matrix.shape[0], bool)
        users_of_item = np.bincount(data.seen.indices, minlength=data.n_items)
        self.known_items_ = users_of_item > 0
        self.item_scores_ = np.asarray(matrix.sum(axis=0) + users_of_item / (data.n_users + 1), np.float32)

    def _score(self, users: IntArray) -> FloatArray:
        return np.tile(self.item_scores_, (len(users), 1))

    def _recommend(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        return one_ranking.top_n(
            self.item_scores_, users, n, tie_order=self.tie_order_, exclude=exclude, eligible=eligible
        )

    def _fold_in(self, new: NewUsers) -> None:
        """Change nothing: the list is everybody's, without the items of the history."""

    def _because_of(
        self,
        users: IntArray,  # noqa: ARG002
        items: NDArray[np.int32],
        liked: sparse.csr_array,  # noqa: ARG002
    ) -> NDArray[np.int32]:
        """Give no reasons: the list does not depend on what the user liked."""
        return np.full(items.shape, -1, np.int32)

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:  # noqa: ARG002
        """Return empty lists: that two items are both popular does not make them alike."""
        shape = (len(items), n)
        return TopN(np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32))
