"""A small log of interactions, written by hand or drawn by hypothesis, and its clean tables in DuckDB."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain

import duckdb

EPOCH = datetime(2026, 1, 1)
AS_OF = EPOCH + timedelta(days=100)


def day(number: float) -> datetime:
    """Return the time that is `number` days after EPOCH."""
    return EPOCH + timedelta(days=number)


@dataclass(frozen=True)
class Log:
    """Rows: (user, item, rating, day), (user, item, tag, day), (user, item, event, value, day).

    Items are (item, title, genres[, attributes]), users (user, features), links (user, friend, weight, day or None),
    relations (head item, head entity, relation, tail item, tail entity).
    """

    ratings: list[tuple] = field(default_factory=list)
    tags: list[tuple] = field(default_factory=list)
    events: list[tuple] = field(default_factory=list)
    items: list[tuple] = field(default_factory=list)
    users: list[tuple] = field(default_factory=list)
    links: list[tuple] = field(default_factory=list)
    relations: list[tuple] = field(default_factory=list)
    directed: bool = False

    @property
    def interactions(self) -> list[tuple]:
        """(user, item, day) of all ratings, tags and events."""
        return [(row[0], row[1], row[-1]) for rows in (self.ratings, self.tags, self.events) for row in rows]


def make_clean_tables(con: duckdb.DuckDBPyConnection, log: Log, id_type: str = "bigint") -> None:
    """Create and fill the tables of sql/warehouse/schema.sql.

    A rating is superseded by the next rating of the same user and item, a tag by the next equal tag, a link by the next
    of the same pair.
    """
    columns = {
        "ratings": "rating double, rated_at timestamp, superseded_at timestamp",
        "tags": "tag text, tagged_at timestamp, superseded_at timestamp",
        "events": "event text, value double, happened_at timestamp, superseded_at timestamp",
    }
    for table, rest in columns.items():
        con.execute(f"create or replace table {table} (user_id {id_type}, item_id {id_type}, {rest})")
    con.execute(
        f"create or replace table items (item_id {id_type}, title text, genres text[], attributes map(text, text[]))"
    )
    con.execute(f"create or replace table users (user_id {id_type}, features map(text, text))")
    con.execute(
        f"create or replace table links (user_id {id_type}, friend_id {id_type}, weight double, linked_at timestamp, "
        "superseded_at timestamp, is_mutual boolean)"
    )
    con.execute(
        f"create or replace table relations (head_item {id_type}, head_entity text, relation text, "
        f"tail_item {id_type}, tail_entity text)"
    )
    links = _superseded([row for row in log.links if row[-1] is not None], lambda row: row[:2])
    links += [(*row, None) for row in log.links if row[-1] is None]
    rows = {
        "ratings": _superseded(log.ratings, lambda row: row[:2]),
        "tags": _superseded(log.tags, lambda row: row[:3]),
        "events": [(*row[:-1], day(row[-1]), None) for row in log.events],
        "items": [row if len(row) > 3 else (*row, {}) for row in log.items],
        "users": log.users,
        "links": [(*row, not log.directed) for row in links],
        "relations": log.relations,
    }
    for table, values in rows.items():
        if values:
            row = f"({', '.join('?' * len(values[0]))})"
            together = ", ".join([row] * len(values))  # one insert: DuckDB takes 1 ms per statement
            con.execute(f"insert into {table} values {together}", list(chain.from_iterable(values)))


def _superseded(rows, pair):
    following, done = {}, []
    for row in sorted(rows, key=lambda row: row[-1], reverse=True):
        done.append((*row[:-1], day(row[-1]), following.get(pair(row))))
        following[pair(row)] = day(row[-1])
    return done[::-1]
