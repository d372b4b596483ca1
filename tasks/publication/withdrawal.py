"""Withdraw users and items from all kept runs in one transaction: readers see the lists of all others, whole, always.

The checksum of a run is made anew if its lists were as published before: `recs verify` then holds as it did. Tests kill
it at the steps that `on_step` is called with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from tasks.publication.checksum import Digest
from tasks.publication.targets import schema
from tasks.publication.targets.base import OnStep, Target, ignore_steps
from tasks.publication.targets.schema import KINDS, Kind
from tasks.storage.warehouse import SQL

log = logging.getLogger(__name__)

Id = int | str
_LISTED: Mapping[Kind, str] = {
    "recommendations": "item_id", "similar_items": "similar_item_id", "fallback_recommendations": "item_id",
}  # fmt: skip
"""The column of the listed item."""


@dataclass(frozen=True)
class Withdrawn:
    """The rows that were withdrawn.

    Attributes:
        runs: the runs whose lists held something.
        rows: how many rows their tables have less.
        unlike_published: those of the runs whose lists were not as published before; `recs verify` still says so.
    """

    runs: tuple[int, ...]
    rows: int
    unlike_published: tuple[int, ...]


def withdraw(
    target: Target,
    users: Sequence[Id],
    items: Sequence[Id],
    on_step: OnStep = ignore_steps,
    blank: Callable[[str], str] = str,
) -> Withdrawn:
    """Remove users and items from the lists of all runs, from `seen_since` and from `items`; then erase the bytes.

    Idempotent. Runs that were loaded and never live are dropped, as the next night would do.

    Args:
        target: the serving database, opened by its owner.
        users: ids of the type that the database has.
        items: likewise.
        on_step: called with `leftovers_removed`, `removed` (after each run), `before_commit`, `withdrawn`, `erased`.
        blank: takes the users' ids out of a text, such as the reason of a night.

    Raises:
        LockedError: a night is publishing there.
        TransientError: a reader's open transaction keeps deleted bytes; another call goes on.
    """
    with target.publication_lock():
        target.remove_leftovers(resuming=None)
        on_step("leftovers_removed")
        with target.write() as con:
            done = _withdraw(con, target, users, items, on_step)
            _blank_reasons(con, blank)
            on_step("before_commit")
        on_step("withdrawn")
        kept = [run.run_id for run in target.published_runs()]  # also those that a killed call has seen to
        target.erase_deleted([schema.run_table_name(kind, run) for run in kept for kind in KINDS])
        on_step("erased")
    return done


def _withdraw(
    con: sa.Connection, target: Target, users: Sequence[Id], items: Sequence[Id], on_step: OnStep
) -> Withdrawn:
    con.execute(sa.select(schema.active_run).with_for_update())  # no rollback and no prune meanwhile
    temporary = _forgotten_tables(con, target, users, items)
    runs, rows, unlike = [], 0, []
    for run, digest in con.execute(
        sa.select(schema.published_runs.c.run_id, schema.published_runs.c.digest)
    ).all():
        if not _holds_any(con, target, run):
            continue
        before = _count(con, target, run)
        is_as_published = digest is not None and _digest(con, target, run) == digest
        _remove_from_run(con, run)
        after = _count(con, target, run)
        changed: dict[str, object] = {"rows": after["recommendations"]}
        if is_as_published:
            changed["digest"] = _digest(con, target, run)
        elif digest is not None:
            unlike.append(run)
        for table in (schema.published_runs, schema.pipeline_runs):
            named = {name: value for name, value in changed.items() if name in table.c}
            con.execute(table.update().where(table.c.run_id == run).values(named))
        runs.append(run)
        rows += sum(before.values()) - sum(after.values())
        on_step("removed")
    _run_file(con, "remove_seen.sql")
    _run_file(con, "remove_from_catalogue.sql")
    for table in temporary:
        con.execute(sa.schema.DropTable(table))
    return Withdrawn(tuple(runs), rows, tuple(unlike))


def _blank_reasons(con: sa.Connection, blank: Callable[[str], str]) -> None:
    """Take ids out of the reasons of nights, which may name a file or quote a row."""
    runs = schema.pipeline_runs
    for run, reason in con.execute(sa.select(runs.c.run_id, runs.c.reason)).all():
        if reason and blank(reason) != reason:
            con.execute(runs.update().where(runs.c.run_id == run).values(reason=blank(reason)))


def _forgotten_tables(
    con: sa.Connection, target: Target, users: Sequence[Id], items: Sequence[Id]
) -> list[sa.Table]:
    """Create the temporary tables `forgotten_users` and `forgotten_items`, fill them, and return them."""
    tables, seen = [], schema.seen_since_table(target.ids)
    for name, ids in (("user_id", users), ("item_id", items)):
        table = sa.Table(
            f"forgotten_{name.removesuffix('_id')}s",
            sa.MetaData(),
            sa.Column(name, seen.c[name].type, primary_key=True, autoincrement=False),
            prefixes=["temporary"],
        )
        con.execute(sa.schema.CreateTable(table))
        if ids:
            con.execute(table.insert(), [{name: each} for each in dict.fromkeys(ids)])
        tables.append(table)
    return tables


def _holds_any(con: sa.Connection, target: Target, run: int) -> bool:
    """Return whether the lists of a run hold a forgotten user or item."""
    users, items = (sa.table(f"forgotten_{name}s", sa.column(f"{name}_id")) for name in ("user", "item"))
    for kind in KINDS:
        table = schema.run_table(kind, run, target.ids)
        for column in table.c:
            forgotten = users if column.name == "user_id" else items
            if column.name.endswith("_id") and con.scalar(
                sa.select(sa.literal(1)).where(column.in_(sa.select(*forgotten.c))).limit(1)
            ):
                return True
    return False


def _remove_from_run(con: sa.Connection, run: int) -> None:
    names = {kind: schema.run_table_name(kind, run) for kind in KINDS}
    _run_file(con, "remove_users.sql", lists=names["recommendations"])
    _run_file(con, "remove_reasons.sql", lists=names["recommendations"])
    _run_file(con, "remove_similar_items.sql", lists=names["similar_items"])
    for kind, item in _LISTED.items():
        owner, _ = schema.primary_key_of(kind)
        _run_file(con, "remove_items.sql", lists=names[kind], owner=owner, item=item, others=_others(kind))


def _others(kind: Kind) -> str:
    """The columns of a kind of list but the rank, separated by commas; the same whatever the types of ids."""
    table = schema.run_table(kind, 1, schema.IdTypes("TEXT", "TEXT"))
    return ", ".join(column.name for column in table.c if column.name != "rank")


def _count(con: sa.Connection, target: Target, run: int) -> dict[Kind, int]:
    tables = {kind: schema.run_table(kind, run, target.ids) for kind in KINDS}
    return {
        kind: con.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for kind, table in tables.items()
    }


def _digest(con: sa.Connection, target: Target, run: int) -> str:
    digest = Digest()
    for kind in KINDS:
        for block in target.rows_as_seen_by(con, run, kind):
            digest.add(kind, block)
    return digest.hexdigest()


def _run_file(con: sa.Connection, name: str, **names: str) -> None:
    """Run the statements of a file of sql/serving/forget, with the names of our own tables and columns filled in."""
    for statement in _statements((SQL / "serving/forget" / name).read_text(encoding="utf-8")):
        con.exec_driver_sql(statement.format(**names))


def _statements(script: str) -> Iterator[str]:
    without_comments = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    yield from (each.strip() for each in without_comments.split(";") if each.strip())
