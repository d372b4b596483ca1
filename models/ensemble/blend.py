"""Blend: rank the items that several models list by a learned, weighted sum of features of the models and the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from models.base import BoolArray, Config, FloatArray, IntArray, Progress, Recommender, TopN
from models.ensemble.candidates import CandidatePool, exclude_listed, pool_lists, top_candidates
from models.ensemble.data_features import (
    ITEM_FEATURES,
    LATEST_COUNTS,
    item_features,
    latest_likes,
    latest_of,
    similarity_to_latest,
)
from models.ensemble.weighted_sum import weighted_sums
from models.interactions import Interactions, MatrixName, touched_items
from models.new_users import NewUsers
from models.numerics.unit_vectors import unit_vectors
from models.ranking.factor_model import FactorRecommender
from models.registry import recommender_class
from models.warm_start import WarmStart

_LISTED_USERS = 4096  # users whose lists the members make at a time
_POOLED_USERS = 512  # users whose candidates are held at a time
_SCORE_STEP = 1e-3  # between scores of items after the candidates, of which only the order is known
_RANK_OFFSET = (
    10.0  # the k of reciprocal rank fusion; the usual 60, for runs over millions of documents, was worse
)


class BlendConfig(Config):
    """Members and weights of a blend; `models.ensemble.cross_fitting` learns the weights."""

    candidates: int = Field(default=100, ge=1, le=10_000, description="Length of each member's list.")
    members: dict[str, str] = Field(
        default={}, description="Model → folder it is saved in, relative to the folder of the blend."
    )
    weights: dict[str, float] = Field(
        default={}, description="Feature → weight; a feature that is absent has weight 0."
    )


class Blend(Recommender):
    """Ranks the items that its fitted members list for a user by a weighted sum of features.

    Features of each member: the reciprocal rank 1 / (10 + rank) (Cormack, Clarke & Büttcher 2009), the logarithm of the
    rank, and the score, standardised within the list. Features of the item: `data_features.item_features`. Features of
    the pair: the mean cosine to the user's latest likes, by the item vectors of the first member that has them. None
    depends on the scale of a member's scores, so the weights hold for members fitted on other data.

    Candidates are the members' first `candidates` items, whatever the length of the lists asked for: the ranking
    that was judged on short lists is the one published in long ones. A list that they do not fill is extended with the
    candidates that the members list when the items above are excluded, ranked in the same way.

    `fit` computes only features of the data: members must be fitted on it before. Known users and items are those that
    any member knows and that have an interaction. Users whom a member knows by their links alone are left out, because
    the weights were learned from users with a history: for others they may be worse than popularity.

    Attributes:
        members: the fitted models, in the order of `config.members`.
        item_features_: (len(ITEM_FEATURES), n_items) float32.
        latest_likes_: (n_users, 30) int32, −1 pads.
        fold_weights_: (folds, n_features) float64, the out-of-fold weights of users that the weights of the config
            were learned from, see `set_fold_weights`; empty otherwise.
        fold_: (n_users,) int8, the row of `fold_weights_` to rank each user with; −1: the weights of the config.
    """

    name: ClassVar[str] = "blend"
    in_words: ClassVar[str] = (
        "the lists of the other models put together, by weights learned from what people went on to like"
    )
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = BlendConfig
    config: BlendConfig

    item_features_: FloatArray
    latest_likes_: NDArray[np.int32]
    fold_weights_: NDArray[np.float64]
    fold_: NDArray[np.int8]

    def __init__(self, config: Config, members: Sequence[Recommender]) -> None:
        super().__init__(config)
        names = [member.name for member in members]
        if not names or names != list(self.config.members):
            raise ValueError(f"a blend of {list(self.config.members)} cannot be made of the models {names}")
        self.members = list(members)
        self._of_vectors = next((m for m in members if isinstance(m, FactorRecommender)), None)
        self._vectors = None if self._of_vectors is None else unit_vectors(self._of_vectors.item_factors_)
        unknown = set(self.config.weights) - set(self.feature_names)
        if unknown:
            raise ValueError(f"a blend of {names} has no feature {', '.join(sorted(unknown))}")

    @property
    def feature_names(self) -> list[str]:
        """Names of the features, in the order of `feature_columns`."""
        members = [feature for name in self.config.members for feature in _of_member(name)]
        near = [f"near last {count}" for count in LATEST_COUNTS] if self._vectors is not None else []
        return [*members, *ITEM_FEATURES, *near]

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        knows_user = np.any([member.known_users_ for member in self.members], axis=0)
        knows_item = np.any([member.known_items_ for member in self.members], axis=0)
        self.known_users_ = knows_user & (np.diff(data.seen.indptr) > 0)
        self.known_items_ = knows_item & touched_items(data.seen)
        self.item_features_ = item_features(data)
        self.latest_likes_ = latest_likes(data)
        self.fold_weights_ = np.empty((0, len(self.feature_names)))
        self.fold_ = np.full(matrix.shape[0], -1, np.int8)

    def _fold_in(self, new: NewUsers) -> None:
        """Fold the new users into every member; the weights are those of the config.

        Raises:
            NotImplementedError: a member cannot; the weights need all of them.
        """
        self.members = [member.fold_in(new) for member in self.members]
        self.latest_likes_ = latest_of(new)
        self.fold_ = np.full(len(new.lengths), -1, np.int8)

    def with_weights(self, weights: dict[str, float]) -> Self:
        """Return a copy of this fitted blend with other weights, feature → weight."""
        other = type(self)(self.config.model_copy(update={"weights": weights}), self.members)
        vars(other).update(self._learned())
        return other

    @property
    def used_members(self) -> list[str]:
        """Names of the members that a feature with a weight belongs to, or whose item vectors one is made of."""
        weighted = {feature for feature, weight in self.config.weights.items() if weight}
        is_near = any(feature.startswith("near last") for feature in weighted)
        return [
            member.name
            for member in self.members
            if weighted.intersection(_of_member(member.name)) or (is_near and member is self._of_vectors)
        ]

    def of_members(self, names: Sequence[str]) -> Self:
        """Return a copy of this fitted blend with some of its members, in their order, and without weights.

        Args:
            names: of members.
        """
        places = {name: place for name, place in self.config.members.items() if name in names}
        members = [member for member in self.members if member.name in places]
        other = type(self)(self.config.model_copy(update={"members": places, "weights": {}}), members)
        vars(other).update(self._learned())
        other.known_users_ = self.known_users_ & np.any([m.known_users_ for m in members], axis=0)
        other.known_items_ = self.known_items_ & np.any([m.known_items_ for m in members], axis=0)
        other.fold_weights_ = np.empty((0, len(other.feature_names)))
        other.fold_ = np.full_like(self.fold_, -1)
        return other

    def set_fold_weights(self, users: IntArray, fold: NDArray[np.int8], weights: NDArray[np.float64]) -> None:
        """Rank `users` by their out-of-fold weights (cross-fitting), not by the weights of the config.

        Args:
            users: (b,) user indices.
            fold: (b,) int8, the row of `weights` of each of `users`.
            weights: (folds, n_features) float64; row f was learned without the users of fold f.
        """
        self.fold_ = self.fold_.copy()  # copies made by `with_weights` share it
        self.fold_[users] = fold
        self.fold_weights_ = weights

    # -- rank -----------------------------------------------------------------------------------------

    def candidates(
        self, users: IntArray, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> Iterator[tuple[slice, CandidatePool]]:
        """Pool the members' candidates, a few hundred users at a time.

        Args:
            users: (b,) user indices.
            exclude: as for `recommend`.
            eligible: (n_items,) mask of the items that may be candidates.

        Yields:
            The slice of `users`, and the pool of their candidates, whose rows count from the slice's start.
        """
        n = self.config.candidates
        for start in range(0, len(users), _LISTED_USERS):
            block = users[start : start + _LISTED_USERS]
            lists = [m.recommend(block, n, exclude=exclude, items=eligible) for m in self.members]
            for few, pool in self._pools(lists):
                yield slice(start + few.start, start + few.stop), pool

    def listed_candidates(self, lists: Sequence[TopN]) -> Iterator[tuple[slice, CandidatePool]]:
        """Pool what the members have listed already; the same as `candidates` without asking them again.

        Args:
            lists: those of `recommend(users, m, exclude=…, items=…)` of each member, in their order; m is at least
                `config.candidates`.

        Raises:
            ValueError: the lists are too short, or of another number of members.
        """
        n = self.config.candidates
        if len(lists) != len(self.members) or any(top.items.shape[1] < n for top in lists):
            raise ValueError(f"{len(self.members)} members must have listed {n} items")
        return self._pools([TopN(top.items[:, :n], top.scores[:, :n]) for top in lists])

    def _pools(self, lists: Sequence[TopN]) -> Iterator[tuple[slice, CandidatePool]]:
        """Pool the lists that the members made for the same users; see `candidates`."""
        n_users = len(lists[0].items)
        for start in range(0, n_users, _POOLED_USERS):
            few = slice(start, min(start + _POOLED_USERS, n_users))
            parts = [TopN(top.items[few], top.scores[few]) for top in lists]
            yield few, pool_lists(parts, len(self.known_items_))

    def rank_listed(self, users: IntArray, n: int, lists: Sequence[TopN]) -> TopN:
        """Rank what the members have listed already: what `recommend` returns, without asking them again.

        Args:
            users: (b,) integer user indices.
            n: length of the lists, at most `config.candidates`.
            lists: of `users`; see `listed_candidates`.

        Returns:
            Lists of shape (b, n).

        Raises:
            ValueError: n is greater, or the lists are not as there.
        """
        if n > self.config.candidates:
            raise ValueError(f"{n} places cannot be filled from {self.config.candidates} candidates")
        users, known = self._split_known(users)
        top = TopN.empty(len(known), n)
        pools = self.listed_candidates([TopN(each.items[known], each.scores[known]) for each in lists])
        top.items[known], top.scores[known] = self._ranked(users[known], n, pools)
        return top

    def feature_columns(self, pool: CandidatePool, users: IntArray) -> Iterator[FloatArray]:
        """Compute the features of candidates, one at a time.

        Args:
            pool: the candidates.
            users: (b,) user indices; the rows of the pool are places in it.

        Yields:
            (n_candidates,) float32, in the order of `feature_names`.
        """
        for scores, ranks in zip(pool.scores, pool.ranks, strict=True):
            yield from _of_ranks(ranks)
            yield scores
        for feature in self.item_features_:
            yield feature[pool.item]
        yield from self._pair_columns(pool, users)

    def _pair_columns(self, pool: CandidatePool, users: IntArray) -> Iterator[FloatArray]:
        """Compute the features of pairs of a user and a candidate; see `feature_columns`."""
        if self._vectors is not None:
            yield from similarity_to_latest(pool.row, pool.item, self.latest_likes_[users], self._vectors)

    def _recommend(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        top = self._best_candidates(users, n, exclude, eligible)
        length = (top.items >= 0).sum(axis=1)
        short = np.flatnonzero((self.config.candidates <= length) & (length < n))
        while len(short):  # lists below `candidates` hold all that the members can list
            beyond = exclude_listed(exclude, users[short], top.items[short], (len(self.fold_), len(eligible)))
            more = self._best_candidates(users[short], n, beyond, eligible)
            found = (more.items >= 0).sum(axis=1)
            _append(top, short, more)
            length[short] += found
            short = short[(self.config.candidates <= found) & (length[short] < n)]
        return top

    def _best_candidates(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        return self._ranked(users, n, self.candidates(users, exclude, eligible))

    def _ranked(self, users: IntArray, n: int, pools: Iterable[tuple[slice, CandidatePool]]) -> TopN:
        """Rank the candidates of each slice of `users`."""
        top = TopN(np.empty((len(users), n), np.int32), np.empty((len(users), n), np.float32))
        for rows, pool in pools:
            scores = self._weighted_sum(pool, users[rows])
            found = top_candidates(pool, scores, rows.stop - rows.start, n, self.tie_order_)
            top.items[rows], top.scores[rows] = found
        return top

    def _weighted_sum(self, pool: CandidatePool, users: IntArray) -> FloatArray:
        """Sum the weighted features in their order: a matrix product's last bits could depend on the threads."""
        own = [self.config.weights.get(feature, 0.0) for feature in self.feature_names]
        weights = np.vstack([self.fold_weights_, own])  # the last row, index −1, is for fold −1
        of_pairs = [*self._pair_columns(pool, users)]
        return weighted_sums(
            pool, weights[self.fold_[users]], np.asarray(weights.any(axis=0)),
            of_ranks=_of_ranks(np.arange(self.config.candidates + 1, dtype=np.float32)),
            of_items=self.item_features_,
            of_pairs=np.stack(of_pairs) if of_pairs else np.empty((0, len(pool.row)), np.float32),
        )  # fmt: skip

    def _score(self, users: IntArray) -> FloatArray:
        """Score by the complete list of each user; NaN for items that no member lists."""
        n_items = len(self.known_items_)
        block = np.full((len(users), n_items), np.nan, np.float32)
        top = self._recommend(users, n_items, None, self.known_items_)
        row, rank = np.nonzero(top.items >= 0)
        block[row, top.items[row, rank]] = top.scores[row, rank]
        return block

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        """Return each item's list from the first member that has one."""
        top = TopN(np.full((len(items), n), -1, np.int32), np.full((len(items), n), np.nan, np.float32))
        for member in self.members:
            without = np.flatnonzero(top.items[:, 0] < 0)
            found = member.similar_items(items[without], n, among=eligible)
            top.items[without], top.scores[without] = found
        return top

    # -- keep -----------------------------------------------------------------------------------------

    @classmethod
    def _restored(cls, config: Config, folder: Path) -> Self:
        places = BlendConfig.model_validate(config).members
        return cls(config, [recommender_class(name).load(folder / place) for name, place in places.items()])


def _of_member(name: str) -> tuple[str, ...]:
    """Return the names of a member's features."""
    return f"1/rank {name}", f"log rank {name}", f"score {name}"


def _of_ranks(ranks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the two functions of a rank that are features: the reciprocal, and the logarithm, greatest in front."""
    logarithm: FloatArray = -np.log1p(ranks)
    return np.reciprocal(_RANK_OFFSET + 1 + ranks), logarithm


def _append(top: TopN, rows: IntArray, more: TopN) -> None:
    """Append the items of `more` to the lists `rows` of `top`, in place, each score a step below the one before."""
    ends = (top.items[rows] >= 0).sum(axis=1, keepdims=True)
    last = np.take_along_axis(top.scores[rows], ends - 1, axis=1)
    row, rank = np.nonzero((more.items >= 0) & (ends + np.arange(more.items.shape[1]) < top.items.shape[1]))
    place = ends[row, 0] + rank
    top.items[rows[row], place] = more.items[row, rank]
    top.scores[rows[row], place] = last[row, 0] - _SCORE_STEP * (rank + 1)
