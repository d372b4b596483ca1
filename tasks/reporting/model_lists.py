"""Lists of single users by any fitted model of a run, made when they are asked for, to compare models by eye."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from models.base import Recommender
from models.did_you_mean import did_you_mean
from models.interactions import load_matrix
from models.registry import ENSEMBLES, RECOMMENDERS
from tasks.artifacts import FittedModel, Snapshot
from tasks.config.settings import RecommendSettings, Settings
from tasks.errors import UsageError
from tasks.publication.errors import no_lists
from tasks.publication.queries import ShownList, likes_of_live_run, show
from tasks.publication.targets.base import Target
from tasks.recommendation.backfill import completed_lists
from tasks.recommendation.explanations import explain_lists
from tasks.recommendation.genre_filter import allowed_items, genres_of_items
from tasks.recommendation.item_rules import today
from tasks.reporting.list_samples import Id, Listed, liked_best, titles
from tasks.reporting.run_artifacts import RunArtifacts, find_artifacts
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs
from tasks.training.load_model import load_model


@dataclass(frozen=True)
class ModelList:
    """One user's list by one model, best first.

    Attributes:
        model: its name.
        newest: the model is fitted on everything; False: on what lies before the cut, to be judged.
        rows: empty if the model and those that complete its lists do not know the user.
    """

    model: str
    newest: bool
    rows: tuple[Listed, ...]


class _Side(NamedTuple):
    """A snapshot and the models fitted on it, with the places of its users and items."""

    snapshot: Snapshot
    models: dict[str, FittedModel]
    users: dict[Id, int]
    items: list[Id]


class ModelLists:
    """Makes lists of single users by the models of a run; fitted models stay loaded.

    As in published lists, the backfill models complete short ones, and what a user has seen, items that editors block
    and genres that are not allowed are left out. Pins, boosts, diversity and trials do not apply.

    Args:
        kept: the artifacts of the run.
        settings: those of lists, as the run had them.
        blocked: ids of items that editors block.

    Attributes:
        names: the models that can be asked, the champion first, then by rank.
    """

    def __init__(
        self, kept: RunArtifacts, settings: RecommendSettings, blocked: frozenset[Id] = frozenset()
    ) -> None:
        self._kept, self._settings, self._blocked = kept, settings, blocked
        self._sides: dict[bool, _Side] = {}
        for newest, snapshot, models in (
            (True, kept.everything, kept.refits),
            (False, kept.judged, kept.fits),
        ):
            if snapshot is not None:
                self._sides[newest] = _side(snapshot, models)
        ranking = kept.choice.ranking if kept.choice is not None else ()
        there = {name for side in self._sides.values() for name in side.models}
        known = {*RECOMMENDERS, *ENSEMBLES}  # a model of another version cannot be loaded
        self.names = tuple(
            name for name in dict.fromkeys((*ranking, *sorted(there))) if name in there & known
        )
        self._loaded: dict[tuple[bool, str], Recommender] = {}

    def of(self, model: str, user: Id, n: int) -> ModelList:
        """Return the list of a user by a model, of at most n items.

        Raises:
            KeyError: there is no such model; see `names`.
        """
        newest = True in self._sides and model in self._sides[True].models
        side = self._sides[newest]
        fitted = side.models[model]
        if user not in side.users:
            return ModelList(model, newest, ())
        row = side.users[user]
        backfill = [name for name in self._settings.backfill_models if name in side.models and name != model]
        asked = [self._load(newest, each) for each in (fitted, *(side.models[name] for name in backfill))]
        users, liked = np.array([row]), _only_row(side.snapshot, "positive", row)
        lists = completed_lists(asked, users, n, self._seen(side, user), self._eligible[newest])
        reasons = explain_lists(lists, users, asked, asked[1:], liked)[0]
        rows = []
        for rank, place in enumerate(np.flatnonzero(lists.items[0] >= 0).tolist(), 1):
            item = side.items[lists.items[0, place]]
            title, genres = self._titled(item)
            reason = None if reasons[place] < 0 else self._titled(side.items[reasons[place]])[0]
            rows.append(Listed(rank, item, title, genres, asked[lists.placed_by[0, place]].name, reason))
        return ModelList(model, newest, tuple(rows))

    def liked(self, user: Id, n: int) -> tuple[tuple[str, float | None], ...]:
        """Return the n items that a user liked best, as (title, stars or None); none of a user without a history."""
        side = self._sides.get(True)
        if side is None or self._kept.lists is None or user not in side.users:
            return ()
        return liked_best(self._kept.lists, side.snapshot, np.array([side.users[user]]), n)[0]

    def some_users(self, n: int) -> list[Id]:
        """Return n users, spread evenly over all in the data."""
        users = list(next(iter(self._sides.values())).users) if self._sides else []
        return users[:: max(1, len(users) // n)][:n]

    def _load(self, newest: bool, fitted: FittedModel) -> Recommender:
        key = (newest, fitted.model)
        if key not in self._loaded:
            self._loaded[key] = load_model(fitted)
        return self._loaded[key]

    def _seen(self, side: _Side, user: Id) -> sparse.csr_array:
        """Return all that the user has seen until the end of the data, as a row of the side's matrices."""
        whole = self._sides.get(True, side)
        if user not in whole.users:
            whole = side
        row = _only_row(whole.snapshot, "seen", whole.users[user])
        if whole is not side:
            place = {item: at for at, item in enumerate(side.items)}
            seen = [place[whole.items[item]] for item in row.indices if whole.items[item] in place]
            return _row_of(np.sort(np.array(seen, np.int32)), side.users[user], side.snapshot)
        return row

    @cached_property
    def _eligible(self) -> dict[bool, NDArray[np.bool_] | None]:
        return {
            newest: eligible_items(side.snapshot, self._settings, side.items, self._blocked)
            for newest, side in self._sides.items()
        }

    @cached_property
    def _catalogue(self) -> dict[Id, tuple[str, tuple[str, ...]]]:
        return {} if self._kept.lists is None else titles(self._kept.lists)

    def _titled(self, item: Id) -> tuple[str, tuple[str, ...]]:
        return self._catalogue.get(item, (f"item {item}", ()))


@dataclass(frozen=True)
class UserByModels:
    """The lists of one user by several models, and what the user liked before.

    Attributes:
        shown: the user's list at login, with the user's likes.
        run_id: the run whose models made the lists.
        lists: one of each model, in the order asked for.
    """

    shown: ShownList
    run_id: int
    lists: tuple[ModelList, ...]


def lists_of_models(
    home: Home, target: Target, settings: Settings, models: Sequence[str], user: str, n: int
) -> UserByModels:
    """Return the lists of one user by several models of the live run.

    Args:
        home: of the night.
        target: its serving database.
        settings: the present ones.
        models: names.
        user: the user's id as typed.
        n: rows of each list at most.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: the id is not of the target's type, or the run has no such model, or its models are not kept.
    """
    likes = likes_of_live_run(home, target, settings)
    shown = show(target, user, n, warehouse=home.warehouse, utility=likes)
    run_id, found = models_of_live_run(home, target, settings)
    for model in models:
        if model not in found.names:
            raise UsageError(
                f"Run {run_id} has no model {model!r}.",
                f"{did_you_mean(model, found.names)} It has: {', '.join(found.names)}.".lstrip(),
            )
    return UserByModels(shown, run_id, tuple(found.of(model, shown.user_id, n) for model in models))


def models_of_live_run(home: Home, target: Target, settings: Settings) -> tuple[int, ModelLists]:
    """Return the live run and its models.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: none of its models is kept.
    """
    live = target.live_run()
    if live is None:
        raise no_lists(target.place)
    run = Runs(home.runs).find(live)
    if run is not None:
        kept = find_artifacts(home.artifact_store, run)
        found = ModelLists(kept, settings_of_lists(run, settings.recommend), blocked_items(target))
        if found.names:
            return live, found
    raise models_not_kept(live, home)


def models_not_kept(run_id: int | None, home: Home) -> UsageError:
    """Return the error that a home does not keep the models of the live run."""
    return UsageError(
        f"The models of run {run_id}, whose lists are live, are not kept in {home.path}.",
        "A night fits new ones: recs run",
    )


def settings_of_lists(run: Run, settings: RecommendSettings) -> RecommendSettings:
    """Return the settings of lists, with the genres and the backfill that the run had."""
    recorded = run.settings.get("recommend", {})
    of_run = {name: tuple(recorded[name]) for name in ("genres", "without_genres") if name in recorded}
    if "backfill" in recorded:
        of_run["backfill"] = recorded["backfill"]
    return settings.model_copy(update=of_run)


def blocked_items(target: Target) -> frozenset[Id]:
    """Return the ids of the items that editors block today."""
    return frozenset(rule.item_id for rule in target.item_rules(today()) if rule.rule == "block")


def eligible_items(
    snapshot: Snapshot, settings: RecommendSettings, ids: Sequence[Id], blocked: frozenset[Id]
) -> NDArray[np.bool_] | None:
    """Return the items that are not blocked and of an allowed genre, (n_items,) bool; None if all are.

    Args:
        snapshot: of the items.
        settings: name the genres.
        ids: the items in the order of the snapshot.
        blocked: ids, of items that the snapshot may lack.
    """
    allowed = allowed_items(genres_of_items(snapshot), settings)
    if not blocked:
        return allowed
    free = np.array([item not in blocked for item in ids], bool)
    return free if allowed is None else free & allowed


def _side(snapshot: Snapshot, models: dict[str, FittedModel]) -> _Side:
    users, items = (
        pq.read_table(snapshot.folder / f"{side}s.parquet", columns=[f"{side}_id"])[f"{side}_id"].to_pylist()
        for side in ("user", "item")
    )
    return _Side(snapshot, models, {user: row for row, user in enumerate(users)}, items)


def _only_row(snapshot: Snapshot, name: str, row: int) -> sparse.csr_array:
    """Return a matrix of a snapshot with the entries of one row alone, and of the same shape."""
    matrix = load_matrix(snapshot.folder, name)
    return _row_of(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]], row, snapshot)


def _row_of(items: NDArray[np.int32], row: int, snapshot: Snapshot) -> sparse.csr_array:
    """Return a matrix that has ones at some items of one row: (n_users, n_items) float32."""
    indptr = np.zeros(snapshot.n_users + 1, np.int32)
    indptr[row + 1 :] = len(items)
    shape = (snapshot.n_users, snapshot.n_items)
    return sparse.csr_array((np.ones(len(items), np.float32), np.array(items, np.int32), indptr), shape=shape)
