"""Rerank lists: genre settings, rules of single items, diversity, a cap per genre, places for new items.

The scores of all models are turned into relevances that are comparable within a list; `models.ranking.mmr` then puts
candidates into places. Without any of these settings, lists stay as the models rank them.
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

_EXTRA_CANDIDATES = 100  # beyond the length of a list, so that reranking has a choice


@dataclass(frozen=True)
class Reranking:
    """The settings and rules for reranking, resolved for one snapshot.

    Attributes:
        n: length of the lists.
        eligible: (n_items,) bool, items that may be listed, pinned ones aside; None for all.
        rules: of single items.
        diversity, max_per_genre, new_item_share: see `RecommendSettings`.
        new_item_model: ranks the items for the places of new ones; None if no model can.
        is_new: (n_items,) bool, items without any interaction.
        vectors: (n_items, f) float32, of length 1 or 0; their dot product is the similarity of items. f is 0 where no
            setting needs them.
        genres: (n_items, n_genres), an entry for every genre of every item; not read without a cap.
    """

    n: int
    eligible: BoolArray | None
    rules: ItemRules
    diversity: float
    max_per_genre: int
    new_item_share: float
    new_item_model: Recommender | None
    is_new: BoolArray
    vectors: FloatArray
    genres: sparse.csr_array

    @property
    def needs_extra_candidates(self) -> bool:
        """True if there must be more candidates than places."""
        return bool(self.diversity or self.max_per_genre or self.rules.boosts.any())

    @property
    def keeps_order(self) -> bool:
        """True if lists are the eligible items as the models rank them."""
        return not (self.needs_extra_candidates or self.rules.pinned or self.new_item_share)

    def placers(self, models: Sequence[Recommender]) -> list[Recommender]:
        """Return the models that `placed_by` numbers in the lists of `models`, see `lists`."""
        new = self.new_item_model
        return [*models] if new is None or any(model is new for model in models) else [*models, new]

    def lists(
        self, models: Sequence[Recommender], users: IntArray, exclude: sparse.csr_array | None
    ) -> CompletedLists:
        """Return reranked lists of a block of users.

        In reranked lists `scores` are the relevances of the listed items sorted in descending order, so that they never
        increase along a list. `placed_by` numbers the models of `placers`. A pinned item has no relevance and counts as
        the best one; its `placed_by` is one more than theirs and its model score NaN.

        Args:
            models: the ranking model, then the backfill models in order of precedence.
            users: (n_users,) integer user indices.
            exclude: (all users, n_items), items with an entry are left out of the user's list; None: nothing is.
        """
        if self.keeps_order:
            return completed_lists(models, users, self.n, exclude, self.eligible)
        extra = _EXTRA_CANDIDATES if self.needs_extra_candidates else 0
        found = completed_lists(models, users, self.n + extra, exclude, self.eligible)
        relevance, low, span = _relevance(found, len(models))
        placers = self.placers(models)
        parts = [
            self._pinned(users, exclude, len(placers)),
            found._replace(scores=relevance),
            self._boosted(models[0], users, exclude, found.items, low, span),
            self._new_items(placers, users, exclude, extra),
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
        return _select(offered._replace(scores=relevance), chosen)

    def for_segment(self, segment: BoolArray | None, n: int) -> Reranking:
        """Return the reranking of a segment's fallback list: only its items, ordered by relevance and rules.

        Args:
            segment: (n_items,) bool, its items; None for all.
            n: length of the list.
        """
        eligible, rules = self.eligible, self.rules
        if segment is not None:
            eligible = segment if eligible is None else eligible & segment
            rules = replace(rules, pinned={item: at for item, at in rules.pinned.items() if segment[item]})
        return replace(
            self, n=n, eligible=eligible, rules=rules, diversity=0.0, max_per_genre=0, new_item_share=0.0
        )

    def _pinned(self, users: IntArray, exclude: sparse.csr_array | None, by: int) -> CompletedLists:
        """Return a column per pinned item, in the order of their places; item −1 for users who have seen the item."""
        items = np.array(list(self._pins().values()), np.int32)
        columns = np.tile(items, (len(users), 1))
        if exclude is not None and len(items):
            columns[sparse.csr_array(exclude[users][:, items]).toarray() != 0] = -1
        no_scores = np.full(columns.shape, np.nan, np.float32)
        return CompletedLists(columns, no_scores, no_scores, np.full(columns.shape, by, np.int8))

    def _pins(self) -> dict[int, int]:
        """Return place → pinned item, in the order of places."""
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
        """Return boosted items that rank below the model's last candidate but whose boost lifts them above it.

        Their relevance before the boost is at most 0, that of the last candidate: the scores of a blend depend on the
        items it is asked for, and asked for only a few it would score all of them high.

        Args:
            model: the ranking model.
            users: (n_users,) user indices.
            exclude: as in `lists`.
            candidates: (n_users, c) the items that are candidates already.
            low: (n_users, 1) the model's lowest score among them.
            span: (n_users, 1) its highest score less `low`.
        """
        raised = self.rules.boosts > 0
        if self.eligible is not None:
            raised &= self.eligible
        if not raised.any():
            return _no_candidates(len(users))
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

    def _new_items(
        self, placers: Sequence[Recommender], users: IntArray, exclude: sparse.csr_array | None, extra: int
    ) -> CompletedLists:
        """Return candidates for the places of new items; `placers` are the models of that method."""
        model = self.new_item_model
        new = self.is_new if self.eligible is None else self.is_new & self.eligible
        wanted = min(int(self.new_item_share * self.n + 1e-9), int(new.sum()))
        if model is None or not wanted:
            return _no_candidates(len(users))
        number = next(k for k, placer in enumerate(placers) if placer is model)
        found = model.recommend(users, wanted + extra, exclude=exclude, items=new)
        by = np.zeros(found.items.shape, np.int8)
        relevance, _, _ = _relevance(CompletedLists(found.items, found.scores, found.scores, by), 1)
        return CompletedLists(found.items, relevance, found.scores, by + np.int8(number))

    def _places(self, n_new: int) -> NDArray[np.int32]:
        """Return (n,) what each place is for: a pinned candidate, `NEW` or `ORDINARY`.

        A new item takes the last of every 1 / `new_item_share` places, such as 10, 20, 30, … for a tenth, or the next
        one that is free.
        """
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


def resolve_reranking(
    snapshot: Snapshot,
    settings: RecommendSettings,
    rules: ItemRules,
    models: Sequence[Recommender],
    *,
    new_item_model: Recommender | None = None,
    seed: int,
) -> Reranking:
    """Return the reranking that settings and rules ask for, resolved for a snapshot.

    Args:
        snapshot: the training matrices.
        settings: genres, diversity, caps and the share of new items.
        rules: of single items.
        models: the ranking model, then the backfill models.
        new_item_model: ranks the items for the places of new ones; None: the first of `models` that knows such items.
        seed: of the projection of item features to vectors.

    Raises:
        UsageError: the settings allow no item.
    """
    eligible = eligible_items(snapshot, settings, rules)
    is_new = ~touched_items(load_matrix(snapshot.folder, "seen"))
    asked = models if new_item_model is None else [new_item_model]
    able = next((model for model in asked if (model.known_items_ & is_new).any()), None)
    if settings.new_item_share and is_new.any() and able is None:
        log.warning(
            "recommend.new_item_share has no effect: %s cannot rank items without any interaction (there are %d).",
            " and ".join(dict.fromkeys(model.name for model in asked)), is_new.sum(),
        )  # fmt: skip
    needs_vectors = settings.diversity or settings.max_per_genre
    vectors = _vectors(models, seed) if needs_vectors else np.empty((snapshot.n_items, 0), np.float32)
    return Reranking(
        n=settings.n,
        eligible=eligible,
        rules=rules,
        diversity=settings.diversity,
        max_per_genre=settings.max_per_genre,
        new_item_share=settings.new_item_share,
        new_item_model=able,
        is_new=is_new,
        vectors=vectors,
        genres=genres_of_items(snapshot).matrix,
    )


def eligible_items(snapshot: Snapshot, settings: RecommendSettings, rules: ItemRules) -> BoolArray | None:
    """Return the items that may be listed, pinned ones aside: (n_items,) bool; None for all.

    Args:
        snapshot: the training matrices.
        settings: genres that are allowed and not allowed.
        rules: of single items.

    Raises:
        UsageError: the settings allow no item.
    """
    eligible = allowed_items(genres_of_items(snapshot), settings)
    if rules.blocked.any():
        eligible = ~rules.blocked if eligible is None else eligible & ~rules.blocked
    return eligible


def _vectors(models: Sequence[Recommender], seed: int) -> FloatArray:
    """Return (n_items, f) float32 vectors of length 1 or 0 by which items are compared.

    They are made of genres and tags, so that diversity means the same whichever model is champion. Without a content
    model they are the champion's item factors; f is 0 if it has none.
    """
    for model in models:
        if isinstance(model, Content):
            return vectors_of_features(model.item_profiles_, seed=seed)
    champion = models[0]
    if isinstance(champion, FactorRecommender):
        return unit_vectors_or_mean(champion.item_factors_)
    log.warning(
        "recommend.diversity has no effect: there is no content model, and %s has no item vectors to compare items by.",
        champion.name,
    )
    return np.empty((len(champion.known_items_), 0), np.float32)


def _relevance(lists: CompletedLists, n_models: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Scale the scores of each user's list to relevances that do not depend on the models' scales.

    The first model's best item has relevance 1 and its last one 0; items of the second model lie between 0 and −1 in
    the same way, those of the third between −1 and −2.

    Args:
        lists: (n_users, c) candidates.
        n_models: the number of models that `placed_by` counts.

    Returns:
        The relevance (n_users, c), NaN for padding; the first model's lowest score (n_users, 1); and its highest score
        less the lowest (n_users, 1), 1 where they are equal. All are float32.
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


def _no_candidates(n_users: int) -> CompletedLists:
    """Return lists of length 0."""
    none = np.empty((n_users, 0), np.float32)
    return CompletedLists(none.astype(np.int32), none, none, none.astype(np.int8))


def _select(offered: CompletedLists, chosen: NDArray[np.int32]) -> CompletedLists:
    """Return the chosen candidates as lists, with their relevances in descending order as scores.

    Args:
        offered: (n_users, c) candidates.
        chosen: (n_users, n) the column of `offered` for each place; −1 for none.
    """
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
