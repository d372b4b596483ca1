"""Samples of a run's lists, from its artifacts: what a few users get and why, and what changed since earlier lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.interactions import load_matrix
from tasks.artifacts import Lists, Snapshot
from tasks.storage.warehouse import run_file

Id = int | str
TOP = 10
_N_LIKED = 5


@dataclass(frozen=True)
class Listed:
    """One place of a list. `reason` is the title of the item in the user's history that explains it best."""

    rank: int
    item_id: Id
    title: str
    genres: tuple[str, ...]
    model: str
    reason: str | None


@dataclass(frozen=True)
class UserList:
    """The top of one user's list; `liked` are the items that the user liked best before, as (title, stars or None)."""

    user_id: Id
    n_seen: int
    liked: tuple[tuple[str, float | None], ...]
    rows: tuple[Listed, ...]


@dataclass(frozen=True)
class Kept:
    """The kept part of the earlier lists: `users[i]` users have i items of their earlier `top` among the `top` now.

    `n_new` is the number of users without an earlier list; they are not in `users`.
    """

    top: int
    users: tuple[int, ...]
    n_new: int

    @property
    def share(self) -> float:
        """The mean share of a list's top that was there before."""
        places = self.top * sum(self.users)
        return sum(kept * n for kept, n in enumerate(self.users)) / places if places else 0.0


@dataclass(frozen=True)
class Mover:
    """An item, and the number of users who had it in the top of their list before (`was`) and now."""

    item_id: Id
    title: str
    was: int
    now: int


def exposure(lists: Lists, snapshot: Snapshot) -> NDArray[np.int64]:
    """Return how many lists hold each item of the snapshot: (n_items,)."""
    items = str(snapshot.folder / "items.parquet")
    return np.array(_rows("report/exposure.sql", lists=_file(lists), items=items), np.int64).reshape(-1)


def kept_since(lists: Lists, earlier: Lists, top: int = TOP) -> Kept:
    """Return how much of the `top` of every earlier list is still in the `top`.

    Args:
        lists: of a run.
        earlier: the lists of another run.
        top: how far down each list to look.
    """
    users = [0] * (top + 1)
    n_new = 0
    for kept, n in _rows("report/kept.sql", lists=_file(lists), earlier=_file(earlier), top=top):
        if kept is None:
            n_new = n
        else:
            users[kept] = n
    return Kept(top, tuple(users), n_new)


def movers(lists: Lists, earlier: Lists, n: int, top: int = TOP) -> tuple[Mover, ...]:
    """Return the items whose number of users changed most, the greatest changes first.

    Args:
        lists: of a run.
        earlier: the lists of another run.
        n: how many items to return at most.
        top: how far down each list to look.
    """
    rows = _rows(
        "report/movers.sql",
        lists=_file(lists),
        earlier=_file(earlier),
        top=top,
        n=n,
        catalogue=_catalogue(lists),
    )
    return tuple(Mover(item, _title(item, title), was, now) for item, title, was, now in rows)


def best_of(lists: Lists, users: list[Id], top: int = TOP) -> dict[Id, tuple[Listed, ...]]:
    """Return the first places of some users' lists, by user; users without a list are left out.

    Args:
        lists: of a run.
        users: external ids.
        top: how many places.
    """
    rows = _rows(
        "report/best_of.sql",
        lists=_file(lists),
        catalogue=_catalogue(lists),
        users=[str(user) for user in users],
        top=top,
    )
    found: dict[Id, list[Listed]] = {user: [] for user in users}
    for user, rank, item, title, genres, model, reason, reason_title in rows:
        because = None if reason is None else _title(reason, reason_title)
        tags = tuple((genres or "").split("|")) if genres else ()
        found[user].append(Listed(rank, item, _title(item, title), tags, model, because))
    return {user: tuple(rows) for user, rows in found.items() if rows}


def sample_users(lists: Lists, snapshot: Snapshot, n: int) -> tuple[UserList, ...]:
    """Return n users and their lists, spread evenly over all users with a history, from the least to the most active.

    The same lists and snapshot give the same users. Users without a list are left out.

    Args:
        lists: of a run.
        snapshot: the history of the users.
        n: how many users to look at.
    """
    seen = load_matrix(snapshot.folder, "seen")
    activity = np.diff(seen.indptr)
    order = np.argsort(activity, kind="stable")[np.count_nonzero(activity == 0) :]
    places = np.unique(((np.arange(n) + 0.5) / n * len(order)).astype(np.int64))
    indices = order[places[places < len(order)]]
    ids = pq.read_table(snapshot.folder / "users.parquet")["user_id"].take(indices).to_pylist()
    liked = liked_best(lists, snapshot, indices, _N_LIKED)
    found = best_of(lists, ids)
    return tuple(
        UserList(user, int(activity[index]), mine, found[user])
        for user, index, mine in zip(ids, indices, liked, strict=True)
        if user in found
    )


def titles(lists: Lists) -> dict[Id, tuple[str, tuple[str, ...]]]:
    """Return title and genres of every item in the catalogue."""
    table = pq.read_table(_catalogue(lists))
    columns = (table[name].to_pylist() for name in ("item_id", "title", "genres"))
    return {
        item: (_title(item, title), tuple(genres.split("|")) if genres else ())
        for item, title, genres in zip(*columns, strict=True)
    }


def liked_best(
    lists: Lists, snapshot: Snapshot, indices: NDArray[np.int64], n: int
) -> list[tuple[tuple[str, float | None], ...]]:
    """Return the items that each user liked best, by stars, the latest first among equals; unrated ones last.

    Args:
        lists: of a run, with the titles.
        snapshot: the history of the users.
        indices: of users in the snapshot.
        n: how many items of each user at most.

    Returns:
        For each user (title, stars or None).
    """
    positive, rating, when = (
        load_matrix(snapshot.folder, name) for name in ("positive", "rating", "timestamp")
    )
    item_ids = pq.read_table(snapshot.folder / "items.parquet")["item_id"].to_pylist()
    known = titles(lists)
    shown = []
    for user in indices:
        items = positive.indices[positive.indptr[user] : positive.indptr[user + 1]]
        stars, moments = _row(rating, user), _row(when, user)
        best = sorted(items, key=lambda i: (-stars.get(i, 0.0), -moments.get(i, 0), i))[:n]
        names = (item_ids[item] for item in best)
        shown.append(
            tuple(
                (known[name][0] if name in known else _title(name, None), stars.get(item))
                for name, item in zip(names, best, strict=True)
            )
        )
    return shown


def _row(matrix: Any, user: int) -> dict[int, float]:
    here = slice(matrix.indptr[user], matrix.indptr[user + 1])
    return dict(zip(matrix.indices[here].tolist(), matrix.data[here].tolist(), strict=True))


def _rows(file: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Return the rows of a statement over files alone, in a database of its own: the warehouse may be busy."""
    with duckdb.connect() as con:
        return run_file(con, file, **parameters).fetchall()


def _file(lists: Lists) -> str:
    return str(lists.folder / "recommendations.parquet")


def _catalogue(lists: Lists) -> str:
    return str(lists.folder / "items.parquet")


def _title(item: Id, title: str | None) -> str:
    return title if title is not None else f"item {item}"
