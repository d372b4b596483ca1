"""Build the clean tables from landed text: typed, without repeats; rejected rows go to quarantine with reasons.

A source whose files are those of the last cleaning stays as it is. Where files were only added, only their rows are
typed, and added to the clean ones (`clean_plan.py`). Rows and counts are the same as if all were cleaned anew.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime

import duckdb
from duckdb.value.constant import LongValue, StringValue, Value

from tasks.artifacts import CleanData, IdType, Intake, Source, SourceCounts
from tasks.config.data_settings import DataSettings, IdChoice
from tasks.config.list_settings import NO_EFFECT_ON_LISTS
from tasks.errors import NightError, UsageError
from tasks.ingestion.clean_plan import CleanPlan, full_plan, partial_plan, record_state
from tasks.ingestion.input_files import SOURCES
from tasks.ingestion.reject_advice import advise_on_rejects
from tasks.ingestion.repeats import find_repeats
from tasks.storage.artifact_store import from_json
from tasks.storage.cache_key import SOURCE, fingerprint
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file, transaction

log = logging.getLogger(__name__)

# `auto` ids are integers when at least this share of them looks like one.
INTEGER_SHARE = 0.99

_ID_EXAMPLE: dict[IdType, Value] = {"BIGINT": LongValue(0), "TEXT": StringValue("")}
_BASIC: tuple[Source, ...] = ("ratings", "tags", "events", "items")
_FURTHER: tuple[Source, ...] = ("users", "links", "relations")
"""The sources that describe users and items, which most data sets do not have."""
_CHOSEN_TYPE: dict[IdChoice, IdType] = {"integer": "BIGINT", "text": "TEXT"}


class _NotExtendableError(Exception):
    """New rows cannot be added to a clean table: how they and the earlier ones follow each other depends on more."""


def _in_short(data: CleanData) -> str:
    rejected = sum(counts.quarantined for counts in data.counts)
    counted = f"{sum(counts.clean for counts in data.counts):,} clean rows, {rejected:,} quarantined"
    return "; ".join((counted, *data.notes))


@stage("clean", stored=False, note=_in_short)
def clean(
    con: duckdb.DuckDBPyConnection,
    intake: Intake,
    settings: DataSettings,
    *,
    id_types: tuple[IdType, IdType] | None = None,
) -> CleanData:
    """Bring the clean tables and the quarantine up to date with the raw tables.

    Args:
        con: the warehouse, after `land`.
        intake: the result of `land`.
        settings: the rating scale, the id types, how late a time may be, and how many rejected rows are too many.
        id_types: the types of user and item ids that this home's first night chose; they replace `auto`.

    Returns:
        The counts of each source, the id types, and the extent of the interactions.

    Raises:
        ValueError: the warehouse holds other files than `intake`.
        UsageError: `settings` ask for other id types than the home's.
        NightError: a source has too many rejected rows (the quarantine then shows them, and the clean tables
            stay as they were), no interaction is left, or the counts do not add up.
    """
    landed = set(con.execute("select source, sha256 from landed_files").fetchall())
    if landed != {(file.source, file.sha256) for file in intake.files}:
        raise ValueError("these files are not landed in this warehouse")
    if id_types is not None:
        _check_id_types(settings, id_types)
    else:
        run_file(con, "warehouse/clean/rejection_reasons.sql")
        id_types = _decide_id_types(con, settings)
    base = fingerprint(
        settings.model_dump(mode="json", exclude=NO_EFFECT_ON_LISTS["data"]),
        id_types,
        SOURCE.hash("tasks.ingestion.land", "tasks.ingestion.clean"),
        duckdb.__version__,
    )
    key = fingerprint(intake.data_hash, base)
    known = con.execute("select reference from clean_state where key = ?", [key]).fetchone()
    if known is not None:
        return from_json(CleanData, json.loads(known[0]))
    run_file(con, "warehouse/clean/rejection_reasons.sql")
    plan = partial_plan(con, base)
    if plan is not None:
        try:
            return _carry_out(con, plan, settings, id_types, key, base)
        except _NotExtendableError as why:
            log.info("All rows are cleaned anew, because %s", why)
            run_file(con, "warehouse/clean/rejection_reasons.sql")
    return _carry_out(con, full_plan(con, SOURCES), settings, id_types, key, base)


def _carry_out(
    con: duckdb.DuckDBPyConnection,
    plan: CleanPlan,
    settings: DataSettings,
    id_types: tuple[IdType, IdType],
    key: str,
    base: str,
) -> CleanData:
    """Clean what `plan` says, in a transaction, and keep the result.

    Args:
        con: the warehouse, with the macros of rejection_reasons.sql.
        plan: the sources to clean.
        settings: as of `clean`.
        id_types: of user and item ids.
        key, base: see `record_state`.

    Raises:
        _NotExtendableError: rows cannot be added to a table; the clean tables are as they were.
        NightError: as `clean`.
    """
    user_type, item_type = id_types
    ids: dict[str, Value] = {"user_example": _ID_EXAMPLE[user_type], "item_example": _ID_EXAMPLE[item_type]}
    _quarantine(con, plan, settings, ids)
    with transaction(con):
        _build(con, plan, settings, ids)
        counts = _counts(con, plan)
        _check_balance(counts)
        _check_reject_shares(con, counts, settings)
        notes = _notes(con)
        newest, n_users, n_items = run_file(con, "warehouse/clean/extent.sql").fetchall()[0]
        if newest is None or not n_users:
            raise NightError("No rating, tag or event is left after cleaning.", "Deliver some.")
        # These belong to the key: which times lie in the future, and the times of rows that have none, depend on when
        # the files were landed.
        data_key = fingerprint(key, counts, newest)
        data = CleanData(data_key, counts, user_type, item_type, newest, n_users, n_items, notes)
        if SOURCE.is_current():  # else newer SQL may have run than the key says
            record_state(con, key, base, data)
    return data


def _build(
    con: duckdb.DuckDBPyConnection, plan: CleanPlan, settings: DataSettings, ids: dict[str, Value]
) -> None:
    """Bring the clean tables of the sources of `plan` up to date from the typed rows. Arguments as `_quarantine`."""
    find_repeats(con)
    run_file(con, "warehouse/clean/histories.sql")
    if con.execute("select exists (from deletions)").fetchone() == (True,):
        if plan.added:
            raise _NotExtendableError("new rows delete earlier ones")
        run_file(con, "warehouse/clean/deletions.sql")
    for source in _BASIC:
        if source in plan.rebuilt:
            run_file(con, f"warehouse/clean/clean_{source}.sql")
        elif source in plan.added:
            past = {"past_duplicates": plan.past_duplicates(source)}
            conflicts = run_file(con, f"warehouse/clean/extend_{source}.sql", **past).fetchone()
            if source == "ratings" and conflicts != (0,):
                raise _NotExtendableError("new ratings have user, item and time of earlier ones")
    run_file(con, "warehouse/clean/drop_typed_rows.sql")
    if plan.past is None:
        run_file(con, "warehouse/clean/no_further_sources.sql", **ids)
    for source in _FURTHER:
        if source in plan.with_files:
            run_file(con, f"warehouse/clean/clean_{source}.sql", directed=settings.links.directed)


def require_before(con: duckdb.DuckDBPyConnection, as_of: datetime) -> None:
    """Raise if `as_of` lies before every interaction of the clean tables: no user would get a list.

    Raises:
        UsageError: no interaction lies before `as_of`.
    """
    run_file(con, "warehouse/split/place_by_time.sql")
    run_file(con, "warehouse/split/interactions.sql")
    [(first,)] = con.sql("select min(happened_at) from interactions_before('infinity')").fetchall()
    if first is None or first >= as_of:
        raise UsageError(
            f"There is no interaction before {as_of}.", f"The first one is of {first}: give a later --as-of."
        )


def _check_id_types(settings: DataSettings, fixed: tuple[IdType, IdType]) -> None:
    for name, choice, kind in zip(
        ("user_id", "item_id"), (settings.user_id, settings.item_id), fixed, strict=True
    ):
        if choice != "auto" and _CHOSEN_TYPE[choice] != kind:
            raise UsageError(
                f"data.{name} asks for {choice} ids, but the first night fixed this home's to "
                f"{'integer' if kind == 'BIGINT' else 'text'}.",
                f"Set data.{name} to auto, or start a new home.",
            )


def _decide_id_types(con: duckdb.DuckDBPyConnection, settings: DataSettings) -> tuple[IdType, IdType]:
    shares = run_file(con, "warehouse/clean/integer_shares.sql").fetchone() or (None, None)
    return _id_type(settings.user_id, shares[0]), _id_type(settings.item_id, shares[1])


def _id_type(choice: IdChoice, integer_share: float | None) -> IdType:
    if choice != "auto":
        return _CHOSEN_TYPE[choice]
    return "BIGINT" if integer_share is not None and integer_share >= INTEGER_SHARE else "TEXT"


def _quarantine(
    con: duckdb.DuckDBPyConnection, plan: CleanPlan, settings: DataSettings, ids: dict[str, Value]
) -> None:
    """Type the rows of the plan's files into the staging tables and put the faulty ones into quarantine.

    Sources without such files are passed over: to plan their statements takes a tenth of a second.

    Args:
        con: the warehouse.
        plan: the files to type.
        settings: how the values are read.
        ids: a value of the type of user ids, and one of item ids, as parameters of the SQL.
    """
    not_rated = settings.ratings.not_rated
    scale = {
        "rating_min": settings.rating_min,
        "rating_max": settings.rating_max,
        "not_rated": [value for value in not_rated if not isinstance(value, str)],
        "not_rated_words": [value for value in not_rated if isinstance(value, str)],
    }
    future = {"max_future_days": settings.max_future_days}
    with transaction(con):
        # From here on the quarantine may describe other rows than the clean tables hold.
        con.execute("delete from clean_state")
        formats = {"without_times": list(settings.without_times), "files": list(plan.files)}
        run_file(con, "warehouse/clean/column_formats.sql", **formats)
        run_file(con, "warehouse/clean/absent_sources.sql", **ids)
        separator = settings.items.genre_separator
        if "items" in plan.rebuilt:
            run_file(con, "warehouse/clean/type_items.sql", **ids, genre_separator=separator)
            if settings.items.attributes:
                run_file(con, "warehouse/clean/type_attributes.sql", genre_separator=separator)
        further = {
            "constant_event": settings.events.constant_event,
            "item_prefix": settings.relations.item_prefix,
        }
        for source in plan.with_files:
            if source != "items":
                run_file(con, f"warehouse/clean/type_{source}.sql", **ids, **scale, **future, **further)
        run_file(con, "warehouse/clean/quarantine.sql", rebuilt=list(plan.rebuilt))


def _counts(con: duckdb.DuckDBPyConnection, plan: CleanPlan) -> tuple[SourceCounts, ...]:
    """Return the counts of all sources with files: those that were cleaned, and the others as they were."""
    rows = run_file(con, "warehouse/clean/source_counts.sql", kept_pairs=plan.past_pairs).fetchall()
    counts = [SourceCounts(*row) for row in rows]
    return tuple(sorted((*counts, *plan.kept_counts), key=lambda each: each.source))


def _check_balance(counts: tuple[SourceCounts, ...]) -> None:
    """Raise unless every row that came in is clean, a duplicate, in quarantine, deleted, a deletion, or forgotten."""
    for count in counts:
        if count.accounted_for != count.rows_in:
            raise NightError(
                f"The rows of {count.source} do not add up: {count.rows_in:,} came in, {count.clean:,} are "
                f"clean, {count.duplicates:,} duplicates, {count.quarantined:,} in quarantine, {count.deleted:,} "
                f"deleted, {count.deletions:,} deletions, {count.forgotten:,} forgotten.",
                "This is a bug: please report it with the files.",
            )


def _notes(con: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Return a phrase on each way of writing that was recognised in the files."""
    rows = run_file(con, "warehouse/clean/recognised_formats.sql").fetchall()
    return tuple(note for (note,) in rows)


def _check_reject_shares(
    con: duckdb.DuckDBPyConnection,
    counts: tuple[SourceCounts, ...],
    settings: DataSettings,
) -> None:
    limit = settings.max_reject_share
    for count in counts:
        if count.quarantined > limit * count.rows_in:
            top = ", ".join(f"{reason} ({n:,})" for reason, n in list(count.reasons.items())[:3])
            seen, advice = advise_on_rejects(con, count, settings)
            raise NightError(
                f"{count.quarantined:,} of {count.rows_in:,} rows of {count.source} were rejected, "
                f"{count.quarantined / count.rows_in:.1%}, more than the {limit:.1%} that "
                f"data.max_reject_share allows: {top}.{seen}",
                f"{advice}Look at them: {_look_at_quarantine(con, count.source)}",
            )
        if count.quarantined:
            reason, n = next(iter(count.reasons.items()))
            log.warning(
                "%s: %s of %s rows went to quarantine, most often because %s (%s)",
                count.source, f"{count.quarantined:,}", f"{count.rows_in:,}", reason, f"{n:,}",
            )  # fmt: skip


def _look_at_quarantine(con: duckdb.DuckDBPyConnection, source: Source) -> str:
    """Return a shell command that shows some rejected rows; it uses Python because DuckDB's shell is not installed."""
    place = con.execute("select path from duckdb_databases() where database_name = current_database()")
    [(path,)] = place.fetchall()
    query = f"from quarantine where source = '{source}' limit 20"
    program = f"import duckdb; duckdb.connect('{path}', read_only=True).sql('''{query}''').show()"
    return f'.venv/bin/python -c "{program}"'
