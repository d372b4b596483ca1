"""Judge a model where it cannot know the user, or cannot know the item, from the training part.

New users have no interaction before the cutoff. After it, the first few items that they liked are given to the model,
and the others are looked for in its list. New users who have a link have a row in the training part all the same: they
are also judged with nothing given. New items have none before the cutoff, and are ranked apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.base import BoolArray, Recommender
from models.evaluation.cold_start import NEW_ITEMS, NEW_USERS, NEW_USERS_BY_SIDE_DATA
from models.evaluation.metrics import ranking_metrics
from models.interactions import load_matrix
from models.new_users import NewUsers
from models.personal_users import personal_users
from tasks.artifacts import HeldOut
from tasks.recommendation.backfill import lists_of_items


def judge_new_users(
    models: Sequence[Recommender], touched: BoolArray, held_out: HeldOut, ks: Sequence[int], folder: Path
) -> None:
    """Write the ranking metrics of new users for each number of likes given: `new_users_1.npz` and so on.

    As everywhere, all items of the training part are ranked, without those given, and the models after the first one
    complete its short lists. Without new users nothing is written, nor for a model that cannot make lists for users it
    was not trained on.

    Args:
        models: the model to judge, then those that complete its lists, in this order.
        touched: (n_items,) bool, items with an interaction before the cutoff.
        held_out: the cold users and what they liked.
        ks: the lengths at which lists are judged.
        folder: where to write arrays (n_cold,) in the order of `HeldOut`; NaN for users with no item left to find.
    """
    if not held_out.n_cold:
        return
    likes = _cold_likes(held_out, len(touched))
    for given, segment in NEW_USERS.items():
        first, later = likes.split_after(given)
        try:
            folded = [model.fold_in(first) for model in models]
        except NotImplementedError:
            return
        users = np.arange(held_out.n_cold)
        lists = lists_of_items(folded, users, max(ks), first.likes(), touched)
        np.savez(folder / f"{segment}.npz", allow_pickle=False, **ranking_metrics(lists, later.likes(), ks))


def judge_new_users_by_side_data(
    models: Sequence[Recommender], touched: BoolArray, held_out: HeldOut, ks: Sequence[int], folder: Path
) -> None:
    """Write `new_users_0.npz`, the ranking metrics of the lists that would be published for new users before any like.

    A new user whom the model does not know gets the list of the models after it. `known_new_users.npz` says of whom the
    model has learned something. Nothing is written where the training part has no row of a new user.

    Args:
        models: the model to judge, then those that complete its lists, in this order.
        touched: (n_items,) bool, items with an interaction before the cutoff.
        held_out: the cold users and what they liked.
        ks: the lengths at which lists are judged.
        folder: where to write arrays (n_cold,) in the order of `HeldOut`; NaN for users without a row.
    """
    users = np.load(held_out.folder / "cold_users.npz", allow_pickle=False)["user_idx"]
    there = np.flatnonzero(users >= 0)
    if not len(there):
        return
    lists = lists_of_items(models, users[there], max(ks), None, touched)
    relevant = load_matrix(held_out.folder, "cold_relevant")[there]
    found = {}
    for metric, values in ranking_metrics(lists, relevant, ks).items():
        found[metric] = np.full(len(users), np.nan)
        found[metric][there] = values
    np.savez(folder / f"{NEW_USERS_BY_SIDE_DATA}.npz", allow_pickle=False, **found)
    known = np.zeros(len(users), bool)
    known[there] = personal_users(models[0])[users[there]]
    np.savez(folder / "known_new_users.npz", allow_pickle=False, known=known)


def judge_new_items(
    model: Recommender, touched: BoolArray, held_out: HeldOut, ks: Sequence[int], folder: Path
) -> None:
    """Write `new_items.npz`, the ranking metrics of lists that only items without any interaction may be on.

    The lists are the model's alone: popularity could not complete them. Nothing is written for a model that knows no
    such item, or if no user liked one.

    Args:
        model: the model to judge.
        touched: (n_items,) bool, items with an interaction before the cutoff.
        held_out: the users who liked new items, and these items.
        ks: the lengths at which lists are judged.
        folder: where to write arrays (n_users,) in the order of `HeldOut`.
    """
    users = np.load(held_out.folder / "new_item_users.npz", allow_pickle=False)["user_idx"]
    if not len(users) or not (model.known_items_ & ~touched).any():
        return
    lists = lists_of_items([model], users, max(ks), None, ~touched)
    relevant = load_matrix(held_out.folder, "new_item_relevant")
    np.savez(folder / f"{NEW_ITEMS}.npz", allow_pickle=False, **ranking_metrics(lists, relevant, ks))


def _cold_likes(held_out: HeldOut, n_items: int) -> NewUsers:
    """Return the cold users with the items that they came to like, in the order in which they met them."""
    with np.load(held_out.folder / "cold_likes.npz", allow_pickle=False) as likes:
        starts = np.searchsorted(likes["row_idx"], np.arange(held_out.n_cold + 1))
        return NewUsers(likes["item_idx"].astype(np.int64), starts.astype(np.int64), n_items)
