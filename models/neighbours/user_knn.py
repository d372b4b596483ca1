"""User-based nearest neighbours (Resnick et al. 1994; Herlocker et al. 1999)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import BoolArray, Config, FloatArray, IntArray, Progress, TopN
from models.interactions import Interactions, MatrixName
from models.neighbours.config import NeighbourConfig
from models.neighbours.neighbourhoods import find_neighbours, neighbours_of_new_users
from models.neighbours.rating_prediction import NeighbourRatingPredictor, NeighbourSums
from models.neighbours.weighting import degree
from models.new_users import NewUsers
from models.ranking import item_item_scorer
from models.ranking.topk import identity
from models.ranking.user_similarity import UserSimilarityRecommender
from models.search_space import Range, SearchSpace
from models.warm_start import WarmStart


class UserKNNConfig(NeighbourConfig):
    """Hyperparameters of `user_knn`."""

    search_space: ClassVar[SearchSpace] = {
        **NeighbourConfig.search_space,
        "popularity_exponent": Range(0.0, 0.8),
    }

    item_exponent: float = Field(
        default=0.3,
        ge=0,
        le=2,
        description="Weighting degree: entries are divided by their item's number of entries to this power.",
    )
    shrink: float = Field(
        default=3.0,
        ge=0,
        le=1_000_000,
        description="Shrinks similarities of few common entries, in numbers of them; 0 is the plain similarity.",
    )
    exponent: float = Field(
        default=1.0,
        gt=0,
        le=10,
        description="Similarities are raised to this power; below 1 makes them more equal.",
    )
    popularity_exponent: float = Field(
        default=0.3,
        ge=0,
        le=2,
        description="Scores are divided by the item's number of users to this power: 0 prefers items popular among "
        "the neighbours, 1 items that are rare among all other users.",
    )


class UserKNN(NeighbourRatingPredictor, UserSimilarityRecommender):
    """Recommends items that similar users liked: score(u, i) = Σ_v similarity(u, v) · entry(v, i) / users(i)^p.

    The sum is over the k nearest neighbours v of u; users(i) is the number of i's users, p the `popularity_exponent`,
    which lowers the scores of popular items. The model lists only items that a neighbour has, so its lists may be
    short. With `matrix = "rating"` it predicts ratings and ranks by them: models/neighbours/rating_prediction.py.

    Attributes:
        neighbours_: (n_users, n_users) float32; row u holds the similarities of u's k nearest neighbours, without u.
        entries_: (n_users, n_items) float32, the training matrix over a power of the items' numbers of users; with
            `matrix = "rating"` the ratings less their baselines.
    """

    name: ClassVar[str] = "user_knn"
    in_words: ClassVar[str] = "what people who like what you like also liked"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = UserKNNConfig
    config: UserKNNConfig

    neighbours_: sparse.csr_array
    entries_: sparse.csr_array

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,  # noqa: ARG002
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        if self.predicts_ratings:
            matrix = self.entries_ = self._without_baselines(matrix, data)
        else:
            self.entries_ = degree(matrix, row_exponent=0, column_exponent=self.config.popularity_exponent)
        self.neighbours_ = find_neighbours(
            matrix,
            self.config,
            k=self._k(int(self.known_users_.sum())),
            rows_are_users=True,
            memory_mb=self.config.memory_mb,
            tie_order=np.random.default_rng(seed).permutation(data.n_users).astype(np.int32),
            model=self.name,
        )

    def _k(self, n_users: int) -> int:
        """Return the number of neighbours where so many users have an entry."""
        return default_k(n_users) if self.config.k is None else self.config.k

    def _fold_in(self, new: NewUsers) -> None:
        """Find the neighbours among the trained users, who are all that `entries_` holds."""
        vectors = self.entries_
        if self.predicts_ratings:
            self._forget_user_biases(len(new.lengths))
        else:  # the training matrix
            vectors = degree(vectors, row_exponent=0, column_exponent=-self.config.popularity_exponent)
        self.neighbours_ = neighbours_of_new_users(
            new.likes(float(self.like_value_)), vectors, self.config,
            k=self._k(int((np.diff(vectors.indptr) > 0).sum())),
            tie_order=np.arange(vectors.shape[0], dtype=np.int32),
        )  # fmt: skip

    def _check_learned(self) -> None:
        item_item_scorer.check_scores(self.neighbours_, self.entries_)

    def _rating_sums(self) -> NeighbourSums:
        return NeighbourSums(
            self.neighbours_, self.entries_, weights_are_left=True, shrink=self.config.rating_shrink
        )

    def _score(self, users: IntArray) -> FloatArray:
        if self.predicts_ratings:
            return self._score_by_rating(users)
        return item_item_scorer.score(self.neighbours_, self.entries_, users)

    def _recommend(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        if self.predicts_ratings:
            return self._recommend_by_rating(users, n, exclude, eligible)
        return item_item_scorer.top_n(
            self.neighbours_, self.entries_, users, n,
            tie_order=self.tie_order_, exclude=exclude, eligible=eligible,
        )  # fmt: skip

    def _user_similarities(self, user: int) -> FloatArray:
        """Return the similarities of the user's neighbours; other users have 0."""
        similarities: FloatArray = self.neighbours_[[user]].toarray()[0]
        return similarities

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        """Rank by the cosine of the items' columns of `entries_`."""
        squares = np.bincount(
            self.entries_.indices, self.entries_.data.astype(np.float64) ** 2, len(self.known_items_)
        )
        norms = np.sqrt(np.maximum(squares, np.finfo(np.float32).tiny)).astype(np.float32)
        unit = sparse.csr_array(
            (self.entries_.data / norms[self.entries_.indices], self.entries_.indices, self.entries_.indptr),
            shape=self.entries_.shape,
        )
        return item_item_scorer.top_n(
            sparse.csr_array(unit[:, items].T), unit, np.arange(len(items)), n,
            tie_order=self.tie_order_, exclude=identity(len(norms))[items], eligible=eligible,
        )  # fmt: skip


def default_k(n_users: int) -> int:
    """Return the default number of neighbours per user: 4 √n_users, from 50 to 500."""
    return max(50, min(500, int(4 * n_users**0.5)))
