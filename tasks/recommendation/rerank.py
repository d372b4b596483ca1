"""What happens to lists after scoring: allow-lists, rules, diversity, a cap per genre, places for new items.

Candidates of all models are made comparable within a list, and then put into their places by
`models.ranking.mmr`. Where nothing of this is asked for, lists are what the models say.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, Recommender
from models.content.profiles import Content
from models.interactions import load_matrix, touched_items
from models.numerics.unit_vectors import unit_vectors_or_mean, vectors_of_features
from models.ranking.factor_model import FactorRecommender
from models.ranking.mmr import NEW, ORDINARY, RerankCandidates, arrange, ordinary_places
from tasks.artifacts import Snapshot
from tasks.config.settings import RecommendSettings
from tasks.recommendation.backfill import CompletedLists, completed_lists
from tasks.recommendation.genre_filter import allowed_items, genres_of_items
from tasks.recommendation.item_rules import ItemRules

log = logging.getLogger(__name__)

_MORE = 100  # candidates beyond the length of a list, for others to choose among


@dataclass(frozen=True)
class AfterScoring:
    """What is asked for, resolved for one snapshot.

    Attributes:
        n: length of the lists.
        eligible: (n_items,) mask of what may be listed, pinned items aside; None for everything.
        rules: of single items.
        diversity, max_per_genre, new_item_share: see `RecommendSettings`.
        is_new: (n_items,) which items nobody has met.
        vectors: (n_items, f) float32, of length 1 or 0, by which items are alike; f is 0 where nobody asks for it.
        genres: (n_items, n_genres); not read without a cap.
    """

    n: int
    eligible: BoolArray | None
    rules: ItemRules
    diversity: float
    max_per_genre: int
    new_item_share: float
    is_new: BoolArray
    vectors: FloatArray
    genres: sparse.csr_array

    @property
    def chooses(self) -> bool:
        """Whether there must be more candidates than places."""
        return bool(self.diversity or self.max_per_genre or self.rules.boosts.any())

    @property
    def leaves_lists_alone(self) -> bool:
        """Whether lists are what the models say of the eligible items."""
        return not (self.chooses or self.rules.pinned or self.new_item_share)

    def lists(
        self, models: Sequence[Recommender], users: IntArray, exclude: sparse.csr_array | None
    ) -> CompletedLists:
        """The lists of a block of users, by the first model, completed by the others.

        In lists that were rearranged `scores` are the relevances of what they hold, dealt out from the top, so that
        they do not increase; a pinned item has no relevance and counts as the best one. `placed_by` is `len(models)`
        for pinned items, whose model score is NaN.
        """
        if self.leaves_lists_alone:
            return completed_lists(models, users, self.n, exclude, self.eligible)
        more = _MORE if self.chooses else 0
        found = completed_lists(models, users, self.n + more, exclude, self.eligible)
        relevance, low, span = _comparable(found, len(models))
        parts = [
            self._pinned(users, exclude, len(models)),
            found._replace(scores=relevance),
            self._boosted(models[0], users, exclude, found.items, low, span),
            self._new(models, users, exclude, more),
        ]
        offered = CompletedLists(*(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)))
        relevance = offered.scores + np.where(offered.items >= 0, self.rules.boosts[offered.items], 0)
        n_pinned, n_new = parts[0].items.shape[1], parts[-1].items.shape[1]
        chosen = arrange(
            RerankCandidates(offered.items, relevance, n_pinned, n_new),
            self._places(n_new),
            diversity=self.diversity,
            vectors=self.vectors,
            max_per_genre=self.max_per_genre,
            genres=self.genres,
        )
        return _taken(offered._replace(scores=relevance), chosen)

    def only(self, segment: BoolArray | None, n: int) -> AfterScoring:
        """For the fallback list of a segment: its items only, by relevance and rules."""
        eligible, rules = self.eligible, self.rules
        if segment is not None:
            eligible = segment if eligible is None else eligible & segment
            rules = replace(rules, pinned={item: at for item, at in rules.pinned.items() if segment[item]})
        return replace(
            self, n=n, eligible=eligible, rules=rules, diversity=0.0, max_per_genre=0, new_item_share=0.0
        )

    def _pinned(self, users: IntArray, exclude: sparse.csr_array | None, by: int) -> CompletedLists:
        """A column per pinned item, in the order of their places; it pads for users who have seen the item."""
        items = np.array(list(self._pins().values()), np.int32)
        columns = np.tile(items, (len(users), 1))
        if exclude is not None and len(items):
            columns[sparse.csr_array(exclude[users][:, items]).toarray() != 0] = -1
        nothing = np.full(columns.shape, np.nan, np.float32)
        return CompletedLists(columns, nothing, nothing, np.full(columns.shape, by, np.int8))

    def _pins(self) -> dict[int, int]:
        return dict(sorted(self.rules.places(self.n).items()))

    def _boosted(
        self,
        model: Recommender,
        users: IntArray,
        exclude: sparse.csr_array | None,
        candidates: NDArray[np.int32],
        low: FloatArray,
        span: FloatArray,
    ) -> CompletedLists:
        """Boosted items from below the model's last candidate, as far as their boost lifts them into the range.

        A blend scores items by what else it is asked for, and among few it would find all of them good: what is no
        candidate is worth no more than the last one.
        """
        raised = self.rules.boosts > 0
        if self.eligible is not None:
            raised &= self.eligible
        if not raised.any():
            return _nothing(len(users))
        found = model.recommend(users, min(int(raised.sum()), self.n), exclude=exclude, items=raised)
        relevance = np.minimum((found.scores - low) / span, 0).astype(np.float32)
        lifted = (found.items >= 0) & (relevance + self.rules.boosts[found.items] >= 0)
        row, column = np.nonzero(lifted)
        known = (candidates[row] == found.items[row, column][:, None]).any(axis=1)
        lifted[row[known], column[known]] = False
        order = np.argsort(~lifted, axis=1, kind="stable")[:, : int(lifted.sum(axis=1).max(initial=0))]
        there = np.take_along_axis(lifted, order, axis=1)
        return CompletedLists(
            np.where(there, np.take_along_axis(found.items, order, axis=1), -1).astype(np.int32),
            np.take_along_axis(relevance, order, axis=1),
            np.take_along_axis(found.scores, order, axis=1),
            np.zeros(order.shape, np.int8),
        )

    def _new(
        self, models: Sequence[Recommender], users: IntArray, exclude: sparse.csr_array | None, more: int
    ) -> CompletedLists:
        """What nobody has met, by the model that knows items from their description."""
        number = next((k for k, model in enumerate(models) if model.name == "content"), None)
        new = self.is_new if self.eligible is None else self.is_new & self.eligible
        wanted = min(int(self.new_item_share * self.n + 1e-9), int(new.sum()))
        if number is None or not wanted:
            return _nothing(len(users))
        found = models[number].recommend(users, wanted + more, exclude=exclude, items=new)
        by = np.zeros(found.items.shape, np.int8)
        relevance, _, _ = _comparable(CompletedLists(found.items, found.scores, found.scores, by), 1)
        return CompletedLists(found.items, relevance, found.scores, by + np.int8(number))

    def _places(self, n_new: int) -> NDArray[np.int32]:
        """What each place is for. New items close each stretch of 1 / share places: 10, 20, 30, … for a tenth."""
        places = ordinary_places(self.n)
        for column, place in enumerate(self._pins()):
            places[place] = column
        if n_new:
            for nth in range(1, floor(self.new_item_share * self.n + 1e-9) + 1):
                start = ceil(nth / self.new_item_share - 1e-9) - 1
                free = np.flatnonzero(places[start:] == ORDINARY)
                if len(free):
                    places[start + free[0]] = NEW
        return places


def after_scoring(
    snapshot: Snapshot,
    settings: RecommendSettings,
    rules: ItemRules,
    models: Sequence[Recommender],
    *,
    seed: int,
) -> AfterScoring:
    """Resolve settings and rules for a snapshot and the models that make its lists, the champion first."""
    genres = genres_of_items(snapshot)
    eligible = allowed_items(genres, settings)
    if rules.blocked.any():
        eligible = ~rules.blocked if eligible is None else eligible & ~rules.blocked
    touched = touched_items(load_matrix(snapshot.folder, "seen"))
    if settings.new_item_share and not any(model.name == "content" for model in models):
        log.warning(
            "recommend.new_item_share: nothing is said about any item, so that new ones have no places."
        )
    measured = settings.diversity or settings.max_per_genre
    vectors = _vectors(models, seed) if measured else np.empty((snapshot.n_items, 0), np.float32)
    return AfterScoring(
        n=settings.n,
        eligible=eligible,
        rules=rules,
        diversity=settings.diversity,
        max_per_genre=settings.max_per_genre,
        new_item_share=settings.new_item_share,
        is_new=~touched,
        vectors=vectors,
        genres=genres.matrix,
    )


def _vectors(models: Sequence[Recommender], seed: int) -> FloatArray:
    """By what is said about items, so that diversity means the same whichever model is champion; else by its own."""
    for model in models:
        if isinstance(model, Content):
            return vectors_of_features(model.item_profiles_, seed=seed)
    champion = models[0]
    if isinstance(champion, FactorRecommender):
        return unit_vectors_or_mean(champion.item_factors_)
    log.warning(
        "recommend.diversity has nothing to go by: nothing is said about any item, and %s has no item vectors.",
        champion.name,
    )
    return np.empty((len(champion.known_items_), 0), np.float32)


def _comparable(lists: CompletedLists, n_models: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scores of any scale as relevance: 1 the best that a user's first model names, 0 the last.

    Items of the model that completes the list lie between 0 and −1 in the same way, those of the next one below.

    Returns:
        The relevance, and of each user the first model's least score and the distance to the best, (n_users, 1).
    """
    relevance = np.full(lists.scores.shape, np.nan, np.float32)
    bounds = []
    for number in range(n_models):
        own = (lists.placed_by == number) & (lists.items >= 0)
        low = np.min(lists.model_scores, axis=1, where=own, initial=np.inf, keepdims=True)
        high = np.max(lists.model_scores, axis=1, where=own, initial=-np.inf, keepdims=True)
        span = np.where(high > low, high - low, 1).astype(np.float32)
        bounds.append((np.where(np.isfinite(low), low, 0).astype(np.float32), span))
        relevance = np.where(own, (lists.model_scores - bounds[-1][0]) / span - number, relevance)
    return relevance.astype(np.float32), *bounds[0]


def _nothing(n_users: int) -> CompletedLists:
    none = np.empty((n_users, 0), np.float32)
    return CompletedLists(none.astype(np.int32), none, none, none.astype(np.int8))


def _taken(offered: CompletedLists, chosen: NDArray[np.int32]) -> CompletedLists:
    """The chosen candidates as lists; their relevances sorted, as scores."""
    there = chosen >= 0
    at = np.maximum(chosen, 0)
    items = np.take_along_axis(offered.items, at, axis=1)
    relevance = np.take_along_axis(offered.scores, at, axis=1)
    model_scores = np.take_along_axis(offered.model_scores, at, axis=1)
    by = np.take_along_axis(offered.placed_by, at, axis=1)
    best = np.max(relevance, axis=1, where=there & ~np.isnan(relevance), initial=-np.inf, keepdims=True)
    best = np.where(np.isfinite(best), best, 1).astype(np.float32)
    relevance = np.where(there, np.where(np.isnan(relevance), best, relevance), -np.inf)
    scores = -np.sort(-relevance, axis=1)
    return CompletedLists(
        np.where(there, items, -1).astype(np.int32),
        np.where(there, scores, np.nan).astype(np.float32),
        np.where(there, model_scores, np.nan).astype(np.float32),
        by,
    )
