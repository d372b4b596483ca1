"""Base class of models that predict ratings: mean + user bias + item bias + a deviation by taste."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, IntArray, Recommender
from models.ranking.rating_baselines import fit_baselines, residuals

_PAIRS = 65_536  # pairs whose deviations are computed at a time


class RatingPredictor(Recommender):
    """A recommender whose `_fit` sets the three arrays below; `predict` is inherited.

    Attributes:
        user_rating_bias_, item_rating_bias_: (n_users,) and (n_items,) float32, 0 for unknown ones.
        rating_scale_: (3,) float32, the lowest, mean and highest rating of the training matrix.
    """

    user_rating_bias_: FloatArray
    item_rating_bias_: FloatArray
    rating_scale_: FloatArray

    @abstractmethod
    def _deviations(self, users: IntArray, items: IntArray) -> FloatArray:
        """Return the part of the rating that depends on user and item together, (n,) float32; all pairs are known."""

    def _set_rating_scale(self, ratings: NDArray[np.floating], mean: float) -> None:
        """Set `rating_scale_` from the stored ratings, of which there may be none."""
        self.rating_scale_ = np.array(
            [ratings.min(initial=mean), mean, ratings.max(initial=mean)], np.float32
        )

    def _learn_baselines(self, ratings: sparse.csr_array) -> sparse.csr_array:
        """Set the attributes to baseline ratings; return the ratings less their baselines, (n_users, n_items)."""
        baselines = fit_baselines(ratings)
        self._set_rating_scale(ratings.data, baselines.mean)
        self.user_rating_bias_ = baselines.user.astype(np.float32)
        self.item_rating_bias_ = baselines.item.astype(np.float32)
        return residuals(ratings, baselines)

    def predict(self, users: IntArray, items: IntArray) -> FloatArray:
        """Predict the ratings of (user, item) pairs.

        An unknown user or item has no bias and no taste, so a pair of two unknowns gets the mean rating; without any
        training rating that is 0.

        Args:
            users: (n,) integer user indices.
            items: (n,) integer item indices, one for each user.

        Returns:
            (n,) float32, clipped to the range of the training ratings.

        Raises:
            ValueError: `users` or `items` are not integers, or differ in length.
            NotFittedError: the model is not fitted.
        """
        users, known_users = self._split_known(users)
        items, known_items = self._split_known_items(items)
        if len(users) != len(items):
            raise ValueError(f"pairs need as many users as items, not {len(users)} and {len(items)}")
        least, mean, greatest = self.rating_scale_

        predicted = np.full(len(users), mean, np.float32)
        predicted[known_users] += self.user_rating_bias_[users[known_users]]
        predicted[known_items] += self.item_rating_bias_[items[known_items]]
        for pairs in np.array_split(np.flatnonzero(known_users & known_items), len(users) // _PAIRS + 1):
            predicted[pairs] += self._deviations(users[pairs], items[pairs])
        return predicted.clip(least, greatest)


def log_popularity(ratings: sparse.csr_array) -> FloatArray:
    """Return the logarithm of each item's number of ratings, (n_items,) float32; 0 for items without one."""
    counts = np.bincount(ratings.indices, minlength=ratings.shape[1])
    found: FloatArray = np.log(counts.clip(min=1)).astype(np.float32)
    return found
