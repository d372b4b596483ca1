"""Base class of item-item models: an item scores by its similarity to the items of the user."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.new_users import NewUsers
from models.npz_files import forget_pages
from models.ranking import item_item_scorer
from models.ranking.explanations import largest_terms, ones_like
from models.ranking.item_item_scorer import Factors
from models.ranking.tiled_product import Tiles
from models.ranking.topk import identity
from models.ranking.user_similarity import UserSimilarityRecommender, cosines

_LEAST_USERS = 2048  # asked for at once: making tiles takes as long as they save on about 5,000 users


class ItemItemRecommender(UserSimilarityRecommender):
    """A recommender whose `_fit` sets the two matrices below; scoring, lists and reasons are inherited.

    It lists only items that are similar to an item of the user's profile, so its lists may be short.

    Attributes:
        profiles_: (n_users, n_items) float32, the users' rows, weighted by the model.
        similarity_: (n_items, n_items) float32; row j holds the contributions of item j to the scores of the other
            items, column i the neighbours that item i is scored by; the diagonal is empty, indices are sorted.
    """

    profiles_: sparse.csr_array
    similarity_: sparse.csr_array
    _tiles: Tiles | None = None

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
            tiles=self._tiles_for(len(users)),
        )  # fmt: skip

    def _tiles_for(self, n_users: int) -> Tiles | None:
        """Return the tiles of `similarity_`, which are made once; None if so few users are not worth them."""
        if n_users < _LEAST_USERS or not Tiles.suit(self.similarity_):
            return None
        if self._tiles is None or self._tiles.matrix is not self.similarity_:
            self._tiles = Tiles(self.similarity_)
            forget_pages(self.similarity_.data)  # lists are made of the tiles from here on
            forget_pages(self.similarity_.indices)
        return self._tiles

    def _fold_in(self, new: NewUsers) -> None:
        self.profiles_ = new.likes(float(self.like_value_))

    def _because_of(
        self, users: IntArray, items: NDArray[np.int32], liked: sparse.csr_array
    ) -> NDArray[np.int32]:
        """Return the liked item of the largest term of the score's sum (exact); unknown users have no reasons."""
        reasons = np.full(items.shape, -1, np.int32)
        users, known = self._split_known(users)
        weights = sparse.csr_array(self.profiles_[users[known]].multiply(ones_like(liked[known])))
        left, right = self._item_factors() or (None, None)
        reasons[known] = largest_terms(
            items[known], weights, similarity=self.similarity_, left=left, right=right
        )
        return reasons

    def _item_factors(self) -> Factors | None:
        """Return (left, right), (n_items, f) each, such that the first of `_factors` is profiles · left; None without.

        They split the low-rank part of the score into terms of the user's items, for `_because_of`.
        """
        return None

    def _factors(self) -> Factors | None:
        """Return the factors of users and items whose product is added to the scores; None without such a part."""
        return None

    def _user_similarities(self, user: int) -> FloatArray:
        """Return the cosines of the profiles."""
        return cosines(self.profiles_, user)

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        """Return the neighbours that the items are scored by: the greatest entries of their columns."""
        # Transpose only these columns: all of them would take the model's size again.
        neighbours = sparse.csr_array(self.similarity_[:, items].T)
        return item_item_scorer.top_n(
            identity(len(items)), neighbours, np.arange(len(items)), n,
            tie_order=self.tie_order_, eligible=eligible,
        )  # fmt: skip
