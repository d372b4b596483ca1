"""Content-based filtering: item profiles of genres and tags (Lops, de Gemmis & Semeraro 2011)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from models.base import BoolArray, Config, IntArray, Progress, TopN
from models.content.tf_idf import tf_idf, unit_rows
from models.interactions import Interactions, MatrixName
from models.new_users import NewUsers
from models.ranking import item_item_scorer
from models.ranking.explanations import nearest_by_profile
from models.ranking.item_item_model import ItemItemRecommender
from models.ranking.item_item_scorer import product_blocks
from models.ranking.topk import Selector, identity
from models.search_space import Range, SearchSpace
from models.warm_start import WarmStart


class ContentConfig(Config):
    """Hyperparameters of `content`."""

    search_space: ClassVar[SearchSpace] = {
        "genre_weight": Range(0.0, 1.0),
        "like_weight": Range(0.0, 2.0),
        "touch_weight": Range(0.0, 1.0),
        "user_features": Range(8, 512, log=True),
        "popularity_exponent": Range(0.2, 1.8),
        "caution": Range(0.1, 30.0, log=True),
    }

    genre_weight: float = Field(
        default=0.4, ge=0, le=1, description="Share of the genres in a similarity; the tags have the rest."
    )
    like_weight: float = Field(
        default=0.3,
        ge=0,
        le=1000,
        description="Weight that a liked item adds to a profile, in mean magnitudes of an entry of the matrix.",
    )
    touch_weight: float = Field(
        default=0.1,
        ge=0,
        le=1000,
        description="Weight that every item the user has interacted with adds: people choose what they watch.",
    )
    user_features: int = Field(
        default=64, ge=1, le=100_000, description="Strongest genres and strongest tags kept per user."
    )
    popularity_exponent: float = Field(
        default=1.0,
        ge=0,
        le=2,
        description="Scores are multiplied by (1 + users who liked the item) to this power; 0 is the plain cosine.",
    )
    similar_popularity_exponent: float = Field(
        default=0.05,
        ge=0,
        le=2,
        description="The same for lists of similar items, where it orders items of equal similarity.",
    )
    caution: float = Field(
        default=3.0,
        ge=0,
        le=1e6,
        description="Number of a user's items at which their profile weighs as much as popularity alone.",
    )


class Content(ItemItemRecommender):
    """Recommends items whose genres and tags are like those of the user's items, items without interactions included.

    An item has a TF-IDF profile of its genres, and one of its tags; a user's profiles are the sums of their items'
    profiles, weighted by utility (Rocchio 1971). The similarity of a user and an item is a weighted mean of the cosine
    of the genres and that of the tags, so that an item without tags gets 0 for them. With one cosine of all features,
    its few genres would count as a full description (NDCG@10 on ml-latest-small .06 instead of .10). Attributes count
    as tags.

    Similarity alone ranks badly, because it does not depend on quality (.04). With n items in the user's profile,

        score(u, i) = (similarity(u, i) + caution / n) · ((1 + likes of i) / (1 + most likes))^popularity_exponent

    which is nearly popularity for a user of one item, and more personal with every further item.

    Known items are those with a genre, tag or attribute that some but not all other items have, with or without
    interactions; known users are those with an interaction with such an item.

    Attributes:
        profiles_: (n_users, n_features + 1) float32, the users' profiles; the last column is caution / n.
        similarity_: (n_features + 1, n_items) float32, the items' profiles times their popularity; the last row is the
            popularity alone.
        item_profiles_: (n_items, n_features) float32; the product of two rows is the similarity of two items.
        n_genres_: number of its columns that are genres, the first ones; the others are tags and attributes.
        popularity_: (n_items,) float32, (1 + likes) / (1 + most likes of any).
    """

    name: ClassVar[str] = "content"
    in_words: ClassVar[str] = "items described like those you liked, by genres and tags"
    matrix: ClassVar[MatrixName] = "composite"
    config_class: ClassVar[type[Config]] = ContentConfig
    config: ContentConfig

    item_profiles_: sparse.csr_array
    n_genres_: np.int64
    popularity_: NDArray[np.float32]

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        config = self.config
        weights = self._profile_weights(matrix, data)
        is_genre = np.array([name.startswith("genre:") for name in data.feature_names], bool)
        kinds = ((is_genre, config.genre_weight), (~is_genre, 1 - config.genre_weight))
        parts = [
            tf_idf(sparse.csr_array(data.item_features[:, columns])) * np.float32(np.sqrt(share))
            for columns, share in kinds
        ]
        self.item_profiles_, self.n_genres_ = _side_by_side(parts), np.int64(is_genre.sum())
        self.known_items_ = np.diff(self.item_profiles_.indptr) > 0
        self._set_profiles(weights)
        likes = 1 + np.bincount(data.positive.indices, minlength=data.n_items)
        self.popularity_ = (likes / likes.max(initial=1)).astype(np.float32)
        of_items = _with_column(self.item_profiles_, self.known_items_)
        self.similarity_ = self._columns(of_items, config.popularity_exponent)

    def _set_profiles(self, weights: sparse.csr_array) -> None:
        """Set `profiles_` and `known_users_` by the weight of each item in each user's profile."""
        config, n_genres = self.config, int(self.n_genres_)
        parts = [
            unit_rows(_strongest(weights, columns, config.user_features)) * np.float32(np.sqrt(share))
            for columns, share in (
                (sparse.csr_array(self.item_profiles_[:, :n_genres]), config.genre_weight),
                (sparse.csr_array(self.item_profiles_[:, n_genres:]), 1 - config.genre_weight),
            )
        ]
        of_users = _side_by_side(parts)
        self.known_users_ = np.diff(of_users.indptr) > 0
        caution = self.known_users_ * config.caution / np.maximum(np.diff(weights.indptr), 1)
        self.profiles_ = _with_column(of_users, caution)

    def _fold_in(self, new: NewUsers) -> None:
        """Weigh all items of a history the same."""
        self._set_profiles(new.likes())

    def _profile_weights(self, matrix: sparse.csr_array, data: Interactions) -> sparse.csr_array:
        """Return the weight of each item in each user's profile: float32, entries where `seen` or `matrix` has one.

        The unit is the mean magnitude of an entry: dividing by a mean below 0 would turn dislikes into likes.
        """
        mean = float(np.abs(matrix.data).mean(dtype=np.float64)) if matrix.nnz else 0.0
        liked, touched = self.config.like_weight * data.positive, self.config.touch_weight * data.seen
        in_means = (matrix.data / np.float64(mean or 1.0)).astype(np.float32)
        utility = sparse.csr_array((in_means, matrix.indices, matrix.indptr), shape=matrix.shape)
        weights: sparse.csr_array = utility + liked + touched
        return weights.astype(np.float32)

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        """Rank by similarity; popularity only orders the many items that share the same few genres."""
        columns = self._columns(self.item_profiles_, self.config.similar_popularity_exponent)
        return item_item_scorer.top_n(
            self.item_profiles_, columns, items, n,
            tie_order=self.tie_order_, exclude=identity(len(self.known_items_)), eligible=eligible,
        )  # fmt: skip

    def _because_of(
        self,
        users: IntArray,  # noqa: ARG002
        items: NDArray[np.int32],
        liked: sparse.csr_array,
    ) -> NDArray[np.int32]:
        """Return the most similar liked item: a profile is a sum of features, so the score has no term per item."""
        return nearest_by_profile(items, liked, self.item_profiles_)

    def _columns(self, of_items: sparse.csr_array, exponent: float) -> sparse.csr_array:
        """Transpose `of_items`, (n_items, f), and multiply each column by the item's popularity to a power."""
        factor = np.repeat(self.popularity_**exponent, np.diff(of_items.indptr)).astype(np.float32)
        scaled = sparse.csr_array(
            (of_items.data * factor, of_items.indices, of_items.indptr), shape=of_items.shape
        )
        return sparse.csr_array(scaled.T)


def _strongest(weights: sparse.csr_array, features: sparse.csr_array, k: int) -> sparse.csr_array:
    """Return the k greatest entries of every row of weights · features, computed a block of rows at a time."""
    n_rows, n_features = weights.shape[0], features.shape[1]
    if features.nnz == 0:
        return sparse.csr_array(weights @ features)  # empty
    rows = np.arange(n_rows)
    selector = Selector(rows, min(k, n_features), np.arange(n_features, dtype=np.int32))
    for start, block in product_blocks(weights, features, rows):
        selector.select(start, block)
    kept = selector.top.items >= 0
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    found = (selector.top.scores[kept], selector.top.items[kept], indptr)
    strongest = sparse.csr_array(found, shape=(n_rows, n_features))
    strongest.sort_indices()
    return strongest


def _with_column(matrix: sparse.csr_array, column: NDArray[np.generic]) -> sparse.csr_array:
    """Return `matrix` with one more column behind the others."""
    return _side_by_side([matrix, sparse.csr_array(np.asarray(column, np.float32)[:, None])])


def _side_by_side(matrices: list[sparse.csr_array]) -> sparse.csr_array:
    """Stack matrices horizontally, without explicit zeros: features of weight 0 must not make anything known."""
    together = sparse.csr_array(sparse.hstack(matrices, format="csr"))
    together.eliminate_zeros()
    return together
