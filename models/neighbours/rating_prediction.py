"""Predict ratings from neighbours: the baseline plus the neighbours' weighted mean deviation from theirs.

rating(u, i) = mean + bias(u) + bias(i) + Σ s · (r − baseline) / (Σ s + shrink), over the neighbours that have a rating
r, each with its similarity s. They are the neighbours of the item that the user rated (Sarwar et al. 2001, section
3.2.1), or the neighbours of the user that rated the item (Resnick et al. 1994). Deviations from baselines are those of
Koren (2010, equation 3). Without the centring a rating of half a star would count for an item, as it is above zero;
without the division the item with the most neighbours would win, whatever these were given.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.interactions import Interactions
from models.neighbours.config import NeighbourConfig
from models.numerics.threads import one_launch
from models.ranking.rating_predictor import RatingPredictor, log_popularity
from models.ranking.topk import Selector, block_rows


class NeighbourRatingPredictor(RatingPredictor):
    """A neighbourhood model that predicts ratings if its training matrix is `rating`, and ranks by the predictions.

    People rate only what they chose, so rankings add a multiple of the logarithm of the item's number of ratings, as
    `mf` does. Ranked by predictions alone, lists show obscure items: on ml-latest-small `item_knn` has NDCG@10 .032
    then, and .090 with the default.

    A like of a new user counts as a rating that lies as far above its baseline as those of liked items do on average.

    With another matrix none of these attributes is set.

    Attributes:
        item_bias_: (n_items,) float32, the item's term in the ranking.
    """

    config: NeighbourConfig
    item_bias_: FloatArray

    @property
    def predicts_ratings(self) -> bool:
        """Whether the training matrix holds ratings."""
        return (self.config.matrix or self.matrix) == "rating"

    @abstractmethod
    def _rating_sums(self) -> NeighbourSums:
        """Return the sums of the prediction; only called if the model predicts ratings."""

    def _without_baselines(self, ratings: sparse.csr_array, data: Interactions) -> sparse.csr_array:
        """Learn the baselines and `like_value_`; return the ratings less their baselines."""
        apart = self._learn_baselines(ratings)
        self.like_value_ = _mean_of_likes(apart, data.positive)
        spread = float(ratings.data.std(dtype=np.float64)) if ratings.nnz else 0.0
        choice = np.float32(self.config.rating_popularity * spread) * log_popularity(ratings)
        self.item_bias_ = self.item_rating_bias_ + choice
        return apart

    def _forget_user_biases(self, n_users: int) -> None:
        """Set the biases of new users, of whom no rating is known."""
        self.user_rating_bias_ = np.zeros(n_users, np.float32)

    def predict(self, users: IntArray, items: IntArray) -> FloatArray:
        """Predict the ratings of (user, item) pairs; see `RatingPredictor.predict`.

        Raises:
            NotImplementedError: the training matrix does not hold ratings.
        """
        if not self.predicts_ratings:
            raise NotImplementedError(f"{self.name} predicts ratings only with matrix = 'rating'")
        return super().predict(users, items)

    def _deviations(self, users: IntArray, items: IntArray) -> FloatArray:
        return self._rating_sums().of_pairs(users, items)

    def _score_by_rating(self, users: IntArray) -> FloatArray:
        """Return what items are ranked by; NaN where no neighbour has a rating."""
        return self._rating_sums().score(users, self.item_bias_)

    def _recommend_by_rating(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        return self._rating_sums().top_n(
            users, n,
            item_bias=self.item_bias_, tie_order=self.tie_order_, exclude=exclude, eligible=eligible,
        )  # fmt: skip


def _mean_of_likes(apart: sparse.csr_array, likes: sparse.csr_array) -> np.float32:
    """Return the mean deviation of rated items that are liked, (n_users, n_items) both; 1 if it is not above 0."""
    liked = apart.multiply(likes)
    mean = liked.sum() / max(liked.nnz, 1)
    return np.float32(mean if mean > 0 else 1)


class NeighbourSums:
    """The two sums of the prediction, as sparse rows times sparse columns.

    Args:
        left: (n_users, n) float32: the user's deviations (`weights_are_left` false), or similarities to other users.
        right: (n, n_items) float32: the similarities of items, or the other users' deviations; sorted indices.
        weights_are_left: whether `left` holds the similarities.
        shrink: added to the sum of similarities.
    """

    def __init__(
        self, left: sparse.csr_array, right: sparse.csr_array, *, weights_are_left: bool, shrink: float
    ) -> None:
        self._left = left.indptr, left.indices, left.data
        self._right = right.indptr, right.indices, right.data
        self._n_items = right.shape[1]
        self._how = weights_are_left, np.float32(shrink)

    def score(self, users: IntArray, item_bias: FloatArray) -> FloatArray:
        """Return the item's bias plus the weighted mean deviation of its neighbours.

        Args:
            users: (b,) rows of `left`.
            item_bias: (n_items,) float32.

        Returns:
            (b, n_items) float32, NaN where no neighbour has a rating.
        """
        scores = np.empty((len(users), self._n_items), np.float32)
        for start, block in self._blocks(users, item_bias):
            scores[start : start + len(block)] = block
        scores[np.isneginf(scores)] = np.nan
        return scores

    def top_n(
        self,
        users: IntArray,
        n: int,
        *,
        item_bias: FloatArray,
        tie_order: NDArray[np.int32],
        exclude: sparse.csr_array | None,
        eligible: BoolArray,
    ) -> TopN:
        """Return the n items of the greatest scores; items without a neighbour that has a rating are left out.

        Args:
            users: (n_rows,) rows of `left` and of `exclude`.
            n: length of the lists.
            item_bias: (n_items,) float32.
            tie_order: (n_items,) permutation; of equal scores the item that comes first in it wins.
            exclude: (n_users, n_items); items stored in a user's row are left out.
            eligible: (n_items,) mask of items that may appear.
        """
        selector = Selector(users, n, tie_order, exclude, eligible)
        for start, block in self._blocks(users, item_bias):
            selector.select(start, block)
        return selector.top

    def of_pairs(self, users: IntArray, items: IntArray) -> FloatArray:
        """Return the weighted mean deviation of pairs, (n,) float32; 0 where no neighbour has a rating.

        Args:
            users: (n,) rows of `left`.
            items: (n,) columns of `right`.
        """
        found = np.empty(len(users), np.float32)
        with one_launch:
            _of_pairs(self._left, self._right, users, items, self._how, found)
        return found

    def _blocks(self, users: IntArray, item_bias: FloatArray) -> Iterator[tuple[int, FloatArray]]:
        """Yield the position of a block's first user, and the block, which the next one overwrites."""
        users = np.asarray(users)
        buffer = np.empty((min(block_rows(self._n_items), len(users)), self._n_items), np.float32)
        for start in range(0, len(users), max(len(buffer), 1)):
            rows = users[start : start + len(buffer)]
            with one_launch:
                _predict(self._left, self._right, rows, self._how, item_bias, buffer[: len(rows)])
            yield start, buffer[: len(rows)]


@numba.njit(parallel=True, cache=True)
def _predict(left: Any, right: Any, rows: Any, how: Any, item_bias: Any, block: Any) -> None:
    """Write the scores of each row, −inf where no neighbour has a rating; each row by one thread."""
    left_indptr, left_indices, left_data = left
    right_indptr, right_indices, right_data = right
    weights_are_left, shrink = how
    width = block.shape[1]
    for row in numba.prange(len(rows)):
        total = np.zeros(width, np.float32)
        block[row] = 0
        for at in range(left_indptr[rows[row]], left_indptr[rows[row] + 1]):
            inner, a = left_indices[at], left_data[at]
            for to in range(right_indptr[inner], right_indptr[inner + 1]):
                b = right_data[to]
                block[row, right_indices[to]] += a * b
                total[right_indices[to]] += a if weights_are_left else b
        for column in range(width):
            weight = total[column]
            block[row, column] = (
                item_bias[column] + block[row, column] / (weight + shrink) if weight > 0 else -np.inf
            )


@numba.njit(parallel=True, cache=True)
def _of_pairs(left: Any, right: Any, users: Any, items: Any, how: Any, found: Any) -> None:
    """Write the weighted mean deviation of each pair: its item is looked up in the rows of the user's neighbours."""
    left_indptr, left_indices, left_data = left
    right_indptr, right_indices, right_data = right
    weights_are_left, shrink = how
    for pair in numba.prange(len(users)):
        item, total, weight = items[pair], np.float32(0), np.float32(0)
        for at in range(left_indptr[users[pair]], left_indptr[users[pair] + 1]):
            inner, a = left_indices[at], left_data[at]
            row = right_indices[right_indptr[inner] : right_indptr[inner + 1]]
            place = np.searchsorted(row, item)
            if place < len(row) and row[place] == item:
                b = right_data[right_indptr[inner] + place]
                total += a * b
                weight += a if weights_are_left else b
        found[pair] = total / (weight + shrink) if weight > 0 else np.float32(0)
