"""What the lists of a run hold, read from its artifacts: who gets what and why, and what changed since before."""

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
    """One place of a list; `reason` is the title of the item of the user's own past that it leans on most."""

    rank: int
    item_id: Id
    title: str
    genres: tuple[str, ...]
    model: str
    reason: str | None


@dataclass(frozen=True)
class UserList:
    """The best of one user's list, and what the user liked best before, as (title, stars or None)."""

    user_id: Id
    n_seen: int
    liked: tuple[tuple[str, float | None], ...]
    rows: tuple[Listed, ...]


@dataclass(frozen=True)
class Kept:
    """How many of the best `top` items of users with an earlier list stood there before.

    `users[i]` is the number of users with i items kept; `n_new` the number of users without an earlier list.
    """

    top: int
    users: tuple[int, ...]
    n_new: int

    @property
    def share(self) -> float:
        """The mean share of a list that was there before."""
        places = self.top * sum(self.users)
        return sum(kept * n for kept, n in enumerate(self.users)) / places if places else 0.0


@dataclass(frozen=True)
class Mover:
    """An item, and how many users found it among their best before and now."""

    item_id: Id
    title: str
    was: int
    now: int


def exposure(lists: Lists, snapshot: Snapshot) -> NDArray[np.int64]:
    """How many places each item of the snapshot takes on the lists: (n_items,)."""
    items = str(snapshot.folder / "items.parquet")
    return np.array(_rows("report/exposure.sql", lists=_file(lists), items=items), np.int64).reshape(-1)


def kept_since(lists: Lists, earlier: Lists, top: int = TOP) -> Kept:
    """How much of everybody's earlier list is still there, among the best `top`."""
    users = [0] * (top + 1)
    n_new = 0
    for kept, n in _rows("report/kept.sql", lists=_file(lists), earlier=_file(earlier), top=top):
        if kept is None:
            n_new = n
        else:
            users[kept] = n
    return Kept(top, tuple(users), n_new)


def movers(lists: Lists, earlier: Lists, n: int, top: int = TOP) -> tuple[Mover, ...]:
    """The n items whose number of users changed most, the greatest changes first."""
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
    """The best `top` of each of `users` that has a list."""
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
    """n users from the least to the most active, evenly over all users with a history, the same every time."""
    seen = load_matrix(snapshot.folder, "seen")
    activity = np.diff(seen.indptr)
    order = np.argsort(activity, kind="stable")
    places = np.unique(((np.arange(n) + 0.5) / n * len(order)).astype(np.int64))
    indices = order[places[places < len(order)]]
    ids = pq.read_table(snapshot.folder / "users.parquet")["user_id"].take(indices).to_pylist()
    liked = _liked(lists, snapshot, indices)
    found = best_of(lists, ids)
    return tuple(
        UserList(user, int(activity[index]), mine, found[user])
        for user, index, mine in zip(ids, indices, liked, strict=True)
        if user in found
    )


def titles(lists: Lists) -> dict[Id, tuple[str, tuple[str, ...]]]:
    """The title and genres of every item in the catalogue."""
    table = pq.read_table(_catalogue(lists))
    columns = (table[name].to_pylist() for name in ("item_id", "title", "genres"))
    return {
        item: (_title(item, title), tuple(genres.split("|")) if genres else ())
        for item, title, genres in zip(*columns, strict=True)
    }


def _liked(
    lists: Lists, snapshot: Snapshot, indices: NDArray[np.int64]
) -> list[tuple[tuple[str, float | None], ...]]:
    """What users liked best: by their stars, the latest first among equals, then what they liked otherwise."""
    positive, rating, when = (
        load_matrix(snapshot.folder, name) for name in ("positive", "rating", "timestamp")
    )
    item_ids = pq.read_table(snapshot.folder / "items.parquet")["item_id"].to_pylist()
    known = titles(lists)
    shown = []
    for user in indices:
        items = positive.indices[positive.indptr[user] : positive.indptr[user + 1]]
        stars, moments = _row(rating, user), _row(when, user)
        best = sorted(items, key=lambda i: (-stars.get(i, 0.0), -moments.get(i, 0), i))[:_N_LIKED]
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
    """The result of a statement over files alone: the warehouse is not asked."""
    with duckdb.connect() as con:
        return run_file(con, file, **parameters).fetchall()


def _file(lists: Lists) -> str:
    return str(lists.folder / "recommendations.parquet")


def _catalogue(lists: Lists) -> str:
    return str(lists.folder / "items.parquet")


def _title(item: Id, title: str | None) -> str:
    return title if title is not None else f"item {item}"
