"""Generate the demo data set: ratings, tags, catalogue and events of invented users, from a seed, offline.

Users mix four of sixteen tastes, items belong to two (`taste_model.py`); tastes drift, new items rise and fade, few
users and few items have much of the activity. Users act in blocks, one after the other, so that memory does not grow
with the number of ratings.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from models.base import Progress
from tasks.datasets.atomic_folder import atomic_folder
from tasks.datasets.synthetic.activity import EVENTS, Events, Tags, Views, make_events, make_tags, make_views
from tasks.datasets.synthetic.catalogue import TAGS, Items, make_items
from tasks.datasets.synthetic.taste_model import make_item_samplers
from tasks.datasets.synthetic.users import MIN_RATINGS, Users, make_users
from tasks.datasets.synthetic.vocabulary import GENRES, NO_GENRES, make_titles
from tasks.errors import UsageError

FILES = ("ratings.csv", "tags.csv", "movies.csv", "events.csv")
BLOCK_PAIRS = 24_000_000
BLOCK_RATINGS = 250_000
_STARS = np.array([f"{half / 2}" for half in range(11)])


@dataclass(frozen=True)
class GeneratedCounts:
    """Rows written to each file; `users` is the number of users in ratings.csv."""

    users: int
    items: int
    ratings: int
    tags: int
    events: int

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in asdict(self).items())


def generate_demo(
    folder: Path,
    *,
    users: int = 2000,
    items: int = 3000,
    ratings: int = 200_000,
    tags: int = 20_000,
    seed: int = 7,
    progress: Progress | None = None,
) -> GeneratedCounts:
    """Write `FILES` into `folder`, the same bytes for the same arguments; without tags.csv for 0 tags.

    Users, items, ratings and tags come out exactly as many as asked; the number of events follows from them.
    The folder appears complete or not at all; one that holds anything is refused.

    Args:
        folder: where the files go.
        users, items, ratings, tags: how many; each user rates at least 5 items, at most 2/5 of the catalogue.
        seed: the only source of randomness.
        progress: called as progress(ratings done, ratings in all) after every block of users.

    Raises:
        UsageError: the numbers do not fit together, or `folder` holds something.
        NightError: the files cannot be written.
    """
    most = 2 * items // 5
    _refuse_impossible(users, items, ratings, tags, most)
    catalogue = make_items(items, np.random.default_rng([seed, 1]))
    audience = make_users(users, ratings, tags, most, np.random.default_rng([seed, 2]))
    with atomic_folder(folder) as fresh:
        _write_movies(fresh / "movies.csv", catalogue, np.random.default_rng([seed, 3]))
        events = _write_activity(fresh, audience, catalogue, seed, progress)
    return GeneratedCounts(users, items, ratings, tags, events)


def _refuse_impossible(users: int, items: int, ratings: int, tags: int, most: int) -> None:
    if users < 1 or most <= MIN_RATINGS:
        raise UsageError("a data set needs at least 1 user and 15 items", "Ask for more users or items.")
    if not MIN_RATINGS * users <= ratings <= most * users:
        raise UsageError(
            f"{ratings} ratings do not fit {users} users and {items} items",
            f"Ask for {MIN_RATINGS * users} to {most * users} ratings: {MIN_RATINGS} to {most} a user.",
        )
    if not 0 <= tags <= 2 * ratings:
        raise UsageError(f"{tags} tags do not fit {ratings} ratings", f"Ask for at most {2 * ratings} tags.")


def _write_movies(path: Path, items: Items, rng: np.random.Generator) -> None:
    titles = make_titles(items.main_taste, items.year, rng)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("movieId", "title", "genres"))
        for index, title in enumerate(titles):
            genres = "|".join(GENRES[g] for g in np.flatnonzero(items.genres[index]))
            rows.writerow((index + 1, title, genres or NO_GENRES))


def _write_activity(folder: Path, users: Users, items: Items, seed: int, progress: Progress | None) -> int:
    """Write all users' activity, block by block; return the number of events."""
    samplers = make_item_samplers(items.main_taste, items.second_taste, items.main_share, items.popularity)
    total, done, n_events = int(users.ratings.sum()), 0, 0
    with ExitStack() as files:
        ratings = files.enter_context(_Table(folder / "ratings.csv", "userId,movieId,rating,timestamp"))
        events = files.enter_context(_Table(folder / "events.csv", "userId,itemId,event,value,timestamp"))
        tags = None  # a night refuses a file without rows
        if users.tags.any():
            tags = files.enter_context(_Table(folder / "tags.csv", "userId,movieId,tag,timestamp"))
        for block in _blocks(users, len(items.popularity)):
            rng = np.random.default_rng([seed, 4, block.start])
            views = make_views(users, items, samplers, block, rng)
            happened = make_events(views, rng)
            ratings.append(*_rating_columns(views))
            if tags is not None:
                tags.append(*_tag_columns(make_tags(users, items, views, rng)))
            events.append(*_event_columns(happened))
            done, n_events = done + int(views.rated.sum()), n_events + len(happened.user)
            if progress:
                progress(done, total)
    return n_events


def _blocks(users: Users, n_items: int) -> Iterator[range]:
    """Blocks of consecutive users: at most BLOCK_RATINGS ratings and BLOCK_PAIRS user × item pairs, or one user."""
    start, given = 0, np.cumsum(users.ratings)
    while start < len(given):
        before = int(given[start - 1]) if start else 0
        stop = int(np.searchsorted(given, before + BLOCK_RATINGS, side="right"))
        stop = min(max(stop, start + 1), start + max(1, BLOCK_PAIRS // n_items), len(given))
        yield range(start, stop)
        start = stop


def _rating_columns(views: Views) -> tuple[Any, ...]:
    rated = views.rated
    return (
        views.user[rated] + 1,
        views.item[rated] + 1,
        _look_up(_STARS, views.half_stars[rated]),
        views.time[rated],
    )


def _tag_columns(tags: Tags) -> tuple[Any, ...]:
    return tags.user + 1, tags.item + 1, _look_up(TAGS, tags.tag), tags.time


def _event_columns(events: Events) -> tuple[Any, ...]:
    return events.user + 1, events.item + 1, _look_up(EVENTS, events.event), events.value, events.time


def _look_up(vocabulary: Any, index: Any) -> pa.Array:
    return pa.array(list(vocabulary), pa.string()).take(pa.array(index))


class _Table:
    """A CSV file to which blocks of columns are appended. No value may need quotes."""

    _options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")

    def __init__(self, path: Path, header: str) -> None:
        self._file = path.open("wb")
        self._file.write(f"{header}\n".encode())
        self._names = header.split(",")

    def append(self, *columns: Any) -> None:
        table = pa.table([pa.array(column) for column in columns], names=self._names)
        arrow_csv.write_csv(table, self._file, self._options)

    def __enter__(self) -> _Table:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
