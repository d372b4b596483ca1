"""Matrix factorization of explicit ratings with biases (Koren, Bell & Volinsky 2009), SVD++ (Koren 2008), and both as a
Bayesian model whose predictions are averaged (Salakhutdinov & Mnih 2008)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Config, FloatArray, IntArray, Progress
from models.factors.friends import Friends
from models.factors.mf_config import MFConfig
from models.interactions import Interactions, MatrixName
from models.ranking.factor_model import FactorRecommender
from models.ranking.rating_predictor import RatingPredictor
from models.warm_start import ColdByChoiceError, Rows, WarmStart

if TYPE_CHECKING:
    from models.factors.mf_sampling import Learned

logger = logging.getLogger(__name__)


class MF(RatingPredictor, FactorRecommender):
    """Predicts ratings as mean + user bias + item bias + user vector · item vector, and ranks items by them.

    People rate only what they chose. An item high in a list should be likely to be chosen and, once chosen, to be
    liked, so `score` is the predicted rating, without the terms that are the same for all items of a user, plus a
    multiple of the logarithm of the item's number of ratings. Without that, lists show obscure items that a few users
    loved.

    Up to a million ratings, parameters are drawn from the posterior of a Bayesian model again and again, and the mean
    of all predictions counts (`models.factors.mf_sampling`). Beyond, and with `estimation=descent`, those vectors
    are found that minimise a loss. With z the ratings of mean 0 and standard deviation 1, n the numbers of ratings of a
    user or item, λ = `regularization`, μ = `bias_regularization` and d = `degree_exponent`, it is

        Σ (z_ui − b_u − b_i − x_u · y_i)² + Σ_u n_u^d (λ ‖x_u‖² + μ b_u²) + Σ_i n_i^d (λ ‖y_i‖² + μ b_i²)

    With `link_weight` w, links add w Σ_u ‖x_u − mean of the vectors of u's friends‖², over users with ratings who have
    friends with ratings (SoReg: Ma et al. 2011, section 4.1). Users without ratings get the mean of the vectors of
    their friends with ratings, if they have any; with `implicit_term`, users with any interaction keep their own vector
    instead.

    On a CPU the same seed gives the same bits; from a million ratings on, at the same number of threads.

    Attributes:
        user_factors_: (n_users, f) float32; with an implicit term, the sum over the user's items is added in.
        item_factors_: (n_items, f) float32; its products with `user_factors_` are in units of the rating.
        item_bias_: (n_items,) float32, the item's term in `score`.
    """

    name: ClassVar[str] = "mf"
    in_words: ClassVar[str] = "hidden factors that predict the stars people would give"
    matrix: ClassVar[MatrixName] = "rating"
    config_class: ClassVar[type[Config]] = MFConfig
    remedy: ClassVar[str] = "a lower `learning_rate` is safer"
    config: MFConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,
    ) -> None:
        ratings = matrix.data.astype(np.float64)
        mean, spread = mean_and_spread(ratings)
        standard = sparse.csr_array(
            (((ratings - mean) / spread).astype(np.float32), matrix.indices, matrix.indptr),
            shape=matrix.shape,
        )
        if matrix.nnz and self.config.is_sampled(matrix.nnz):
            if warm_start is not None:
                raise ColdByChoiceError("so few ratings are sampled, which begins anew")
            learned = self._sample(standard, data, seed, progress)
        else:
            learned = self._descend(standard, data, seed, progress, warm_start, np.float32(spread))

        self._set_rating_scale(ratings, mean)
        self.user_factors_ = learned.user_factors
        self.item_factors_ = learned.item_factors * np.float32(spread)
        self.user_rating_bias_ = learned.user_bias * np.float32(spread)
        self.item_rating_bias_ = learned.item_bias * np.float32(spread)
        popularity = np.log(np.bincount(matrix.indices, minlength=data.n_items).clip(min=1))
        choice = self.config.popularity_weight * spread * learned.error * popularity
        self.item_bias_ = self.item_rating_bias_ + choice.astype(np.float32)

    def _sample(
        self, ratings: sparse.csr_array, data: Interactions, seed: int, progress: Progress
    ) -> Learned:
        from models.factors.mf_sampling import sample  # noqa: PLC0415  (imports numba; only this fit needs it)

        config = self.config
        learned = sample(
            ratings, data.seen, factors=config.draw_factors, rounds=config.draws, rank=config.factors, seed=seed,
            progress=progress,
        )  # fmt: skip
        self.known_users_ |= np.diff(data.seen.indptr) > 0
        if data.links is not None and config.link_weight:
            friends = Friends.of(data.links, self.known_users_)
            self.known_users_ = friends.fill_in(learned.user_factors, self.known_users_)
        return learned

    def _descend(
        self,
        ratings: sparse.csr_array,
        data: Interactions,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,
        spread: np.float32,
    ) -> Learned:
        from models.factors.mf_training import Start, train  # noqa: PLC0415  (imports torch, which takes a second)

        seen = data.seen if self.config.implicit_term else None
        friends = None
        if data.links is not None and self.config.link_weight:
            friends = Friends.of(data.links, self.known_users_)
        start = None
        if warm_start is not None:
            start = Start.of(warm_start, ratings.shape, self.config.factors, spread)
        learned = train(ratings, seen, friends, self.config, seed, progress, start)
        if seen is not None:
            self.known_users_ |= np.diff(seen.indptr) > 0
        if friends is not None:
            self.known_users_ = friends.fill_in(learned.user_factors, self.known_users_)
        return learned

    def warm_parts(self) -> Mapping[str, Rows]:
        """Return factors and biases; new users and items start as in a cold fit."""
        if self.config.estimation == "sampling":
            return {}
        if self.config.implicit_term:  # the users' vectors hold that term, and cannot be told apart from it
            return {}
        return {
            "user_factors_": "users",
            "item_factors_": "items",
            "user_rating_bias_": "users",
            "item_rating_bias_": "items",
        }

    def _deviations(self, users: IntArray, items: IntArray) -> FloatArray:
        found: FloatArray = np.einsum("nf,nf->n", self.user_factors_[users], self.item_factors_[items])
        return found


def mean_and_spread(ratings: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and the standard deviation of the ratings.

    Returns 0 and 1 without ratings. Returns the common value and 1 if all ratings are equal, and logs a warning,
    because nothing can be learned from them.

    Args:
        ratings: (n,) float64.
    """
    least, greatest = (ratings.min(), ratings.max()) if ratings.size else (0.0, 0.0)
    if least < greatest:
        return float(ratings.mean()), float(ratings.std())
    if ratings.size > 1:
        logger.warning(
            "All %d entries are %g, so mf cannot learn any taste from them. It is made for matrix = 'rating'.",
            ratings.size, least,
        )  # fmt: skip
    return float(least), 1.0
