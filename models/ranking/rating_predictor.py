"""Base class of models that predict ratings: mean + user bias + item bias + a deviation by taste."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from models.base import FloatArray, IntArray, Recommender

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
