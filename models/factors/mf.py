"""Matrix factorisation of explicit ratings, with biases (Koren, Bell & Volinsky 2009), and SVD++ (Koren 2008)."""

from __future__ import annotations

import logging
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray, IntArray, Progress, Recommender
from models.device import DeviceConfig
from models.interactions import Interactions, MatrixName
from models.ranking.factor_model import FactorRecommender
from models.search_space import Choice, Range, SearchSpace

logger = logging.getLogger(__name__)

_PAIRS = 65_536  # whose vectors `predict` gathers at once


class MFConfig(DeviceConfig):
    """Hyperparameters of `mf`. Strengths are for ratings in standard deviations: they fit any scale."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(16, 256, log=True),
        "implicit_term": Choice((False, True)),
        "regularization": Range(0.1, 10.0, log=True),
        "bias_regularization": Range(0.05, 10.0, log=True),
        "degree_exponent": Range(0.0, 1.0),
        "epochs": Range(20, 100, log=True),
        "learning_rate": Range(0.005, 0.1, log=True),
        "popularity_weight": Range(0.0, 6.0),
    }

    factors: int = Field(default=64, ge=1, le=2048, description="Length of the user and item vectors.")
    implicit_term: bool = Field(
        default=False,
        description="SVD++: a user's vector is also the sum of one vector for each item that they ever met, "
        "rated or not, over the root of how many those are.",
    )
    regularization: float = Field(default=1.2, ge=0, le=1e4, description="Weight of the squared factors.")
    bias_regularization: float = Field(default=0.6, ge=0, le=1e4, description="Weight of the squared biases.")
    degree_exponent: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Those two weights are times the user's or item's number of ratings to this power: 0 is one "
        "prior for all, 1 is weighted-λ regularisation (Zhou et al. 2008).",
    )
    implicit_regularization: float = Field(
        default=80.0,
        ge=0,
        le=1e6,
        description="Weight of the squared vectors of the implicit term, the same for all items.",
    )
    epochs: int = Field(default=50, ge=1, le=10_000, description="Visits of every rating.")
    batch: int = Field(
        default=8192,
        ge=1,
        le=10_000_000,
        description="Ratings in a step of Adam, about: whole users. An epoch has 10 to 256 steps, whatever this says.",
    )
    learning_rate: float = Field(
        default=0.02, gt=0, le=1, description="Length of Adam's first step; it falls to 0 as a cosine does."
    )
    popularity_weight: float = Field(
        default=1.5,
        ge=0,
        le=100,
        description="In rankings, not in predictions, an item also has this times the logarithm of its number "
        "of ratings, in standard errors of a prediction; 0 ranks by the predicted rating alone.",
    )


class MF(FactorRecommender):
    """Predicts ratings as mean + user bias + item bias + user vector · item vector; ranks by choice and liking.

    People rate what they chose to meet. An item high in a list should be likely to be chosen and, once chosen, to
    be liked: `score` is the predicted rating, without what is the same for all items of a user, plus a multiple of
    the logarithm of the item's number of ratings. Without that, lists are of obscure items that a few users loved.

    On a CPU the same seed gives the same model to the bit; from a million ratings on, at the same number of threads.

    Attributes:
        user_factors_: (n_users, f) float32, with `implicit_term` the sum over the user's items added.
        item_factors_: (n_items, f) float32; products with the former are in units of the rating.
        item_bias_: (n_items,) float32, what `score` adds for the item.
        user_rating_bias_, item_rating_bias_: (n_users,) and (n_items,) float32, what `predict` adds.
        rating_scale_: (3,) float32, the least, mean and greatest rating of the training matrix.
    """

    name: ClassVar[str] = "mf"
    matrix: ClassVar[MatrixName] = "rating"
    config_class: ClassVar[type[Config]] = MFConfig
    remedy: ClassVar[str] = "a lower `learning_rate` is safer"
    config: MFConfig

    user_rating_bias_: FloatArray
    item_rating_bias_: FloatArray
    rating_scale_: FloatArray

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: Recommender | None,  # noqa: ARG002
    ) -> None:
        from models.factors.mf_training import train  # noqa: PLC0415  (torch takes a second: only who fits pays)

        ratings = matrix.data.astype(np.float64)
        mean, spread = mean_and_spread(ratings)
        standard = sparse.csr_array(
            (((ratings - mean) / spread).astype(np.float32), matrix.indices, matrix.indptr),
            shape=matrix.shape,
        )
        seen = data.seen if self.config.implicit_term else None
        learned = train(standard, seen, self.config, seed, progress)
        if seen is not None:
            self.known_users_ |= np.diff(seen.indptr) > 0

        self.rating_scale_ = np.array(
            [ratings.min(initial=mean), mean, ratings.max(initial=mean)], np.float32
        )
        self.user_factors_ = learned.user_factors
        self.item_factors_ = learned.item_factors * np.float32(spread)
        self.user_rating_bias_ = learned.user_bias * np.float32(spread)
        self.item_rating_bias_ = learned.item_bias * np.float32(spread)
        popularity = np.log(np.bincount(matrix.indices, minlength=data.n_items).clip(min=1))
        choice = self.config.popularity_weight * spread * learned.error * popularity
        self.item_bias_ = self.item_rating_bias_ + choice.astype(np.float32)

    def predict(self, users: IntArray, items: IntArray) -> FloatArray:
        """Predicted ratings of (user, item) pairs, (n,) float32, within the scale of the training ratings.

        An unknown user is an average one, an unknown item likewise; for a pair of both it is the mean rating. Without
        any rating at all that is 0.

        Raises:
            ValueError: `users` or `items` are no integers, or there are not as many of both.
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
            predicted[pairs] += np.einsum(
                "nf,nf->n", self.user_factors_[users[pairs]], self.item_factors_[items[pairs]]
            )
        return predicted.clip(least, greatest)


def mean_and_spread(ratings: NDArray[np.float64]) -> tuple[float, float]:
    """Of no rating 0 and 1; of equal ratings their value and 1, and a warning that there is nothing to learn."""
    least, greatest = (ratings.min(), ratings.max()) if ratings.size else (0.0, 0.0)
    if least < greatest:
        return float(ratings.mean()), float(ratings.std())
    if ratings.size > 1:
        logger.warning(
            "All %d entries are %g: mf can learn nobody's taste from them. It is made for matrix = 'rating'.",
            ratings.size, least,
        )  # fmt: skip
    return float(least), 1.0
