"""Similar items, a pair of items and similar users, as a fitted model of the live run sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from models.base import Recommender
from models.interactions import load_matrix
from models.ranking.user_similarity import UserSimilarityRecommender
from tasks.errors import UsageError
from tasks.publication.errors import no_lists
from tasks.publication.queries import Id, Item, Recommended, SimilarItems, find_item, items_of, parse_id
from tasks.publication.targets.base import Target
from tasks.reporting.find_model import (
    SIMILAR_ITEMS,
    SIMILAR_USERS,
    FoundModel,
    Use,
    best_model,
    check_has_use,
    find_model,
)
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs
from tasks.training.load_model import load_model

_N_SHARED = 3


@dataclass(frozen=True)
class ItemPair:
    """How similar two items are to a model.

    Attributes:
        item, other: the two.
        model: the name of the model.
        run_id: its run.
        similarity: of `other` to `item`; None if it is not above 0.
        place: of `other` among all items by similarity to `item`, from 1; None without a similarity.
        n_similar: items whose similarity to `item` is above 0.
        n_known: other items that the model knows.
        note: a sentence on which fit of the model it is; empty for the usual one.
    """

    item: Item
    other: Item
    model: str
    run_id: int
    similarity: float | None
    place: int | None
    n_similar: int
    n_known: int
    note: str


@dataclass(frozen=True)
class SimilarUser:
    """A user who is similar to another.

    Attributes:
        user_id: the user.
        similarity: above 0.
        n_shared: number of items that both like.
        shared: titles of a few of them: those that the fewest users like, which say most about the two.
    """

    user_id: Id
    similarity: float
    n_shared: int
    shared: tuple[str, ...]


@dataclass(frozen=True)
class SimilarUsersOf:
    """A user and the users most similar to them, as `model` of a run sees them; `note` as in `ItemPair`."""

    user_id: Id
    model: str
    run_id: int
    rows: tuple[SimilarUser, ...]
    note: str


def similar_items_by(home: Home, target: Target, item: str, n: int, model: str) -> tuple[SimilarItems, str]:
    """Return the items most similar to one by a model of the live run, and a note on which fit of it that is.

    Args:
        home: of the night.
        target: its serving database.
        item: id, title or part of a title, as typed.
        n: items at most.
        model: the name of a fitted model of the run.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: no item matches, or several do; or the run has no such model, or the model does not know the item.
    """
    check_has_use(model, SIMILAR_ITEMS)
    wanted = find_item(target, item)
    found = find_model(home, _live_run(home, target).run_id, model, SIMILAR_ITEMS)
    loaded, ids = load_model(found.fitted), found.ids("item")
    top = loaded.similar_items(np.array([_row_of(wanted, loaded, ids, found)]), n)
    listed = top.items[0][top.items[0] >= 0]
    names = ids.take(listed).to_pylist()
    named = items_of(target, names)
    rows = tuple(
        Recommended(place + 1, named[name], float(top.scores[0, place]), model)
        for place, name in enumerate(names)
    )
    return SimilarItems(wanted, rows), found.note


def compare_items(home: Home, target: Target, item: str, other: str, model: str | None = None) -> ItemPair:
    """Return how similar two items are, and at which place the second stands among all.

    Args:
        home: of the night.
        target: its serving database.
        item, other: ids, titles or parts of titles, as typed.
        model: the name of a fitted model of the live run; by default the one that made the published similar items.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: as `similar_items_by`; or both are the same item.
    """
    if model is not None:
        check_has_use(model, SIMILAR_ITEMS)
    pair = find_item(target, item), find_item(target, other)
    if pair[0] == pair[1]:
        raise UsageError(
            f"{item!r} and {other!r} are the same item, {pair[0].label}.", "Give two different ones."
        )
    found = _model(home, _live_run(home, target), model, SIMILAR_ITEMS)
    loaded, ids = load_model(found.fitted), found.ids("item")
    row, column = (_row_of(each, loaded, ids, found) for each in pair)
    top = loaded.similar_items(np.array([row]), len(ids))
    places = np.flatnonzero(top.items[0] == column)
    return ItemPair(
        *pair,
        model=loaded.name,
        run_id=found.run.run_id,
        similarity=float(top.scores[0, places[0]]) if len(places) else None,
        place=int(places[0]) + 1 if len(places) else None,
        n_similar=int((top.items[0] >= 0).sum()),
        n_known=int(loaded.known_items_.sum()) - 1,
        note=found.note,
    )


def similar_users(home: Home, target: Target, user: str, n: int, model: str | None = None) -> SimilarUsersOf:
    """Return the users most similar to one, and what they both like.

    Args:
        home: of the night.
        target: its serving database.
        user: the user's id as typed.
        n: users at most.
        model: the name of a fitted model of the live run; by default the best that can compare users, the champion
            first.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: the id is not of the target's type, or the model does not know the user; or the run has no such
            model, or the model does not compare users.
    """
    if model is not None:
        check_has_use(model, SIMILAR_USERS)
    user_id = parse_id(user, target.ids.user, "user")
    found = _model(home, _live_run(home, target), model, SIMILAR_USERS)
    ids = found.ids("user")
    row = pc.index(ids, pa.scalar(user_id, ids.type)).as_py()
    if row < 0:
        raise UsageError(
            f"There is no user {user_id} in the data of run {found.run.run_id}.",
            f"Give one that is there, such as {ids[0]}.",
        )
    loaded = load_model(found.fitted)
    assert isinstance(loaded, UserSimilarityRecommender)  # noqa: S101  (`SIMILAR_USERS` finds only such)
    if not loaded.known_users_[row]:
        raise UsageError(
            f"{loaded.name} does not know user {user_id}: nothing that it learns from is theirs.",
            "Another model may: --model NAME",
        )
    nearest = loaded.similar_users(row, n)
    shared = _shared_items(load_matrix(found.snapshot.folder, "positive"), row, nearest.users)
    item_ids = found.ids("item")
    named = items_of(target, {item_ids[item].as_py() for items in shared for item in items[:_N_SHARED]})
    rows = tuple(
        SimilarUser(
            ids[other].as_py(),
            float(similarity),
            len(items),
            tuple(named[item_ids[item].as_py()].label for item in items[:_N_SHARED]),
        )
        for other, similarity, items in zip(*nearest, shared, strict=True)
    )
    return SimilarUsersOf(user_id, loaded.name, found.run.run_id, rows, found.note)


def _live_run(home: Home, target: Target) -> Run:
    """Return the record of the run whose lists are live."""
    live = target.live_run()
    if live is None:
        raise no_lists(target.place)
    run = Runs(home.runs).find(live)
    if run is None:
        raise UsageError(
            f"The models of run {live}, whose lists are live, are not kept in {home.path}.",
            "A night fits new ones: recs run",
        )
    return run


def _model(home: Home, run: Run, model: str | None, use: Use) -> FoundModel:
    """Return `model`, or the best one for the use; for items that is the one that made the published lists."""
    if model is not None:
        return find_model(home, run.run_id, model, use)
    published_by = run.settings.get("recommend", {}).get("similar_model")
    return best_model(home, run.run_id, use, first=published_by if use is SIMILAR_ITEMS else None)


def _row_of(item: Item, model: Recommender, ids: pa.Array, found: FoundModel) -> int:
    """Return the row of an item.

    Raises:
        UsageError: the model does not know the item.
    """
    row: int = pc.index(ids, pa.scalar(item.item_id, ids.type)).as_py()
    if row >= 0 and model.known_items_[row]:
        return row
    why = "it is not in the data" if row < 0 else "nothing that it learns from is of this item"
    raise UsageError(
        f"{model.name} of run {found.run.run_id} does not know {item.label}: {why}.",
        f"The published list may: recs similar {item.item_id}",
    )


def _shared_items(likes: sparse.csr_array, user: int, others: Sequence[int] | np.ndarray) -> list[np.ndarray]:
    """Return the items that the user and each of some others like, those that the fewest users like first."""
    n_likes = np.bincount(likes.indices, minlength=likes.shape[1])
    mine = likes.indices[slice(*likes.indptr[user : user + 2])]
    both = (np.intersect1d(mine, likes.indices[slice(*likes.indptr[other : other + 2])]) for other in others)
    return [items[np.argsort(n_likes[items], kind="stable")] for items in both]
