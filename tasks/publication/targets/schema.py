"""Tables and views of the serving database: the contract with applications, the same on every kind of database.

`docs/serving.md` explains each to application developers. Ids are BIGINT or TEXT, fixed when the schema is created.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, get_args

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import CreateView

from tasks.artifacts import IdType
from tasks.recommendation.trial_arms import VARIANT

Kind = Literal["recommendations", "similar_items", "fallback_recommendations"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""The kinds of lists that every run publishes: one table per run and kind, one view per kind."""

PREVIOUS = "previous_recommendations"
"""The view of the newest kept run before the live one; has the columns of `recommendations`, empty if there is none."""

_RUN_TABLE = re.compile(rf"(?:{'|'.join(KINDS)})_(\d+)")

SCHEMA_VERSION = 5
"""Increase by one whenever a table, a column or the login function changes. A database with a newer version is refused.

An older database gets the tables and columns that it lacks; no version has needed more so far. New columns must be
nullable, because existing rows have no value for them.
"""


class IdTypes(NamedTuple):
    """SQL types of user and item ids."""

    user: IdType
    item: IdType


def run_of(table: str) -> int | None:
    """Return the run to which the table of this name belongs; None if it is not a run's table."""
    found = _RUN_TABLE.fullmatch(table)
    return int(found[1]) if found else None


class UtcTime(sa.TypeDecorator[datetime]):
    """A UTC timestamp, stored without a zone. Takes `datetime` (naive means UTC) or ISO text."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | str | None, _: sa.Dialect) -> datetime | None:
        """Convert a `datetime` or ISO text to naive UTC."""
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.astimezone(UTC).replace(tzinfo=None) if moment and moment.tzinfo else moment


class _UtcNow(sa.ColumnElement[datetime]):
    """The current UTC time without a zone. PostgreSQL's current_timestamp has the session's time zone."""

    inherit_cache = True


@compiles(_UtcNow)
def _utc_now(*_: Any, **__: Any) -> str:
    return "current_timestamp"


@compiles(_UtcNow, "postgresql")
def _utc_now_in_postgresql(*_: Any, **__: Any) -> str:
    return "timezone('utc', now())"


_metadata = sa.MetaData()

schema_version = sa.Table(
    "schema_version",
    _metadata,
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("user_id_type", sa.Text, nullable=False),
    sa.Column("item_id_type", sa.Text, nullable=False),
)
active_run = sa.Table("active_run", _metadata, sa.Column("run_id", sa.BigInteger))
published_runs = sa.Table(
    "published_runs",
    _metadata,
    sa.Column("run_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("lists_key", sa.Text, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("switched_at", UtcTime),
    sa.Column(
        "digest", sa.Text
    ),  # checksum of all rows of the run's tables; null if an older version loaded them
    sa.Column("bytes", sa.BigInteger),  # size on disk with indexes; null if an older version loaded them
)
held_back_runs = sa.Table(
    "held_back_runs",
    _metadata,
    sa.Column("run_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("held_at", UtcTime, nullable=False),
)
pipeline_runs = sa.Table(
    "pipeline_runs",
    _metadata,
    sa.Column("run_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("as_of", UtcTime),
    sa.Column("started_at", UtcTime),
    sa.Column("finished_at", UtcTime),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("champion", sa.Text),
    sa.Column("rows", sa.BigInteger),
    sa.Column("reason", sa.Text),
)
ALL_USERS = "all"
"""The `segment` of `model_metrics` that holds all users; the others are slices of them."""

model_metrics = sa.Table(
    "model_metrics",
    _metadata,
    sa.Column("run_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("half", sa.Text, nullable=False),
    sa.Column("segment", sa.Text, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("k", sa.Integer),
    sa.Column("value", sa.Double),
    sa.Column("ci_low", sa.Double),
    sa.Column("ci_high", sa.Double),
    sa.Column("n_users", sa.BigInteger),
)
run_checks = sa.Table(
    "run_checks",
    _metadata,
    sa.Column("run_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("check", sa.Text, nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("limit", sa.Double),
    sa.Column("passed", sa.Boolean, nullable=False),
)
stage_times = sa.Table(
    "stage_times",
    _metadata,
    sa.Column("run_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("model", sa.Text),
    sa.Column("seconds", sa.Double),
    sa.Column("peak_mb", sa.Double),
    sa.Column("stored", sa.Boolean),  # taken from the artifact store; null if an older version ran the stage
)
run_drift = sa.Table(
    "run_drift",
    _metadata,
    sa.Column("run_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("measure", sa.Text, nullable=False),
    sa.Column("value", sa.Double),
    sa.Column("reference", sa.Double),
    sa.Column("n_nights", sa.Integer, nullable=False),
)

run_outcomes = sa.Table(
    "run_outcomes",
    _metadata,
    sa.Column("run_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("scored_by", sa.BigInteger, nullable=False, index=True),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("since", UtcTime, nullable=False),
    sa.Column("until", UtcTime, nullable=False),
    sa.Column(VARIANT, sa.Text),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("segment", sa.Text, nullable=False),
    sa.Column("metric", sa.Text, nullable=False),
    sa.Column("k", sa.Integer),
    sa.Column("value", sa.Double),
    sa.Column("ci_low", sa.Double),
    sa.Column("ci_high", sa.Double),
    sa.Column("n_users", sa.BigInteger),
    sa.Column("n_interactions", sa.BigInteger),
)

_ID_TYPES: Mapping[IdType, sa.types.TypeEngine[Any]] = {
    "BIGINT": sa.BigInteger(),
    "TEXT": sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),  # sorted by bytes, as SQLite does
}


def fixed_tables(ids: IdTypes) -> sa.MetaData:
    """Return all tables that do not belong to a single run, ready for `create_all`."""
    metadata = sa.MetaData()
    for table in _metadata.sorted_tables:
        table.to_metadata(metadata)
    items_table(ids, metadata)
    rules_table(ids, metadata)
    seen_since_table(ids, metadata)
    return metadata


def items_table(ids: IdTypes, metadata: sa.MetaData | None = None) -> sa.Table:
    """Return the catalogue: `items` (item_id, title, genres)."""
    return sa.Table(
        "items",
        metadata if metadata is not None else sa.MetaData(),
        sa.Column("item_id", _ID_TYPES[ids.item], primary_key=True, autoincrement=False),
        sa.Column("title", sa.Text),
        sa.Column("genres", sa.Text),
    )


def seen_since_table(ids: IdTypes, metadata: sa.MetaData | None = None) -> sa.Table:
    """Return `seen_since`: items seen since the lists were made. Applications write it; `login.sql` leaves them out."""
    return sa.Table(
        "seen_since",
        metadata if metadata is not None else sa.MetaData(),
        sa.Column("user_id", _ID_TYPES[ids.user], primary_key=True, autoincrement=False),
        sa.Column("item_id", _ID_TYPES[ids.item], primary_key=True, autoincrement=False),
        sa.Column("seen_at", UtcTime, nullable=False, server_default=_UtcNow()),
        sqlite_with_rowid=False,
    )


def rules_table(ids: IdTypes, metadata: sa.MetaData | None = None) -> sa.Table:
    """Return `item_rules`, the one table that people write, with constraints that refuse contradictory rules.

    The database names the constraint that failed. A database made by an earlier version keeps its looser constraints;
    `tasks.recommendation.item_rules.rules_on` reports the rows that they let through.
    """

    def check(name: str, condition: str, *, only: str | None = None) -> sa.CheckConstraint:
        constraint = sa.CheckConstraint(condition, name=name)
        return constraint if only is None else constraint.ddl_if(dialect=only)

    days = ("valid_from", "valid_until")
    return sa.Table(
        "item_rules",
        metadata if metadata is not None else sa.MetaData(),
        sa.Column("rule_id", sa.Integer, sa.Identity(), primary_key=True),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("item_id", _ID_TYPES[ids.item], nullable=False),
        sa.Column("position", sa.Integer),
        sa.Column("strength", sa.Double),
        *(sa.Column(day, sa.Date) for day in days),
        sa.Column("note", sa.Text),
        check("rule_is_block_pin_or_boost", "rule in ('block', 'pin', 'boost')"),
        check("only_a_pin_has_a_position", "rule = 'pin' or position is null"),
        check("position_counts_from_1", "position >= 1"),
        check("boost_has_a_strength", "rule <> 'boost' or strength is not null"),
        check("only_a_boost_has_a_strength", "rule = 'boost' or strength is null"),
        # SQLite columns take a value of any type.
        check("position_is_a_whole_number", "typeof(position) in ('integer', 'null')", only="sqlite"),
        check("strength_is_a_number", "typeof(strength) in ('real', 'null')", only="sqlite"),
        check(
            f"item_id_is_a_{'whole_number' if ids.item == 'BIGINT' else 'text'}",
            f"typeof(item_id) = '{'integer' if ids.item == 'BIGINT' else 'text'}'",
            only="sqlite",
        ),
        check("strength_is_between_minus_10_and_10", "strength between -10 and 10"),
        # SQLite has no date type, and its date() returns a 30th of February unchanged unless it has a modifier.
        *(
            check(
                f"{day}_is_a_day_as_2026_12_31",
                f"date({day}, '+0 days') is {day} and {day} >= '0001-01-01'",
                only="sqlite",
            )
            for day in days
        ),
        check("valid_from_is_not_after_valid_until", "valid_from <= valid_until"),
    )


def run_table_name(kind: Kind, run: int) -> str:
    """Return the name of the table that holds one kind of list of one run.

    This is the only place where a name is made from a value, and the value must be an integer.

    Raises:
        ValueError: `kind` is unknown or `run` is not a positive integer.
    """
    if kind not in KINDS or type(run) is not int or run < 1:
        raise ValueError(f"no table is named after {kind!r} and {run!r}")
    return f"{kind}_{run}"


def run_table(kind: Kind, run: int, ids: IdTypes) -> sa.Table:
    """Return the table of one kind of list of one run, clustered by primary key; its view adds the run_id."""
    return sa.Table(
        run_table_name(kind, run),
        sa.MetaData(),
        *_columns(kind, ids),
        sa.PrimaryKeyConstraint(*primary_key_of(kind)),
        sqlite_with_rowid=False,
    )


def primary_key_of(kind: Kind) -> tuple[str, str]:
    """Return the primary key of a run's table: the list's owner (user, item or segment) and the rank in it."""
    owners: Mapping[Kind, str] = {
        "recommendations": "user_id", "similar_items": "item_id", "fallback_recommendations": "segment",
    }  # fmt: skip
    return owners[kind], "rank"


def partitioned_table_name(kind: Kind) -> str:
    """Return the name of the PostgreSQL table of which the runs' tables are partitions."""
    return f"{kind}_by_run"


def partitioned_table(kind: Kind, ids: IdTypes) -> sa.Table:
    """Return the PostgreSQL table that is partitioned by run_id; it holds no rows itself."""
    run_id = sa.Column("run_id", sa.BigInteger, nullable=False)
    columns = (*_columns(kind, ids), run_id)
    return sa.Table(
        partitioned_table_name(kind), sa.MetaData(), *columns, postgresql_partition_by="list (run_id)"
    )


def partition(kind: Kind, run: int, ids: IdTypes) -> sa.Table:
    """Return a table to load and then attach to `partitioned_table`.

    It has no primary key yet. Its check constraint on run_id spares PostgreSQL a scan when the table is attached.
    """
    run_id = sa.Column("run_id", sa.BigInteger, nullable=False, server_default=sa.text(str(int(run))))
    single_run = sa.CheckConstraint(run_id == sa.literal_column(str(int(run))))
    return sa.Table(run_table_name(kind, run), sa.MetaData(), *_columns(kind, ids), run_id, single_run)


def _columns(kind: Kind, ids: IdTypes) -> tuple[sa.Column[Any], ...]:
    def user_id(name: str) -> sa.Column[Any]:
        return sa.Column(name, _ID_TYPES[ids.user], nullable=False)

    def item_id(name: str, *, nullable: bool = False) -> sa.Column[Any]:
        return sa.Column(name, _ID_TYPES[ids.item], nullable=nullable)

    rank = sa.Column("rank", sa.Integer, nullable=False)
    score = sa.Column("score", sa.Double, nullable=False)
    columns: Mapping[Kind, tuple[sa.Column[Any], ...]] = {
        "recommendations": (
            user_id("user_id"),
            rank,
            item_id("item_id"),
            score,
            sa.Column("model", sa.Text, nullable=False),
            sa.Column("model_score", sa.Double),
            item_id("reason_item_id", nullable=True),
            sa.Column(VARIANT, sa.Text),
        ),
        "similar_items": (item_id("item_id"), rank, item_id("similar_item_id"), score),
        "fallback_recommendations": (
            sa.Column("segment", _ID_TYPES["TEXT"], nullable=False),
            rank,
            item_id("item_id"),
            score,
        ),
    }
    return columns[kind]


def run_view(name: str, kind: Kind, run: int, ids: IdTypes, *, empty: bool = False) -> CreateView:
    """Return the statement that creates a view of one run's table.

    Args:
        name: the view's name.
        kind: which of the run's tables it shows.
        run: the run; becomes the column run_id after those of version 4.
        ids: types of user and item ids.
        empty: True for a view without rows.
    """
    table = run_table(kind, run, ids)
    run_id = sa.literal_column(str(int(run)), sa.BigInteger).label("run_id")
    added = [column for column in table.c if column.name == VARIANT]
    rows = sa.select(*(column for column in table.c if column.name != VARIANT), run_id, *added)
    return CreateView(rows.where(sa.false()) if empty else rows, name)
