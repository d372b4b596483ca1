"""Queries for the command line: a user's list and history, similar items, recorded runs."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb
import sqlalchemy as sa

from tasks.artifacts import IdType
from tasks.config.settings import Settings, UtilitySettings
from tasks.errors import NightError, UsageError
from tasks.publication.errors import NoListsError, OtherOwnerError, RunsCommandError, WrongIdError, no_lists
from tasks.publication.targets.base import Target
from tasks.publication.targets.connect import read_target, serving_url
from tasks.publication.targets.schema import items_table
from tasks.storage.home import Home, homes_nearby, in_use
from tasks.storage.run_records import Runs
from tasks.storage.warehouse import run_file

Id = int | str
_BIGINT = range(-(2**63), 2**63)
_CANDIDATES = 10


@dataclass(frozen=True)
class Item:
    """One item of the catalogue. Title and genres (joined by '|') are None if the data has none."""

    item_id: Id
    title: str | None
    genres: str | None

    @property
    def label(self) -> str:
        """The title, or "item <id>" without one."""
        return self.title or f"item {self.item_id}"


@dataclass(frozen=True)
class Recommended:
    """One row of a list.

    Attributes:
        rank: from 1.
        item: the recommended item.
        score: not increasing with rank.
        model: the model that placed the row; None in the fallback list and for similar items.
        because_of: title, or "item <id>" without one, of the liked item that explains the row; None if there is none.
    """

    rank: int
    item: Item
    score: float
    model: str | None = None
    because_of: str | None = None


@dataclass(frozen=True)
class Liked:
    """An item that the user liked. `what` is 'rated' or an event's name, `value` the stars or the event's value."""

    item: Item
    what: str
    value: float | None
    at: datetime


@dataclass(frozen=True)
class ShownList:
    """A user's list as shown at login, and what the user liked before.

    Attributes:
        user_id: the user.
        run_id: the live run.
        personal: False if the list is the fallback list.
        rows: the list, best first.
        liked: items that the user liked, best first.
        liked_note: why `liked` could not be read; empty if it was read.
    """

    user_id: Id
    run_id: int
    personal: bool
    rows: tuple[Recommended, ...]
    liked: tuple[Liked, ...]
    liked_note: str


@dataclass(frozen=True)
class SimilarItems:
    """An item and the items most similar to it.

    Attributes:
        item: the item.
        rows: most similar first; their `model` is None in the published lists.
    """

    item: Item
    rows: tuple[Recommended, ...]


@dataclass(frozen=True)
class RecordedRun:
    """One run in the serving database: its row of `pipeline_runs` and the state of its lists.

    Attributes:
        live: readers see its lists.
        kept: its lists are kept, and a rollback can show them.
        held_back: it was rolled back by hand.
        bytes: size of its lists on disk; None if they are gone or the size is unknown.
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
    """Open the serving database of a home read-only.

    Raises:
        NoListsError: there is none yet.
        UsageError: it belongs to another home.
    """
    with name_home_in_hints(home), read_target(serving_url(home, settings)) as target:
        target.check_owner(home.owner)
        yield target


@contextmanager
def name_home_in_hints(home: Home) -> Iterator[None]:
    """Complete the commands in hints with `--home`: the serving database, which raises the errors, knows no home."""
    where = f"--home {shlex.quote(str(home.path))}"
    try:
        yield
    except NoListsError as error:
        error.hint = _how_to_get_lists(home, where)
        raise
    except (RunsCommandError, OtherOwnerError) as error:
        error.hint += f" {where}"
        raise
    except WrongIdError as error:
        if others := homes_nearby(home.path):
            error.hint += (
                f" These are the lists of {home.path}; other homes at hand: {', '.join(map(str, others))}. "
                "Name one with --home."
            )
        raise


def _how_to_get_lists(home: Home, where: str) -> str:
    newest = next(iter(Runs(home.runs).all()), None)
    if in_use(home):
        return "A night is running; look again when it has ended."
    if newest is not None and newest.status in ("check_failed", "failed"):
        outcome = "failed" if newest.status == "failed" else "was held back"
        return f"The last night {outcome}: recs report {where} says why."
    return f"Publish some with: recs run {where}"


def likes_of_live_run(home: Home, target: Target, settings: Settings) -> UtilitySettings:
    """Return the settings that say what a like is, as the live run had them.

    The present ones are returned if the home has no record of that run, as after `recs adopt`.
    """
    live = target.live_run()
    run = None if live is None else Runs(home.runs).find(live)
    recorded = {} if run is None else run.settings.get("utility", {})
    names = ("relevant_rating", "positive_events")
    if not all(name in recorded for name in names):
        return settings.utility
    return settings.utility.model_copy(update={name: recorded[name] for name in names})


def show(
    target: Target, user: str, n: int, *, warehouse: Path, utility: UtilitySettings, n_liked: int = 10
) -> ShownList:
    """Return the list that a user gets at login, and what the user liked before.

    Args:
        target: the serving database.
        user: the user's id as typed.
        n: rows of the list at most, 1 or more.
        warehouse: path of the DuckDB file with ratings and events; `liked_note` says if it cannot be read.
        utility: the rating and the events that count as liking.
        n_liked: liked items at most.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: the id is not of the target's type.
    """
    found = list_at_login(target, user, n)
    liked, note = _liked_before(warehouse, found.user_id, utility, n_liked)
    return replace(found, liked=liked, liked_note=note)


def list_at_login(target: Target, user: str, n: int) -> ShownList:
    """Return the list that a user gets at login, without what the user liked.

    Args:
        target: the serving database.
        user: the user's id as typed.
        n: rows of the list at most, 1 or more.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: the id is not of the target's type.
    """
    user_id = parse_id(user, target.ids.user, "user")
    _require_lists(target)
    rows = target.query("serving/login.sql", user=user_id, n=n, segment=None)
    return ShownList(
        user_id=user_id,
        run_id=rows[0].run_id if rows else target.live_run() or 0,
        personal=bool(rows and rows[0].is_personal),
        rows=tuple(_recommended(row, row.model, _because_of(row)) for row in rows),
        liked=(),
        liked_note="",
    )


def similar(target: Target, item: str, n: int) -> SimilarItems:
    """Return the items most similar to one.

    Args:
        target: the serving database.
        item: id, title or part of a title, as typed.
        n: items at most.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: no item matches, or several do (the hint lists them).
    """
    found = find_item(target, item)
    rows = target.query("serving/similar.sql", item=found.item_id, n=n)
    return SimilarItems(found, tuple(_recommended(row) for row in rows))


def find_item(target: Target, text: str) -> Item:
    """Return the item with this id; else with this title; else this title before a year; else this in its title.

    The first of these conditions that any item meets decides.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: no item matches, or several do (the hint lists them).
    """
    _require_lists(target)
    items = items_table(target.ids)
    for condition in _conditions(items, target.ids.item, text):
        found = _matching(target, items, condition)
        if len(found) == 1:
            return found[0]
        if found:
            raise _several_match(text, found)
    with target.read() as con:
        titled = con.execute(sa.select(items).where(items.c.title.is_not(None)).limit(1)).first() is not None
        [example] = con.execute(sa.select(sa.func.min(items.c.item_id))).one()
    if titled:
        raise UsageError(f"No item has the id {text!r}, nor that in its title.", "Try one word of its title.")
    raise UsageError(
        f"No item has the id {text!r}.", f"Items have no titles here: give an id, such as {example}."
    )


def find_items(target: Target, texts: Sequence[str]) -> tuple[list[Item], list[str]]:
    """Return the items that some texts name by id or by whole title, with its year or without, in their order.

    Args:
        target: the serving database.
        texts: ids and titles, as typed.

    Returns:
        The items; and a phrase for each text that names none: the text, and what it may mean if a title holds it.

    Raises:
        NoListsError: nothing has been published yet.
        UsageError: a text is the title of several items (the hint lists them).
    """
    _require_lists(target)
    table, items, unknown = items_table(target.ids), [], []
    for text in texts:
        *exact, part = _conditions(table, target.ids.item, text)
        found = next((found for condition in exact if (found := _matching(target, table, condition))), [])
        if len(found) > 1:
            raise _several_match(text, found)
        items += found
        if not found:
            near = _matching(target, table, part)[:1] if len(text) > 2 else []
            hint = "".join(f" (did you mean {item.item_id}: {item.title}?)" for item in near)
            unknown.append(f"{text!r}{hint}")
    return items, unknown


def items_of(target: Target, ids: Iterable[Id]) -> dict[Id, Item]:
    """Return the items of some ids, by id; those that the catalogue lacks have neither title nor genres."""
    table, wanted = items_table(target.ids), list(ids)
    with target.read() as con:
        rows = con.execute(sa.select(table).where(table.c.item_id.in_(wanted)))
        found = {row.item_id: Item(*row) for row in rows}
    return {item: found.get(item, Item(item, None, None)) for item in wanted}


def runs(target: Target) -> list[RecordedRun]:
    """Return every recorded run, newest first."""
    return [_recorded(row) for row in target.query("serving/runs.sql")] if target.has_schema else []


def why_no_record(home: Home, settings: Settings, run_id: int) -> str:
    """Return why a home lacks the record of a run: the run came with an adopted database; else an empty text."""
    try:
        with lists_of(home, settings) as target:
            published = {run.run_id for run in runs(target)}
    except NightError:  # whatever is wrong with the database, the run has no record
        return ""
    if run_id not in published:
        return ""
    return (
        f"Run {run_id} was published by the home from which {home.path} took over its database: the lists were "
        "adopted, the record of the night was not."
    )


def _require_lists(target: Target) -> None:
    if target.live_run() is None:
        raise no_lists(target.place)


def parse_id(text: str, id_type: IdType, what: str) -> Id:
    """Parse an id as typed. Any text is a TEXT id; a BIGINT id is an integer of 64 bits.

    Raises:
        WrongIdError: it is no integer where ids are.
    """
    if id_type == "TEXT":
        return text
    if re.fullmatch(r"[+-]?[0-9]{1,19}", text) and int(text) in _BIGINT:
        return int(text)
    digits = re.search(r"[0-9]{1,18}", text)
    suggestion = f"Did you mean {int(digits[0])}?" if digits else "Give a number, such as 42."
    raise WrongIdError(
        f"{what.capitalize()} ids are whole numbers here, and {text!r} is not one of them.", suggestion
    )


def _conditions(items: sa.Table, id_type: IdType, text: str) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that an item can meet: this id; this title; this title before a year; this in its title."""
    title = sa.func.lower(items.c.title)
    conditions: list[sa.ColumnElement[bool]] = [
        title == sa.func.lower(text),
        # 'Toy Story' for 'Toy Story (1995)'
        title.like(sa.func.lower(_escape_like(text) + " (____)"), escape="/"),
        title.like(sa.func.lower(f"%{_escape_like(text)}%"), escape="/"),
    ]
    if id_type == "TEXT" or re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        conditions.insert(0, items.c.item_id == parse_id(text, id_type, "item"))
    return conditions


def _matching(target: Target, items: sa.Table, condition: sa.ColumnElement[bool]) -> list[Item]:
    """Return the first items that meet a condition, by title: one more than an error shows."""
    wanted = sa.select(items).where(condition).order_by(items.c.title).limit(_CANDIDATES + 1)
    with target.read() as con:
        return [Item(*row) for row in con.execute(wanted)]


def _escape_like(text: str) -> str:
    """Return a pattern for `like … escape '/'` that matches the text itself."""
    return re.sub(r"[/%_]", r"/\g<0>", text)


class SeveralItemsError(UsageError):
    """A text names several items: `found` are the first of them."""

    def __init__(self, message: str, hint: str, found: Sequence[Item]) -> None:
        super().__init__(message, hint)
        self.found = tuple(found)


def _several_match(text: str, found: list[Item]) -> SeveralItemsError:
    several = f"More than {_CANDIDATES}" if len(found) > _CANDIDATES else str(len(found))
    names = "\n".join(f"  {item.item_id}: {item.title}" for item in found[:_CANDIDATES])
    return SeveralItemsError(
        f"{several} items match {text!r}.", f"Give the id of one:\n{names}", found[:_CANDIDATES]
    )


def _liked_before(
    warehouse: Path, user_id: Id, utility: UtilitySettings, n: int
) -> tuple[tuple[Liked, ...], str]:
    """Return what the user liked, and why that could not be read: a running night locks the warehouse."""
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
        if "lock" in str(error).lower():  # DuckDB has neither a class nor a code for a locked file
            return (), "A night is running and owns the warehouse; look again when it has ended."
        return (), f"The warehouse at {warehouse} cannot be read."
    except duckdb.CatalogException:
        return (), "The warehouse holds no clean data yet."
    except duckdb.BinderException:
        return (), "The warehouse is of an earlier version; the next night brings it up to date."
    return tuple(Liked(Item(*row[:3]), *row[3:]) for row in found), ""


def _recommended(
    row: sa.Row[tuple[object, ...]], model: str | None = None, because_of: str | None = None
) -> Recommended:
    return Recommended(row.rank, Item(row.item_id, row.title, row.genres), row.score, model, because_of)


def _because_of(row: sa.Row[tuple[object, ...]]) -> str | None:
    return None if row.reason_item_id is None else row.because_of or f"item {row.reason_item_id}"


def _recorded(row: sa.Row[tuple[object, ...]]) -> RecordedRun:
    as_of, started_at, finished_at = map(_to_datetime, (row.as_of, row.started_at, row.finished_at))
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


def _to_datetime(value: datetime | str | None) -> datetime | None:
    """Convert a time that SQLite stored as text."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value
