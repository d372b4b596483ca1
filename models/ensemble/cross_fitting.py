"""Cross-fitting of a blend: learn its weights from users, and rank each of those users by out-of-fold weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.ensemble.blend import Blend
from models.ensemble.candidates import CandidatePool, top_candidates
from models.ensemble.data_features import ITEM_FEATURES
from models.ensemble.greedy import select
from models.ensemble.listwise import fit_weights
from models.ensemble.settings import MIN_TRAINING_USERS, BlendOptions

METHODS: dict[str, tuple[str, ...]] = {
    "ranks": ("1/rank",),
    "scores": ("score",),
    "greedy": ("score",),
    "ranker": ("log rank", "score", "near", *ITEM_FEATURES),
}
"""Method → prefixes of the names of its features; from the simplest method to the most complex one."""

ListMetric = Callable[[NDArray[np.int32], sparse.csr_array], NDArray[np.float64]]
"""Called as metric(lists (n_users, n), relevant (n_users, n_items)); returns the quality of each list, (n_users,)."""


Pools = Iterator[tuple[slice, CandidatePool]]
"""As `Blend.candidates` yields them."""


class TooFewUsersError(ValueError):
    """There are not enough users to learn weights from."""


class LearningReport(NamedTuple):
    """Result of learning the weights, beside the blend itself.

    Attributes:
        method: the method that ranks all users but those that the weights were learned from.
        scores: method → mean of the metric over users ranked by out-of-fold weights.
        n_users: number of users that the weights were learned from: users with a relevant candidate.
    """

    method: str
    scores: dict[str, float]
    n_users: int


def learn(
    blend: Blend,
    users: IntArray,
    relevant: sparse.csr_array,
    options: BlendOptions,
    metric: ListMetric,
    *,
    exclude: sparse.csr_array,
    eligible: BoolArray,
    n: int,
    seed: int,
    listed: Sequence[TopN] = (),
) -> tuple[Blend, LearningReport]:
    """Learn weights that rank the items that `users` came to like above the other candidates.

    The users are dealt into folds. Users of a fold are ranked by out-of-fold weights and by the method that was best on
    the other folds; all other users by weights learned from all folds, with the method that was best on all. So the
    blend can be judged on these very users, beside models that never saw what was held out. One dependence is left:
    the other folds measured the methods by weights that were learned with this fold.

    Members that bring nothing are left out, and the weights are learned without them: those beyond
    `options.max_members`, by greedy selection, and those that have no weight. All of `users` decide on that.

    Args:
        blend: fitted; its own weights are not read.
        users: (n_users,) indices of the users to learn from.
        relevant: (n_users, n_items), row r stores the items that `users[r]` came to like.
        options: settings of learning.
        metric: quality of lists, to choose between methods.
        exclude: as for `Recommender.recommend`.
        eligible: (n_items,) mask of the items that may be listed.
        n: length of the lists that are measured.
        seed: of the folds, and of the sample where there are more than `options.learn_users` users.
        listed: what the members have listed for `users` with this `exclude` and `eligible`, see
            `Blend.listed_candidates`; empty: they are asked.

    Returns:
        A copy of the blend with the weights and with the members in use, and the report.

    Raises:
        TooFewUsersError: fewer than `MIN_TRAINING_USERS` users have a relevant item among their candidates.
    """
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(len(users))[: options.learn_users])
    users, relevant = users[sample], sparse.csr_array(relevant[sample])
    fold = (rng.permutation(len(users)) % options.folds).astype(np.int8)
    listed = [TopN(top.items[sample], top.scores[sample]) for top in listed]
    while True:
        if listed:
            pools = blend.listed_candidates(listed)
        else:
            pools = blend.candidates(users, exclude, eligible & blend.known_items_)
        training = _training_set(blend, users, relevant, pools, n)
        used = training.most_helpful(options.max_members)
        if len(used) == len(blend.members):
            learned, report = _cross_fitted(blend, training, fold, options, metric)
            used = learned.used_members
            if len(used) in {0, len(blend.members)}:
                return learned, report
        listed = [top for member, top in zip(blend.members, listed, strict=False) if member.name in used]
        blend = blend.of_members(used)


def _cross_fitted(
    blend: Blend, training: _TrainingSet, fold: NDArray[np.int8], options: BlendOptions, metric: ListMetric
) -> tuple[Blend, LearningReport]:
    """Return the blend with weights learned by the best method, and the out-of-fold weights of each fold."""
    users, relevant = training.users, training.relevant
    out_of_fold = _out_of_fold_weights(training, fold, options)
    measured = {
        method: metric(training.lists(weights[fold], training.length).items, relevant)
        for method, weights in out_of_fold.items()
    }
    chosen = _best_method(measured, np.ones(len(users), bool))
    fold_weights = [out_of_fold[_best_method(measured, fold != f)][f] for f in range(options.folds)]
    weights = training.fit(chosen, options, np.ones(len(users), bool))
    named = {name: float(weight) for name, weight in zip(blend.feature_names, weights, strict=True) if weight}
    learned = blend.with_weights(named)
    learned.set_fold_weights(users, fold, np.array(fold_weights))
    means = {method: float(values.mean()) for method, values in measured.items()}
    return learned, LearningReport(chosen, means, training.n_users)


def _training_set(
    blend: Blend, users: IntArray, relevant: sparse.csr_array, pools: Pools, n: int
) -> _TrainingSet:
    training = _TrainingSet(blend, users, relevant, pools, n) if len(users) else None
    n_users = training.n_users if training else 0
    if training is None or n_users < MIN_TRAINING_USERS:
        raise TooFewUsersError(
            f"{blend.name} needs {MIN_TRAINING_USERS} users of the select half who came to like something that its "
            f"members list, and there are {n_users}"
        )
    return training


def _out_of_fold_weights(
    training: _TrainingSet, fold: NDArray[np.int8], options: BlendOptions
) -> dict[str, NDArray[np.float64]]:
    """Return method → (folds, n_features); row f is learned from the users of all folds but f."""
    methods = list(METHODS) if options.method == "auto" else [options.method]
    return {
        method: np.array([training.fit(method, options, fold != f) for f in range(options.folds)])
        for method in methods
    }


def _best_method(measured: dict[str, NDArray[np.float64]], users: BoolArray) -> str:
    """Return the method with the best mean over a mask of the users; of equals the first, which is the simplest."""
    return max(measured, key=lambda method: float(measured[method][users].mean()))


class _TrainingSet:
    """Candidates of the users to learn from, their features, and which of them were liked.

    Attributes:
        pool: the candidates of all users; its rows are places in `users`.
        features: (n_candidates, n_features) float32.
        liked: (n_candidates,) bool.
        n_users: number of users with a liked candidate; the others do not change the weights.
        users: (n_users,) user indices.
        relevant: (n_users, n_items), what they came to like.
        length: of the lists that are measured.

    """

    def __init__(
        self, blend: Blend, users: IntArray, relevant: sparse.csr_array, candidates: Pools, n: int
    ) -> None:
        self.length = n
        self.users, self.relevant = users, relevant
        self._members = [member.name for member in blend.members]
        self._names, self._tie_order, self._n_lists = blend.feature_names, blend.tie_order_, len(users)
        pools, features = [], []
        for rows, pool in candidates:
            features.append(
                np.column_stack(list(blend.feature_columns(pool, users[rows]))).astype(np.float32)
            )
            pools.append(pool._replace(row=pool.row + rows.start))
        self.pool = _concatenate(pools)
        self.features: FloatArray = np.concatenate(features)
        n_items = relevant.shape[1]
        wanted = np.repeat(np.arange(len(users)), np.diff(relevant.indptr)) * n_items + relevant.indices
        self.liked: BoolArray = np.isin(self.pool.row * n_items + self.pool.item, wanted)
        self.n_users = len(np.unique(self.pool.row[self.liked]))

    def most_helpful(self, limit: int | None) -> list[str]:
        """Return the names of all members, or of as many as `limit` says, by greedy selection."""
        if limit is None or limit >= len(self._members):
            return self._members
        scores = self.features[:, [self._names.index(f"score {name}") for name in self._members]]
        added = select(scores, self.pool.row, self.liked, n=self.length, most=limit)
        found = [name for name, share in zip(self._members, added, strict=True) if share]
        return found or self._members[:limit]

    def fit(self, method: str, options: BlendOptions, users: BoolArray) -> NDArray[np.float64]:
        """Learn the weights of one method.

        Args:
            method: a key of `METHODS`.
            options: settings; only `regularization` is read.
            users: (n_users,) mask of the users to learn from.

        Returns:
            (n_features,) float64; 0 for features of other methods.
        """
        used = np.array([name.startswith(METHODS[method]) for name in self._names])
        is_training = users[self.pool.row]
        weights = np.zeros(len(used))
        features, row = self.features[np.ix_(is_training, used)], self.pool.row[is_training]
        liked = self.liked[is_training]
        if method == "greedy":
            weights[used] = select(features, row, liked, n=self.length)
        else:
            weights[used] = fit_weights(features, row, liked, regularization=options.regularization)
        return weights

    def lists(self, weights: NDArray[np.float64], n: int) -> TopN:
        """Return the n best items of every user by their own row of `weights`, (n_users, n_features)."""
        scores = np.zeros(len(self.pool.row))
        for weight, column in zip(weights.T, self.features.T, strict=True):
            scores += weight[self.pool.row] * column
        return top_candidates(self.pool, scores.astype(np.float32), self._n_lists, n, self._tie_order)


def _concatenate(pools: Sequence[CandidatePool]) -> CandidatePool:
    return CandidatePool(
        np.concatenate([pool.row for pool in pools]),
        np.concatenate([pool.item for pool in pools]),
        np.concatenate([pool.scores for pool in pools], axis=1),
        np.concatenate([pool.ranks for pool in pools], axis=1),
    )
