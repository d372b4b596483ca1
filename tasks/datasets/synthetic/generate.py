"""Generate the demo data set: what invented users do with invented films, and what is known of both, offline.

Users mix four of sixteen tastes, items belong to two (`taste_model.py`); tastes drift, new items rise and fade, few
users and few items have much of the activity. Friends are alike, and so are films of one director or series. Users act
in blocks, a few at a time, so that memory does not grow with the number of ratings.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from models.base import Progress
from tasks.datasets.atomic_folder import atomic_folder
from tasks.datasets.synthetic.activity import EVENTS, Events, Tags, Views, make_events, make_tags, make_views
from tasks.datasets.synthetic.catalogue import TAGS, Items, make_items
from tasks.datasets.synthetic.csv_table import CsvTable, csv_rows, look_up
from tasks.datasets.synthetic.friendships import Friendships, follow_friends, make_friendships
from tasks.datasets.synthetic.in_order import in_order
from tasks.datasets.synthetic.public_sets import Size
from tasks.datasets.synthetic.taste_model import ItemSamplers, make_item_samplers
from tasks.datasets.synthetic.users import DEFAULT_HABITS, Habits, Users, make_users
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
    users: int = Size.users,
    items: int = Size.items,
    ratings: int = Size.ratings,
    tags: int = Size.tags,
    seed: int = 7,
    events: bool = True,
    habits: Habits = DEFAULT_HABITS,
    progress: Progress | None = None,
) -> GeneratedCounts:
    """Write `FILES` into `folder`, the same bytes for the same arguments; a file without rows is not written.

    Users, items, ratings and tags come out exactly as many as asked; the other numbers follow from them.
    The folder appears complete or not at all; one that holds anything is refused.

    Args:
        folder: where the files go.
        users, items, ratings, tags: how many; each user rates at most 2/5 of the catalogue.
        seed: the only source of randomness.
        events: write events.csv. The other files are the same without it.
        habits: how the users rate.
        progress: called as progress(ratings done, ratings in all) after every block of users.

    Raises:
        UsageError: the numbers do not fit together, or `folder` holds something.
        NightError: the files cannot be written.
    """
    most = 2 * items // 5
    _refuse_impossible(Size(users, items, ratings, tags), habits.least, most)
    catalogue = make_items(items, np.random.default_rng([seed, 1]))
    audience = make_users(users, ratings, tags, most, np.random.default_rng([seed, 2]), habits)
    friendships = make_friendships(audience, np.random.default_rng([seed, 5]))
    audience = follow_friends(audience, friendships)
    with atomic_folder(folder) as fresh:
        relations = _write_catalogue(fresh, catalogue, np.random.default_rng([seed, 3]))
        _write_audience(fresh, audience, friendships)
        happened = _write_activity(fresh, _World(audience, catalogue, seed, events), progress)
    return GeneratedCounts(users, items, ratings, tags, happened, len(friendships.user), relations)


def _refuse_impossible(size: Size, least: int, most: int) -> None:
    if size.users < 1 or most <= least:
        few = 5 * (least + 1) // 2
        raise UsageError(f"a data set needs at least 1 user and {few} items", "Ask for more users or items.")
    if not least * size.users <= size.ratings <= most * size.users:
        raise UsageError(
            f"{size.ratings} ratings do not fit {size.users} users and {size.items} items",
            f"Ask for {least * size.users} to {most * size.users} ratings: {least} to {most} a user.",
        )
    if not 0 <= size.tags <= 2 * size.ratings:
        raise UsageError(
            f"{size.tags} tags do not fit {size.ratings} ratings", f"Ask for at most {2 * size.ratings} tags."
        )


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
        ("filmed_in", nodes, look_up(PLACES, items.place)),
    )
    with CsvTable(folder / "relations.csv", "head,relation,tail") as table:
        for relation, heads, tails in relations:
            table.append(csv_rows(heads, [relation] * len(heads), tails))
    return sum(len(heads) for _, heads, _ in relations)


def _write_audience(folder: Path, users: Users, friendships: Friendships) -> None:
    """Write users.csv, and links.csv if there are friendships."""
    with CsvTable(folder / "users.csv", "userId,age,gender,region") as table:
        ids = np.arange(1, len(users.age) + 1)
        known = look_up(GENDERS, users.gender), look_up(REGIONS, users.region)
        table.append(csv_rows(ids, users.age, *known))
    if len(friendships.user):
        with CsvTable(folder / "links.csv", "userId,friendId,timestamp") as table:
            table.append(csv_rows(friendships.user + 1, friendships.friend + 1, friendships.time))


@dataclass(frozen=True)
class _World:
    """Parameters of a block's activity; `events` is whether they are written."""

    users: Users
    items: Items
    seed: int
    events: bool


@dataclass(frozen=True)
class _Activity:
    """A block's rows of each file of `_HEADERS` that is written, and how many ratings and events they are."""

    lines: dict[str, pa.Buffer]
    ratings: int
    events: int


_HEADERS = {
    "ratings.csv": "userId,movieId,rating,timestamp",
    "events.csv": "userId,itemId,event,value,timestamp",
    "tags.csv": "userId,movieId,tag,timestamp",
}


def _write_activity(folder: Path, world: _World, progress: Progress | None) -> int:
    """Write all users' activity; return the number of events."""
    users, items = world.users, world.items
    samplers = make_item_samplers(items.main_taste, items.second_taste, items.main_share, items.popularity)
    has_rows = {"ratings.csv": True, "events.csv": world.events, "tags.csv": bool(users.tags.any())}
    total, done, n_events = int(users.ratings.sum()), 0, 0
    with ExitStack() as files:
        tables = {  # a night refuses a file without rows
            name: files.enter_context(CsvTable(folder / name, _HEADERS[name]))
            for name, some in has_rows.items()
            if some
        }
        blocks = _blocks(users, len(items.popularity))
        for activity in in_order(partial(_activity, world, samplers), blocks):
            for name, table in tables.items():
                table.append(activity.lines[name])
            done, n_events = done + activity.ratings, n_events + activity.events
            if progress:
                progress(done, total)
    return n_events


def _activity(world: _World, samplers: ItemSamplers, block: range) -> _Activity:
    """Draw what a block of users does. It depends on nothing that another block draws."""
    rng = np.random.default_rng([world.seed, 4, block.start])
    views = make_views(world.users, world.items, samplers, block, rng)
    happened = make_events(views, rng)  # drawn even if they are not written: the tags come after them
    lines = {"ratings.csv": csv_rows(*_rating_columns(views))}
    if world.users.tags.any():
        lines["tags.csv"] = csv_rows(*_tag_columns(make_tags(world.users, world.items, views, rng)))
    if world.events:
        lines["events.csv"] = csv_rows(*_event_columns(happened))
    n_events = len(happened.user) if world.events else 0
    return _Activity(lines, int(views.rated.sum()), n_events)


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
        look_up(_STARS, views.half_stars[rated]),
        views.time[rated],
    )


def _tag_columns(tags: Tags) -> tuple[Any, ...]:
    return tags.user + 1, tags.item + 1, look_up(TAGS, tags.tag), tags.time


def _event_columns(events: Events) -> tuple[Any, ...]:
    return events.user + 1, events.item + 1, look_up(EVENTS, events.event), events.value, events.time
