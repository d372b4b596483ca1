"""Land the input files in the warehouse: each content once, as text, all of a night's files or none.

A `snapshot` file replaces what an earlier file at its path held, and its rows go when it leaves the folder.
An `append` file stays.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from tasks.artifacts import Intake, Source, SourceFile
from tasks.config.data_settings import DataSettings
from tasks.errors import NightError
from tasks.ingestion.file_digest import FileDigest, digest_file, file_version
from tasks.ingestion.input_files import SOURCES, InputFile, find_input_files, left_out, require_sources
from tasks.ingestion.read_errors import file_changed
from tasks.ingestion.read_file import Reading, read_input, reading_of
from tasks.storage.cache_key import SOURCE, fingerprint
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file, transaction

log = logging.getLogger(__name__)

# Raw rows depend on this module, and on what it imports: when it changes, the files in the folder are read again.
_READER = ("tasks.ingestion.land",)
# Source, SHA-256, and the values that the path gives: the same rows under another `event=…` are another content.
_Key = tuple[Source, str, tuple[tuple[str, str], ...]]
_FIRST_LANDING = datetime(2020, 1, 1)
"""Before it there was no nightly-recs: a machine that claims to be there has lost its clock."""


@dataclass(frozen=True)
class _FolderFile:
    """A file of the input folder, what it held when it was hashed, and how to read it."""

    file: InputFile
    digest: FileDigest
    reading: Reading


@dataclass(frozen=True)
class _Content:
    """A live content.

    Attributes:
        reading: how to read it, as JSON holds it: columns, separator and the like.
        file_id: its number in the warehouse; None if it is yet to be landed.
        reader: the hash of the source code that reads it.
        landed_at: the time of its first landing, which stays when it is read again; None before that.
        found: the file that holds it; None if it is in the warehouse only.
    """

    file: SourceFile
    reading: dict[str, Any]
    file_id: int | None
    reader: str | None
    landed_at: datetime | None
    found: _FolderFile | None = None

    @property
    def order(self) -> tuple[int, str, float]:
        """The key to sort by: of tied rows that of the later file wins, by path, and at one path by landing."""
        landed = float("inf") if self.file_id is None else self.file_id
        return SOURCES.index(self.file.source), self.file.path, landed


@dataclass(frozen=True)
class _Plan:
    """The contents that are live after landing, and the ids of the landed contents to remove."""

    live: list[_Content]
    remove: list[int]

    @property
    def intake(self) -> Intake:
        contents = [(c.file.source, c.file.sha256, c.file.kind, c.reading) for c in self.live]
        new_files = sum(content.file_id is None for content in self.live)
        return Intake(fingerprint(contents), tuple(content.file for content in self.live), new_files)


def plan_intake(con: duckdb.DuckDBPyConnection, folder: Path, settings: DataSettings) -> Intake:
    """Return the files that would be live after landing `folder`. Hashes the files, writes nothing.

    Args:
        con: the warehouse.
        folder: the input folder.
        settings: where each source is, its columns, and whether files are snapshots.

    Raises:
        UsageError: there is no such folder, a source is there twice, a file that settings name is absent, or
            there is no interaction at all.
        NightError: a file cannot be read; a TransientError where another try may succeed.
    """
    return _plan(con, folder, settings, find_input_files(folder, settings)).intake


@stage(
    "land",
    stored=False,
    retried=True,
    note=lambda intake: f"{len(intake.files)} file{'s' * (len(intake.files) != 1)}, {intake.new_files} new",
)
def land(
    con: duckdb.DuckDBPyConnection, input_folder: Path, settings: DataSettings, *, landed_at: datetime
) -> Intake:
    """Bring the raw tables in line with `input_folder`, in one transaction; an error leaves them as they were.

    Args:
        con: the warehouse.
        input_folder: where the files are.
        settings: where each source is, its columns, and whether files are snapshots.
        landed_at: the time to record; without a zone it is UTC.

    Raises:
        UsageError: as `plan_intake`, or a wrong separator, or a required column or the header is missing.
        NightError: a file is damaged, truncated, empty, or of another format or encoding.
        TransientError: a file is out of reach, or changed while it was read.
    """
    moment = (
        (landed_at if landed_at.tzinfo else landed_at.replace(tzinfo=UTC))
        .astimezone(UTC)
        .replace(tzinfo=None)
    )
    _mend_landing_times(con, moment)
    files = find_input_files(input_folder, settings)
    plan = _plan(con, input_folder, settings, files)
    found: dict[str, list[Path]] = {}
    with transaction(con):
        for stale in plan.remove:
            run_file(con, "warehouse/land/remove_file.sql", file_id=stale)
        for content in plan.live:
            file_id, file = content.file_id, content.file
            if file_id is None and content.found is not None:
                how = _land_content(con, content, content.found, content.landed_at or moment)
                found.setdefault(how, []).append(content.found.file.location)
            else:
                run_file(con, "warehouse/land/move_file.sql", file_id=file_id, path=file.path, kind=file.kind)
        _require_rows(con, input_folder)
    for how, paths in found.items():
        if how:
            more = f" and {len(paths) - 1:,} more are read by what they hold" if len(paths) > 1 else ""
            log.warning("%s%s: %s.", paths[0], more or " is read by what it holds", how)
    if stray := left_out(input_folder, settings, files):
        log.warning("%s", stray)
    return plan.intake


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


def _plan(
    con: duckdb.DuckDBPyConnection, folder: Path, settings: DataSettings, files: list[InputFile]
) -> _Plan:
    landed = _landed(con, settings)
    present = _present(files, landed, settings)
    occupied = {
        (content.file.source, content.found.file.path) for content in present.values() if content.found
    }
    live, remove = list(present.values()), []
    for key, before in landed.items():
        if key in present:
            stays = present[key].file_id is not None
        else:
            replaced = before.file.kind == "snapshot" or (before.file.source, before.file.path) in occupied
            stays = settings.kind == "append" or not replaced
            if stays:
                live.append(replace(before, file=replace(before.file, kind="append")))
        if not stays and before.file_id is not None:
            remove.append(before.file_id)
    require_sources(folder, settings, {content.file.source for content in live})
    return _Plan(sorted(live, key=lambda content: content.order), remove)


def _present(
    files: list[InputFile], landed: dict[_Key, _Content], settings: DataSettings
) -> dict[_Key, _Content]:
    """The contents of `files`, each once. One that the same code read with the same columns keeps its `file_id`."""
    present: dict[_Key, _Content] = {}
    reader = SOURCE.hash(*_READER)
    for found in files:
        digest = digest_file(found.location)
        key = _key(settings, found.source, digest.sha256, found.path)
        if key in present:
            continue
        reading = reading_of(settings, found.source, found.path)
        record = json.loads(json.dumps(asdict(reading)))  # as it was recorded: tuples are lists in JSON
        before = landed.get(key)
        same = before if before and (before.reading, before.reader) == (record, reader) else None
        path = same.file.path if same is not None and settings.kind == "append" else found.path
        file = SourceFile(found.source, path, settings.kind, digest.sha256, digest.version.size)
        present[key] = _Content(
            file,
            record,
            file_id=same.file_id if same else None,
            reader=reader,
            landed_at=before.landed_at if before else None,
            found=_FolderFile(found, digest, reading),
        )
    return present


def _key(settings: DataSettings, source: Source, sha256: str, path: str) -> _Key:
    return source, sha256, tuple(sorted(reading_of(settings, source, path).partition.items()))


def _landed(con: duckdb.DuckDBPyConnection, settings: DataSettings) -> dict[_Key, _Content]:
    records = con.execute(
        "select columns, file_id, reader, landed_at, source, path, kind, sha256, size "
        "from landed_files order by file_id"
    ).fetchall()
    contents = [
        _Content(SourceFile(*file), json.loads(reading), file_id, reader, landed_at)
        for reading, file_id, reader, landed_at, *file in records
    ]
    return {_key(settings, c.file.source, c.file.sha256, c.file.path): c for c in contents}


def _land_content(
    con: duckdb.DuckDBPyConnection, content: _Content, found: _FolderFile, landed_at: datetime
) -> str:
    """Land a content; return how it was read if neither its name nor the settings say so."""
    file, location = content.file, found.file.location
    first_line, values, how, descriptions = read_input(
        con, found.file, found.reading, mixes_line_ends=found.digest.mixes_line_ends
    )
    if file_version(location) != found.digest.version:
        raise file_changed(location)
    [(newest,)] = con.execute("select coalesce(max(file_id), 0) from landed_files").fetchall()
    file_id = newest + 1
    run_file(con, "warehouse/land/numbered_rows.sql")
    given = "".join(f", nullif(${ours}, '') as {ours}" for ours in values)
    columns = f" select *{given}"
    parameters = {"file_id": file_id, "first_line": first_line, **values}
    if descriptions:
        each = ", ".join(f"description_{number}" for number in range(len(descriptions)))
        columns = f" select * exclude ({each}){given}, map($descriptions::text[], [{each}]) as described_by"
        parameters["descriptions"] = list(descriptions)
    con.execute(
        f"insert into raw_{file.source} by name from numbered_rows($file_id, $first_line){columns}",
        parameters,
    )
    run_file(
        con, "warehouse/land/record_file.sql", file_id=file_id, columns=json.dumps(content.reading),
        reader=content.reader if SOURCE.is_current() else "", landed_at=landed_at, **asdict(file),
    )  # fmt: skip
    return how


def _require_rows(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Raise if all files of a source, parts that may each be empty, hold no row."""
    empty = con.execute(
        "select source, min(path) from landed_files group by source having sum(rows) = 0"
    ).fetchone()
    if empty is not None:
        raise NightError(
            f"The {empty[0]} hold no row: {folder / empty[1]} and the files beside it have a header only.",
            "Deliver them again, or take them away.",
        )
