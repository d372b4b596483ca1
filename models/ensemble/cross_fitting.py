"""Learn a blend's weights from users, and judge each of those users by weights learned without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.ensemble.blend import Blend
from models.ensemble.candidates import Candidates, best
from models.ensemble.data_features import ITEM_FACTS
from models.ensemble.listwise import fit_weights
from models.ensemble.settings import MIN_TEACHERS, BlendOptions

METHODS: dict[str, tuple[str, ...]] = {
    "ranks": ("1/rank",),
    "scores": ("score",),
    "ranker": ("log rank", "score", "near last", *ITEM_FACTS),
}
"""What the names of a method's features begin with."""

Measure = Callable[[NDArray[np.int32], sparse.csr_array], NDArray[np.float64]]
"""Called as measure(lists (n_users, n), relevant (n_users, n_items)): how good each list is, (n_users,)."""


class TooFewUsersError(ValueError):
    """There are not enough users to learn weights from."""


class Taught(NamedTuple):
    """What was learned.

    Attributes:
        method: the one that ranks everybody but those who were learned from.
        scores: method → mean of the measure over users ranked by weights learned without them.
        n_users: how many users taught the weights.
    """

    method: str
    scores: dict[str, float]
    n_users: int


def learn(
    blend: Blend,
    users: IntArray,
    relevant: sparse.csr_array,
    options: BlendOptions,
    measure: Measure,
    *,
    exclude: sparse.csr_array,
    eligible: BoolArray,
    n: int,
    seed: int,
) -> tuple[Blend, Taught]:
    """The blend with weights that put what these users liked in front.

    The users are dealt into folds. Each fold is ranked by weights that the others taught, and by the method that did
    best on the others; whoever else comes is ranked by weights learned from all of them, with the method that was best.
    So the blend can be judged on the very users that taught it, beside models that never saw what was held out. But for
    the method: a fold helped to teach the weights by which the others measured it.

    Args:
        blend: fitted; its own weights are not looked at.
        users: (n_users,) those to learn from.
        relevant: (n_users, n_items), the items stored in row r are those that `users[r]` came to like.
        options: how.
        measure: what decides between methods.
        exclude: as for `Recommender.recommend`.
        eligible: (n_items,) mask of the items that may be listed.
        n: length of the lists that are measured.
        seed: deals the folds, and draws who teaches where there are more than `options.learn_users`.

    Raises:
        TooFewUsersError: fewer than `MIN_TEACHERS` users have anything relevant among their candidates.
    """
    rng = np.random.default_rng(seed)
    teachers = np.sort(rng.permutation(len(users))[: options.learn_users])
    users, relevant = users[teachers], sparse.csr_array(relevant[teachers])
    fold = (rng.permutation(len(users)) % options.folds).astype(np.int8)
    lesson = _prepared(blend, users, relevant, exclude, eligible & blend.known_items_)
    apart = _learned_apart(lesson, fold, options)
    measured = {
        method: measure(lesson.lists(weights[fold], n).items, relevant) for method, weights in apart.items()
    }
    chosen = _best(measured, np.ones(len(users), bool))
    of_fold = [apart[_best(measured, fold != f)][f] for f in range(options.folds)]
    weights = lesson.weights(chosen, options, np.ones(len(users), bool))
    named = {name: float(weight) for name, weight in zip(blend.features, weights, strict=True) if weight}
    learned = blend.weighted(named)
    learned.keep_apart(users, fold, np.array(of_fold))
    means = {method: float(values.mean()) for method, values in measured.items()}
    return learned, Taught(chosen, means, lesson.n_taught)


def _prepared(
    blend: Blend, users: IntArray, relevant: sparse.csr_array, exclude: sparse.csr_array, eligible: BoolArray
) -> _Lesson:
    lesson = _Lesson(blend, users, relevant, exclude, eligible) if len(users) else None
    taught = lesson.n_taught if lesson else 0
    if lesson is None or taught < MIN_TEACHERS:
        raise TooFewUsersError(
            f"a blend needs {MIN_TEACHERS} users of the select half who came to like something that its members "
            f"list, and there are {taught}"
        )
    return lesson


def _learned_apart(
    lesson: _Lesson, fold: NDArray[np.int8], options: BlendOptions
) -> dict[str, NDArray[np.float64]]:
    """Method → (folds, n_features), the weights that the users of all other folds teach."""
    methods = list(METHODS) if options.method == "auto" else [options.method]
    return {
        method: np.array([lesson.weights(method, options, fold != f) for f in range(options.folds)])
        for method in methods
    }


def _best(measured: dict[str, NDArray[np.float64]], on: BoolArray) -> str:
    """The method with the best mean over the users `on`; of equals the first, which is the simplest."""
    return max(measured, key=lambda method: float(measured[method][on].mean()))


class _Lesson:
    """The candidates of the users who teach, their features, and which of them were liked."""

    def __init__(
        self,
        blend: Blend,
        users: IntArray,
        relevant: sparse.csr_array,
        exclude: sparse.csr_array,
        eligible: BoolArray,
    ) -> None:
        self._names, self._tie_order, self._n_users = blend.features, blend.tie_order_, len(users)
        pools, features = [], []
        for rows, pool in blend.propose(users, exclude, eligible):
            features.append(np.column_stack(list(blend.columns(pool, users[rows]))).astype(np.float32))
            pools.append(pool._replace(row=pool.row + rows.start))
        self.pool = _chained(pools)
        self.features: FloatArray = np.concatenate(features)
        wanted = np.repeat(np.arange(len(users)), np.diff(relevant.indptr)) * len(eligible) + relevant.indices
        self.liked: BoolArray = np.isin(self.pool.row * len(eligible) + self.pool.item, wanted)
        self.n_taught = len(np.unique(self.pool.row[self.liked]))

    def weights(self, method: str, options: BlendOptions, from_whom: BoolArray) -> NDArray[np.float64]:
        """The method's weights, learned from a mask of the users; 0 for features of other methods."""
        used = np.array([name.startswith(METHODS[method]) for name in self._names])
        taught = from_whom[self.pool.row]
        found = np.zeros(len(used))
        found[used] = fit_weights(
            self.features[np.ix_(taught, used)],
            self.pool.row[taught],
            self.liked[taught],
            regularization=options.regularization,
        )
        return found

    def lists(self, weights: NDArray[np.float64], n: int) -> TopN:
        """The n best of every user by their own row of `weights`, (n_users, n_features)."""
        scores = np.zeros(len(self.pool.row))
        for weight, column in zip(weights.T, self.features.T, strict=True):
            scores += weight[self.pool.row] * column
        return best(self.pool, scores.astype(np.float32), self._n_users, n, self._tie_order)


def _chained(pools: Sequence[Candidates]) -> Candidates:
    return Candidates(
        np.concatenate([pool.row for pool in pools]),
        np.concatenate([pool.item for pool in pools]),
        np.concatenate([pool.scores for pool in pools], axis=1),
        np.concatenate([pool.ranks for pool in pools], axis=1),
    )
