"""Land the input files in the warehouse: each content once, as text, all of a night's files or none.

A `snapshot` file replaces what an earlier file at its path held, and its rows go when it leaves the folder.
An `append` file stays, and so does an increment, which arrives in `incoming/`. An increment that cannot be read is set
aside with a warning, so that one bad delivery does not cost a night; many of them stop it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from tasks.artifacts import Intake, LeftFile
from tasks.config.data_settings import DataSettings
from tasks.errors import NightError, TransientError, UsageError
from tasks.ingestion.file_digest import file_version
from tasks.ingestion.input_files import left_out
from tasks.ingestion.known_files import keep_known_files
from tasks.ingestion.landing_plan import Content, FolderFile, FolderLook, Plan, look_at_folder, make_plan
from tasks.ingestion.landing_warnings import (
    refuse_many_set_aside,
    warn_of_left_files,
    warn_of_new_columns,
    warn_of_readings,
)
from tasks.ingestion.read_errors import file_changed
from tasks.ingestion.read_file import read_input
from tasks.ingestion.read_together import read_together
from tasks.ingestion.refused_rows import NOTHING, Refusal, refuse_rows
from tasks.ingestion.settling import is_young
from tasks.storage.cache_key import SOURCE
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file, transaction

log = logging.getLogger(__name__)

# Raw rows depend on this module, and on what it imports: when it changes, the files in the folder are read again.
_READER = ("tasks.ingestion.land",)
_FIRST_LANDING = datetime(2020, 1, 1)
"""Before it there was no nightly-recs: a machine that claims to be there has lost its clock."""


class _UnreadIncrementError(Exception):
    """An increment cannot be read. Rolls back the landing, which then begins again without it."""

    def __init__(self, found: FolderFile, why: NightError) -> None:
        super().__init__(str(why))
        self.found, self.why = found, why


def plan_intake(
    con: duckdb.DuckDBPyConnection, folder: Path, settings: DataSettings, *, forgotten: Path | None = None
) -> Intake:
    """Return the files that would be live after landing `folder`. Hashes the files, and keeps the hashes.

    Args:
        con: the warehouse.
        folder: the input folder.
        settings: where each source is, its columns, and whether files are snapshots.
        forgotten: the home's list of forgotten ids, which need not exist.

    Raises:
        UsageError: there is no such folder, a source is there twice, a file that settings name is absent, or
            there is no interaction at all.
        NightError: a file cannot be read; a TransientError where another try may succeed.
    """
    reader = SOURCE.hash(*_READER)
    look = look_at_folder(con, folder, settings, reader, forgotten)
    plan = make_plan(con, folder, settings, look, reader)
    _keep(con, folder, look, plan)
    return plan.intake


@stage(
    "land",
    stored=False,
    retried=True,
    note=lambda intake: f"{len(intake.files)} file{'s' * (len(intake.files) != 1)}, {intake.new_files} new",
)
def land(
    con: duckdb.DuckDBPyConnection,
    input_folder: Path,
    settings: DataSettings,
    *,
    landed_at: datetime,
    forgotten: Path | None = None,
) -> Intake:
    """Bring the raw tables in line with `input_folder`, in one transaction; an error leaves them as they were.

    Args:
        con: the warehouse.
        input_folder: where the files are.
        settings: where each source is, its columns, and whether files are snapshots.
        landed_at: the time to record; without a zone it is UTC.
        forgotten: the home's list of forgotten ids, whose rows are refused; it need not exist.

    Raises:
        UsageError: as `plan_intake`, or a wrong separator, or a required column or the header is missing.
        NightError: a file is damaged, truncated, empty, or of another format or encoding; of the increments, too many.
        TransientError: a file is out of reach, or changed while it was read.
    """
    moment = (
        (landed_at if landed_at.tzinfo else landed_at.replace(tzinfo=UTC))
        .astimezone(UTC)
        .replace(tzinfo=None)
    )
    _mend_landing_times(con, moment)
    reader = SOURCE.hash(*_READER)
    look = look_at_folder(con, input_folder, settings, reader, forgotten)
    while True:
        plan = make_plan(con, input_folder, settings, look, reader)
        refuse_many_set_aside(input_folder, plan, settings)
        try:
            new_columns, found = _carry_out(con, input_folder, plan, moment)
        except _UnreadIncrementError as error:
            _leave(con, error, look, reader, settings)
        else:
            break
    _keep(con, input_folder, look, plan)
    warn_of_readings(found)
    warn_of_new_columns(new_columns)
    intake = plan.intake
    warn_of_left_files(input_folder, intake.deliveries)
    if stray := left_out(input_folder, settings, look.taken(input_folder), look.increments.strays):
        log.warning("%s", stray)
    return intake


def _keep(con: duckdb.DuckDBPyConnection, folder: Path, look: FolderLook, plan: Plan) -> None:
    with transaction(con):
        keep_known_files(con, folder, plan.hashed, look.waiting_versions(folder), look.known)


def _leave(
    con: duckdb.DuckDBPyConnection,
    error: _UnreadIncrementError,
    look: FolderLook,
    reader: str,
    settings: DataSettings,
) -> None:
    """Let an unreadable increment wait if it is young, else set it aside for as long as the same code would read it."""
    file = error.found.file
    why = str(error.why).removeprefix(f"{file.location} ")  # it is named beside
    if isinstance(error.why, TransientError) or is_young(file, look.known, settings.settle_seconds):
        look.waiting[file] = LeftFile(file.path, why)
        return
    look.set_aside[error.found.digest.sha256] = why
    con.execute(
        "insert into set_aside_files values ($path, $sha256, $reader, $why)",
        {"path": file.path, "sha256": error.found.digest.sha256, "reader": reader, "why": why},
    )


def _carry_out(
    con: duckdb.DuckDBPyConnection, folder: Path, plan: Plan, moment: datetime
) -> tuple[list[tuple[str, list[str]]], dict[str, list[Path]]]:
    """Remove, move and land contents in one transaction.

    Returns:
        The columns that only increments of tonight have, by path; and files by how they were read, if neither their
        names nor the settings say so.

    Raises:
        _UnreadIncrementError: an increment cannot be read; nothing has changed.
        NightError: as `land`.
    """
    found: dict[str, list[Path]] = {}
    with transaction(con):
        if plan.remove:
            run_file(con, "warehouse/land/remove_files.sql", file_ids=plan.remove)
        for content in plan.live:
            file = content.file
            if content.file_id is not None and content.landed_as not in (None, (file.path, file.kind)):
                run_file(
                    con, "warehouse/land/move_file.sql",
                    file_id=content.file_id, path=file.path, kind=file.kind,
                )  # fmt: skip
        [(newest,)] = con.execute("select coalesce(max(file_id), 0) from landed_files").fetchall()
        new = [
            replace(content, file_id=file_id, landed_at=content.landed_at or moment)
            for file_id, content in enumerate(
                (content for content in plan.live if content.file_id is None), start=newest + 1
            )
        ]
        together = read_together(con, new, plan.refusal)
        for content in new:
            if content.file_id not in together and content.found is not None:
                how = _land_content(con, content, content.found, plan.refusal)
                found.setdefault(how, []).append(content.found.file.location)
        if not SOURCE.is_current():  # other code may have read them than `reader` says: read them again
            con.execute("update landed_files set reader = '' where file_id > ?", [newest])
        new_columns = run_file(con, "warehouse/land/new_columns.sql", after=newest).fetchall()
        _require_rows(con, folder)
    return new_columns, found


def _mend_landing_times(con: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Correct landing times that a wrong clock recorded: they decide which times of the rows lie in the future."""
    with transaction(con):
        mended = run_file(
            con, "warehouse/land/mend_landing_times.sql", now=now, first=_FIRST_LANDING
        ).fetchall()
    if mended:
        path, was = mended[0]
        log.warning(
            "An earlier night ran under a wrong clock: %s was landed at %s. It now counts as landed at %s%s.",
            path, f"{was:%Y-%m-%d %H:%M}", f"{now:%Y-%m-%d %H:%M}",
            f", like {len(mended) - 1} more files" if len(mended) > 1 else "",
        )  # fmt: skip


def _land_content(
    con: duckdb.DuckDBPyConnection, content: Content, found: FolderFile, refusal: Refusal | None
) -> str:
    """Land a content; return how it was read if neither its name nor the settings say so.

    Raises:
        _UnreadIncrementError: it is an increment, and cannot be read.
        NightError: it is no increment, and cannot be read; or it lacks a required column.
    """
    file, location = content.file, found.file.location
    try:
        first_line, values, how, descriptions, ignored, is_numeric = read_input(
            con, found.file, found.reading, mixes_line_ends=found.digest.mixes_line_ends,
            as_numbers=refusal is None and not found.reading.partition,
        )  # fmt: skip
        if not file_version(location).is_same_file(found.digest.version):
            raise file_changed(location)
    except NightError as error:
        out_of_reach = isinstance(error, TransientError) and str(error) != str(file_changed(location))
        if not found.file.is_increment or isinstance(error, UsageError) or out_of_reach:
            raise
        raise _UnreadIncrementError(found, error) from error
    refused = NOTHING if refusal is None else refuse_rows(con, file.source, refusal, values.items())
    run_file(con, "warehouse/land/numbered_rows.sql")
    given = "".join(f", nullif(${ours}, '') as {ours}" for ours in values)
    columns = f" select *{given}"
    parameters: dict[str, Any] = {"file_id": content.file_id, "first_line": first_line, **values}
    if descriptions:
        each = ", ".join(f"description_{number}" for number in range(len(descriptions)))
        columns = f" select * exclude ({each}){given}, map($descriptions::text[], [{each}]) as described_by"
        parameters["descriptions"] = list(descriptions)
    kept = f" where {refused.condition}" if refused.condition else ""
    table = f"raw_numeric_{file.source}" if is_numeric else f"raw_{file.source}"
    con.execute(
        f"insert into {table} by name from numbered_rows($file_id, $first_line){columns}{kept}",
        parameters,
    )
    run_file(
        con, "warehouse/land/record_file.sql", file_id=content.file_id, columns=json.dumps(content.reading),
        reader=content.reader, landed_at=content.landed_at, ignored=list(ignored),
        forgotten=refused.rows, forgotten_lines=refused.lines, **asdict(file),
    )  # fmt: skip
    return how


def _require_rows(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Raise if all files of a source, parts that may each be empty, hold no row. Increments may."""
    empty = con.execute(
        "select source, min(path) from landed_files group by source "
        "having sum(rows) = 0 and not bool_and(kind = 'increment')"
    ).fetchone()
    if empty is not None:
        raise NightError(
            f"The {empty[0]} hold no row: {folder / empty[1]} and the files beside it have a header only.",
            "Deliver them again, or take them away.",
        )
