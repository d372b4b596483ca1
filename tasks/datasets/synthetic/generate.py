"""Generate the demo data set: what invented users do with invented films, and what is known of both, offline.

Users mix four of sixteen tastes, items belong to two (`taste_model.py`); tastes drift, new items rise and fade, few
users and few items have much of the activity. Friends are alike, and so are films of one director or series. Users act
in blocks, one after the other, so that memory does not grow with the number of ratings.
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
from tasks.datasets.synthetic.friendships import Friendships, follow_friends, make_friendships
from tasks.datasets.synthetic.taste_model import make_item_samplers
from tasks.datasets.synthetic.users import MIN_RATINGS, Users, make_users
from tasks.datasets.synthetic.vocabulary import (
    GENDERS,
    GENRES,
    NO_GENRES,
    PLACES,
    REGIONS,
    make_director_names,
    make_titles,
)
from tasks.errors import UsageError

FILES = (
    "ratings.csv",
    "tags.csv",
    "movies.csv",
    "events.csv",
    "users.csv",
    "links.csv",
    "relations.csv",
)
BLOCK_PAIRS = 24_000_000
BLOCK_RATINGS = 250_000
_STARS = np.array([f"{half / 2}" for half in range(11)])


@dataclass(frozen=True)
class GeneratedCounts:
    """Rows written to each file; `users` is the number of users in ratings.csv, users.csv has the newcomers, too."""

    users: int
    items: int
    ratings: int
    tags: int
    events: int
    links: int
    relations: int

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
    """Write `FILES` into `folder`, the same bytes for the same arguments; a file without rows is not written.

    Users, items, ratings and tags come out exactly as many as asked; the other numbers follow from them.
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
    friendships = make_friendships(audience, np.random.default_rng([seed, 5]))
    audience = follow_friends(audience, friendships)
    with atomic_folder(folder) as fresh:
        relations = _write_catalogue(fresh, catalogue, np.random.default_rng([seed, 3]))
        _write_audience(fresh, audience, friendships)
        events = _write_activity(fresh, audience, catalogue, seed, progress)
    return GeneratedCounts(users, items, ratings, tags, events, len(friendships.user), relations)


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


def _write_catalogue(folder: Path, items: Items, rng: np.random.Generator) -> int:
    """Write movies.csv and relations.csv; return the number of relations."""
    titles, series = make_titles(items.main_taste, items.year, items.series, items.part, rng)
    names = make_director_names(int(items.director.max()) + 1, rng)
    directors = [names[director] for director in items.director]
    with (folder / "movies.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("movieId", "title", "genres", "director", "year"))
        for index, title in enumerate(titles):
            genres = "|".join(GENRES[g] for g in np.flatnonzero(items.genres[index]))
            rows.writerow((index + 1, title, genres or NO_GENRES, directors[index], items.year[index]))
    nodes = np.array([f"item:{index + 1}" for index in range(len(titles))])
    in_series = np.flatnonzero(items.part)
    in_series = in_series[np.lexsort((items.part[in_series], items.series[in_series]))]
    later = np.flatnonzero(items.part[in_series] > 1)
    relations = (
        ("directed_by", nodes, directors),
        ("part_of", nodes[in_series], [series[s] for s in items.series[in_series]]),
        ("sequel_of", nodes[in_series[later]], nodes[in_series[later - 1]]),
        ("filmed_in", nodes, _look_up(PLACES, items.place)),
    )
    with _Table(folder / "relations.csv", "head,relation,tail") as table:
        for relation, heads, tails in relations:
            table.append(heads, [relation] * len(heads), tails)
    return sum(len(heads) for _, heads, _ in relations)


def _write_audience(folder: Path, users: Users, friendships: Friendships) -> None:
    """Write users.csv, and links.csv if there are friendships."""
    with _Table(folder / "users.csv", "userId,age,gender,region") as table:
        ids = np.arange(1, len(users.age) + 1)
        table.append(ids, users.age, _look_up(GENDERS, users.gender), _look_up(REGIONS, users.region))
    if len(friendships.user):
        with _Table(folder / "links.csv", "userId,friendId,timestamp") as table:
            table.append(friendships.user + 1, friendships.friend + 1, friendships.time)


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
    """Blocks of consecutive users: at most BLOCK_RATINGS ratings and BLOCK_PAIRS user × item pairs, or one user.

    The newcomers, who come last, are in none.
    """
    start, given = 0, np.cumsum(users.ratings[users.ratings > 0])
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
