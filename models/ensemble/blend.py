"""One ranking out of many: what several models say of an item, and what the data says, by learned weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from models.base import BoolArray, Config, FloatArray, IntArray, Progress, Recommender, TopN
from models.ensemble.candidates import Candidates, best, pooled, with_listed
from models.ensemble.data_features import ITEM_FACTS, LATEST, directions, item_facts, latest_likes, nearness
from models.interactions import Interactions, MatrixName, touched_items
from models.ranking.factor_model import FactorRecommender
from models.registry import recommender_class

_ASKED_ROWS = 4096  # users whose lists the members make at a time
_POOLED_ROWS = 512  # users whose candidates are held at a time
_STEP = 1e-3  # between the scores of what comes after the candidates, which are known by their order alone
_RANK_OFFSET = (
    10.0  # the k of reciprocal rank fusion; 60 is for runs over millions of documents, and did worse
)


class BlendConfig(Config):
    """What a blend is made of; `models.ensemble.cross_fitting` learns the weights."""

    candidates: int = Field(default=100, ge=1, le=10_000, description="Length of each member's list.")
    members: dict[str, str] = Field(
        default={}, description="Model → where it is kept, relative to the folder of the blend."
    )
    weights: dict[str, float] = Field(
        default={}, description="Feature → weight; what is absent weighs nothing."
    )


class Blend(Recommender):
    """Ranks what its fitted members list for a user by a weighted sum of features.

    Of each member: the reciprocal rank 1 / (10 + rank) (Cormack, Clarke & Büttcher 2009), the logarithm of the rank,
    and the score, standardised within the list. Of the item: `facts.item_facts`. Of the pair: its nearness to what
    the user liked last, by the item vectors of the first member that has them. None of them depends on the scale of
    a member's scores, so that the weights hold for members fitted on other data.

    However long a list is asked for, its candidates are what the members list among their first `candidates`: what
    was judged on short lists is published in long ones. A list that they do not fill goes on with the members' best
    of what is left, as if the user had met all above.

    `fit` takes only facts from the data: the members are to be fitted on it already. Knows whom any member knows, and
    what any member knows and somebody touched.

    Attributes:
        members: the fitted models, in the order of `config.members`.
        item_facts_: (n_facts, n_items) float32.
        latest_likes_: (n_users, 30) int32, −1 pads.
        fold_weights_: (folds, n_features) float64, the weights of users who must not be ranked by what was learned of
            them, see `keep_apart`; empty otherwise.
        fold_: (n_users,) int8, the row of `fold_weights_` that ranks each user; −1: the weights of the config.
    """

    name: ClassVar[str] = "blend"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = BlendConfig
    config: BlendConfig

    item_facts_: FloatArray
    latest_likes_: NDArray[np.int32]
    fold_weights_: NDArray[np.float64]
    fold_: NDArray[np.int8]

    def __init__(self, config: Config, members: Sequence[Recommender]) -> None:
        super().__init__(config)
        names = [member.name for member in members]
        if not names or names != list(self.config.members):
            raise ValueError(f"a blend of {list(self.config.members)} cannot be made of the models {names}")
        self.members = list(members)
        vectors = [m.item_factors_ for m in members if isinstance(m, FactorRecommender)]
        self._vectors = directions(vectors[0]) if vectors else None
        unknown = set(self.config.weights) - set(self.features)
        if unknown:
            raise ValueError(f"a blend of {names} has no feature {', '.join(sorted(unknown))}")

    @property
    def features(self) -> list[str]:
        """The names of the features, in the order of `columns`."""
        members = [
            f"{kind} {name}" for name in self.config.members for kind in ("1/rank", "log rank", "score")
        ]
        near = [f"near last {count}" for count in LATEST] if self._vectors is not None else []
        return [*members, *ITEM_FACTS, *near]

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
        warm_start: Recommender | None,  # noqa: ARG002
    ) -> None:
        touched = touched_items(data.seen)
        self.known_users_ = np.any([member.known_users_ for member in self.members], axis=0)
        self.known_items_ = np.any([member.known_items_ for member in self.members], axis=0) & touched
        self.item_facts_ = item_facts(data)
        self.latest_likes_ = latest_likes(data)
        self.fold_weights_ = np.empty((0, len(self.features)))
        self.fold_ = np.full(matrix.shape[0], -1, np.int8)

    def weighted(self, weights: dict[str, float]) -> Blend:
        """The same blend with these weights."""
        other = Blend(self.config.model_copy(update={"weights": weights}), self.members)
        vars(other).update(self._learned())
        return other

    def keep_apart(self, users: IntArray, fold: NDArray[np.int8], weights: NDArray[np.float64]) -> None:
        """Let each of `users` be ranked by the row `fold` of `weights`: those learned without them."""
        self.fold_ = self.fold_.copy()  # `weighted` shares it
        self.fold_[users] = fold
        self.fold_weights_ = weights

    # -- rank -----------------------------------------------------------------------------------------

    def propose(
        self, users: IntArray, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> Iterator[tuple[slice, Candidates]]:
        """The members' candidates, a few hundred of the users at a time: which of them, and what is proposed."""
        n = self.config.candidates
        for start in range(0, len(users), _ASKED_ROWS):
            asked = users[start : start + _ASKED_ROWS]
            lists = [m.recommend(asked, n, exclude=exclude, items=eligible) for m in self.members]
            for at in range(0, len(asked), _POOLED_ROWS):
                few = slice(at, min(at + _POOLED_ROWS, len(asked)))
                parts = [TopN(top.items[few], top.scores[few]) for top in lists]
                pool = pooled(parts, len(eligible))
                yield slice(start + few.start, start + few.stop), pool

    def columns(self, pool: Candidates, users: IntArray) -> Iterator[FloatArray]:
        """Each feature of the candidates of `users`, (n,), in the order of `features`."""
        for scores, ranks in zip(pool.scores, pool.ranks, strict=True):
            yield 1 / (_RANK_OFFSET + 1 + ranks)
            yield -np.log1p(ranks)
            yield scores
        for fact in self.item_facts_:
            yield fact[pool.item]
        if self._vectors is not None:
            yield from nearness(pool.row, pool.item, self.latest_likes_[users], self._vectors)

    def _recommend(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        top = self._best_candidates(users, n, exclude, eligible)
        length = (top.items >= 0).sum(axis=1)
        short = np.flatnonzero((self.config.candidates <= length) & (length < n))
        while len(short):  # with fewer than `candidates`, every member has said all it can
            beyond = with_listed(exclude, users[short], top.items[short], (len(self.fold_), len(eligible)))
            more = self._best_candidates(users[short], n, beyond, eligible)
            found = (more.items >= 0).sum(axis=1)
            _go_on(top, short, more)
            length[short] += found
            short = short[(self.config.candidates <= found) & (length[short] < n)]
        return top

    def _best_candidates(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        top = TopN(np.empty((len(users), n), np.int32), np.empty((len(users), n), np.float32))
        for rows, pool in self.propose(users, exclude, eligible):
            scores = self._weighed(pool, users[rows])
            found = best(pool, scores, rows.stop - rows.start, n, self.tie_order_)
            top.items[rows], top.scores[rows] = found
        return top

    def _weighed(self, pool: Candidates, users: IntArray) -> FloatArray:
        """The sum of the weighted features; one at a time, so that no bit depends on how a product is shared out."""
        own = [self.config.weights.get(feature, 0.0) for feature in self.features]
        weights = np.vstack([self.fold_weights_, own])  # the last row is that of fold −1
        fold = self.fold_[users][pool.row]
        total = np.zeros(len(pool.row))
        for weight, column in zip(weights.T, self.columns(pool, users), strict=True):
            if weight.any():
                total += weight[fold] * column
        return total.astype(np.float32)

    def _score(self, users: IntArray) -> FloatArray:
        """Scores where nothing is left out; NaN for what no member lists."""
        n_items = len(self.known_items_)
        block = np.full((len(users), n_items), np.nan, np.float32)
        top = self._recommend(users, n_items, None, self.known_items_)
        row, rank = np.nonzero(top.items >= 0)
        block[row, top.items[row, rank]] = top.scores[row, rank]
        return block

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        """Each item's list is that of the first member which has one."""
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


def _go_on(top: TopN, rows: IntArray, more: TopN) -> None:
    """Write the items of `more` where the lists `rows` of `top` end, each a step below the one before."""
    ends = (top.items[rows] >= 0).sum(axis=1, keepdims=True)
    last = np.take_along_axis(top.scores[rows], ends - 1, axis=1)
    row, rank = np.nonzero((more.items >= 0) & (ends + np.arange(more.items.shape[1]) < top.items.shape[1]))
    place = ends[row, 0] + rank
    top.items[rows[row], place] = more.items[row, rank]
    top.scores[rows[row], place] = last[row, 0] - _STEP * (rank + 1)
