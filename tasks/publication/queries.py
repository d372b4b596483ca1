"""Looking into the serving database: what a user gets and liked, what is like an item, what nights did."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import sqlalchemy as sa

from tasks.artifacts import IdType
from tasks.config.settings import Settings, UtilitySettings
from tasks.errors import NightError, UsageError
from tasks.publication.targets.base import Target
from tasks.publication.targets.connect import read_target, serving_url
from tasks.publication.targets.ownership import PUBLISH_SOME, no_lists
from tasks.publication.targets.schema import items_table
from tasks.storage.home import Home, in_use
from tasks.storage.run_records import Runs
from tasks.storage.warehouse import run_file

Id = int | str
_BIGINT = range(-(2**63), 2**63)
_CANDIDATES = 10


@dataclass(frozen=True)
class Item:
    """One item of the catalogue; title and genres (joined by '|') are None where the data has none."""

    item_id: Id
    title: str | None
    genres: str | None


@dataclass(frozen=True)
class Recommended:
    """One row of a list. `model` is None in the fallback list and for similar items.

    `because_of`: the title, or the id of an item without one, of what the user liked and the row leans on most.
    """

    rank: int
    item: Item
    score: float
    model: str | None = None
    because_of: str | None = None


@dataclass(frozen=True)
class Liked:
    """Something the user liked before. `what`: 'rated' or an event; `value`: stars, or the event's value."""

    item: Item
    what: str
    value: float | None
    at: datetime


@dataclass(frozen=True)
class ShownList:
    """What a user sees at login. `personal` is False where the list is the one for everybody.

    `liked_note` says why `liked` is empty, where that is not because the user liked nothing.
    """

    user_id: Id
    run_id: int
    personal: bool
    rows: tuple[Recommended, ...]
    liked: tuple[Liked, ...]
    liked_note: str


@dataclass(frozen=True)
class SimilarItems:
    """The items most like `item`."""

    item: Item
    rows: tuple[Recommended, ...]


@dataclass(frozen=True)
class RecordedRun:
    """One night in the serving database.

    Attributes:
        kept: a rollback can show it.
        held_back: rolled back by hand.
        bytes: what its lists take on disk, None where they are gone or nobody knows.
    """

    run_id: int
    as_of: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    status: str
    champion: str | None
    rows: int | None
    reason: str | None
    live: bool
    kept: bool
    held_back: bool
    bytes: int | None


@contextmanager
def lists_of(home: Home, settings: Settings) -> Iterator[Target]:
    """The serving database of a home, to look at.

    Raises:
        UsageError: there is none yet, or it is another home's.
    """
    with naming(home), read_target(serving_url(home, settings)) as target:
        target.refuse_unless_of(home.owner)
        yield target


@contextmanager
def naming(home: Home) -> Iterator[None]:
    """Hints of what knows only the serving database then say what to do in `home`, and no other."""
    try:
        yield
    except NightError as error:
        where = f"--home {shlex.quote(str(home.path))}"
        if error.hint == PUBLISH_SOME:
            error.hint = _how_to_get_lists(home, where)
        elif error.hint.endswith("recs runs"):
            error.hint += f" {where}"
        raise


def _how_to_get_lists(home: Home, where: str) -> str:
    newest = next(iter(Runs(home.runs).all()), None)
    if in_use(home):
        return "A night is running; look again when it has ended."
    if newest is not None and newest.status in ("check_failed", "failed"):
        became = "failed" if newest.status == "failed" else "was held back"
        return f"The last night {became}: recs report {where} says why."
    return f"Publish some with: recs run {where}"


def show(
    target: Target, user: str, n: int, *, warehouse: Path, utility: UtilitySettings, n_liked: int = 10
) -> ShownList:
    """The list that `user`, as typed, gets at login, and what that user liked before.

    Raises:
        UsageError: nothing is published yet, or the id is not of the target's type.
    """
    user_id = _to_id(user, target.ids.user, "user")
    _require_lists(target)
    rows = target.query("serving/login.sql", user=user_id, n=n, segment=None)
    liked, note = _liked_before(warehouse, user_id, utility, n_liked)
    return ShownList(
        user_id=user_id,
        run_id=rows[0].run_id if rows else target.live_run() or 0,
        personal=bool(rows and rows[0].is_personal),
        rows=tuple(_recommended(row, row.model, _reason(row)) for row in rows),
        liked=liked,
        liked_note=note,
    )


def similar(target: Target, item: str, n: int) -> SimilarItems:
    """The items most like the one whose id, title or part of a title is given.

    Raises:
        UsageError: nothing is published yet, no item matches, or several do (the hint lists them).
    """
    _require_lists(target)
    found = _find_item(target, item)
    rows = target.query("serving/similar.sql", item=found.item_id, n=n)
    return SimilarItems(found, tuple(_recommended(row) for row in rows))


def runs(target: Target) -> list[RecordedRun]:
    """Every recorded night, newest first."""
    return [_recorded(row) for row in target.query("serving/runs.sql")] if target.claimed else []


def _require_lists(target: Target) -> None:
    if target.live_run() is None:
        raise no_lists(target.place)


def _to_id(text: str, id_type: IdType, what: str) -> Id:
    """The id that somebody typed. Any text is a text id; of integers only 64 bits."""
    if id_type == "TEXT":
        return text
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text) and int(text) in _BIGINT:
        return int(text)
    digits = re.search(r"[0-9]{1,18}", text)
    near = f"Did you mean {int(digits[0])}?" if digits else "Give a number, such as 42."
    raise UsageError(
        f"{what.capitalize()} ids are whole numbers here, and {text!r} is not one of them.", near
    )


def _find_item(target: Target, text: str) -> Item:
    """The one item with this id, title, title before its year, or this in its title: the first that finds any."""
    items = items_table(target.ids)
    title, typed = sa.func.lower(items.c.title), sa.func.lower(text)
    conditions = [
        title == typed,
        title.like(
            sa.func.lower(_literally(text) + " (____)"), escape="/"
        ),  # 'Toy Story' for 'Toy Story (1995)'
        title.like(sa.func.lower(f"%{_literally(text)}%"), escape="/"),
    ]
    if target.ids.item == "TEXT" or re.fullmatch(r"[0-9]{1,18}", text):
        conditions.insert(0, items.c.item_id == _to_id(text, target.ids.item, "item"))
    with target.read() as con:
        for condition in conditions:
            wanted = sa.select(items).where(condition).order_by(items.c.title).limit(_CANDIDATES + 1)
            found = [Item(*row) for row in con.execute(wanted)]
            if len(found) == 1:
                return found[0]
            if found:
                raise _ambiguous(text, found)
    raise UsageError(f"No item has the id {text!r}, nor that in its title.", "Try one word of its title.")


def _literally(text: str) -> str:
    """A pattern for `like` with escape '/' that means the text itself."""
    return re.sub(r"[/%_]", r"/\g<0>", text)


def _ambiguous(text: str, found: list[Item]) -> UsageError:
    several = f"More than {_CANDIDATES}" if len(found) > _CANDIDATES else str(len(found))
    names = "\n".join(f"  {item.item_id}: {item.title}" for item in found[:_CANDIDATES])
    return UsageError(f"{several} items match {text!r}.", f"Give the id of one:\n{names}")


def _liked_before(
    warehouse: Path, user_id: Id, utility: UtilitySettings, n: int
) -> tuple[tuple[Liked, ...], str]:
    """What the user liked, or why that cannot be told: while a night runs, the warehouse is its own."""
    if not warehouse.exists():
        return (), f"There is no warehouse at {warehouse}."
    try:
        with duckdb.connect(warehouse, read_only=True) as con:
            con.execute("set timezone = 'UTC'")
            found = run_file(
                con,
                "inspect/liked_before.sql",
                user_id=user_id,
                relevant_rating=utility.relevant_rating,
                positive_events=list(utility.positive_events),
                n=n,
            ).fetchall()
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            return (), "A night is running and owns the warehouse; look again when it has ended."
        return (), f"The warehouse at {warehouse} cannot be read."
    except duckdb.CatalogException:
        return (), "The warehouse holds no clean data yet."
    return tuple(Liked(Item(*row[:3]), *row[3:]) for row in found), ""


def _recommended(
    row: sa.Row[tuple[object, ...]], model: str | None = None, because_of: str | None = None
) -> Recommended:
    return Recommended(row.rank, Item(row.item_id, row.title, row.genres), row.score, model, because_of)


def _reason(row: sa.Row[tuple[object, ...]]) -> str | None:
    return None if row.reason_item_id is None else row.because_of or f"item {row.reason_item_id}"


def _recorded(row: sa.Row[tuple[object, ...]]) -> RecordedRun:
    as_of, started_at, finished_at = map(_moment, (row.as_of, row.started_at, row.finished_at))
    return RecordedRun(
        row.run_id,
        as_of,
        started_at,
        finished_at,
        row.status,
        row.champion,
        row.rows,
        row.reason,
        live=bool(row.is_live),
        kept=bool(row.is_kept),
        held_back=bool(row.is_held_back),
        bytes=row.bytes,
    )


def _moment(value: datetime | str | None) -> datetime | None:
    """SQLite keeps moments as text."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value
