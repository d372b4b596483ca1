"""Land the input files in the warehouse: each content once, as text, all of a night's files or none.

A `snapshot` file replaces what its path said before, and is gone when it leaves the folder.
An `append` file stays.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from tasks.artifacts import Intake, Source, SourceFile
from tasks.config.settings import DataSettings
from tasks.ingestion.input_files import SOURCES, InputFile, find_input_files, require_sources
from tasks.ingestion.read_errors import changed, reading_fault
from tasks.ingestion.read_file import column_mapping, read_input
from tasks.storage.cache_key import SOURCE, fingerprint
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file, transaction

_LAND = {
    "ratings": "warehouse/land/land_ratings.sql",
    "tags": "warehouse/land/land_tags.sql",
    "events": "warehouse/land/land_events.sql",
    "items": "warehouse/land/land_items.sql",
}
# What raw rows depend on beside the files: when it changes, the files in the folder are read again.
_READER = ("tasks.ingestion.land",)
_Key = tuple[Source, str]


@dataclass(frozen=True)
class _Content:
    """A live content: `file_id` once it is landed, `found` while it lies in the folder.

    `landed_at`: when it first landed; reading it again does not change that.
    """

    file: SourceFile
    columns: dict[str, str]
    file_id: int | None
    reader: str | None
    landed_at: datetime | None
    found: InputFile | None = None
    mtime_ns: int = 0

    @property
    def order(self) -> tuple[int, str, float]:
        """Later files win ties: by path, and at one path by landing."""
        unborn = float("inf")
        landed = unborn if self.file_id is None else self.file_id
        return SOURCES.index(self.file.source), self.file.path, landed


@dataclass(frozen=True)
class _Plan:
    live: list[_Content]
    forget: list[int]

    @property
    def intake(self) -> Intake:
        contents = [(c.file.source, c.file.sha256, c.file.kind, c.columns) for c in self.live]
        new_files = sum(content.file_id is None for content in self.live)
        return Intake(fingerprint(contents), tuple(content.file for content in self.live), new_files)


def plan_intake(con: duckdb.DuckDBPyConnection, folder: Path, settings: DataSettings) -> Intake:
    """The live files as they would be after landing `folder`. Reads and hashes the files, writes nothing.

    Raises:
        UsageError: there is no such folder, a source is there twice, a file that settings name is absent, or
            there is no interaction at all.
        NightError: a file cannot be read; a TransientError where it may be another time.
    """
    return _plan(con, folder, settings).intake


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
        UsageError: as `plan_intake`, or a wrong delimiter, or a required column is missing.
        NightError: a file is damaged, empty or not UTF-8.
        TransientError: a file is out of reach, or changed while it was read.
    """
    plan = _plan(con, input_folder, settings)
    moment = (landed_at if landed_at.tzinfo else landed_at.replace(tzinfo=UTC)).astimezone(UTC)
    with transaction(con):
        for stale in plan.forget:
            run_file(con, "warehouse/land/forget_file.sql", file_id=stale)
        for content in plan.live:
            file_id, file = content.file_id, content.file
            if file_id is None and content.found is not None:
                _land_content(con, content, content.found, content.landed_at or moment.replace(tzinfo=None))
            else:
                run_file(con, "warehouse/land/move_file.sql", file_id=file_id, path=file.path, kind=file.kind)
    return plan.intake


def _plan(con: duckdb.DuckDBPyConnection, folder: Path, settings: DataSettings) -> _Plan:
    landed = _landed(con)
    present = _present(find_input_files(folder, settings), landed, settings)
    occupied = {(content.file.source, content.found.path) for content in present.values() if content.found}
    live, forget = list(present.values()), []
    for key, before in landed.items():
        if key in present:
            stays = present[key].file_id is not None
        else:
            replaced = before.file.kind == "snapshot" or (before.file.source, before.file.path) in occupied
            stays = settings.kind == "append" or not replaced
            if stays:
                live.append(replace(before, file=replace(before.file, kind="append")))
        if not stays and before.file_id is not None:
            forget.append(before.file_id)
    require_sources(folder, settings, {content.file.source for content in live})
    return _Plan(sorted(live, key=lambda content: content.order), forget)


def _present(
    files: list[InputFile], landed: dict[_Key, _Content], settings: DataSettings
) -> dict[_Key, _Content]:
    """What lies in the folder, each content once; landed already if the same reader read the same columns."""
    present: dict[_Key, _Content] = {}
    reader = SOURCE.hash(*_READER)
    for found in files:
        sha256, stat = _digest(found.location)
        key = (found.source, sha256)
        if key in present:
            continue
        columns = column_mapping(settings, found.source)
        before = landed.get(key)
        same = before if before and (before.columns, before.reader) == (columns, reader) else None
        path = same.file.path if same is not None and settings.kind == "append" else found.path
        file = SourceFile(found.source, path, settings.kind, sha256, stat.st_size)
        present[key] = _Content(
            file,
            columns,
            file_id=same.file_id if same else None,
            reader=reader,
            landed_at=before.landed_at if before else None,
            found=found,
            mtime_ns=stat.st_mtime_ns,
        )
    return present


def _landed(con: duckdb.DuckDBPyConnection) -> dict[_Key, _Content]:
    records = con.execute(
        "select columns, file_id, reader, landed_at, source, path, kind, sha256, size "
        "from landed_files order by file_id"
    ).fetchall()
    contents = [
        _Content(SourceFile(*file), json.loads(columns), file_id, reader, landed_at)
        for columns, file_id, reader, landed_at, *file in records
    ]
    return {(content.file.source, content.file.sha256): content for content in contents}


def _land_content(
    con: duckdb.DuckDBPyConnection, content: _Content, found: InputFile, landed_at: datetime
) -> None:
    file = content.file
    first_line = read_input(con, found, content.columns)
    try:
        stat = found.location.stat()
    except OSError as error:
        raise reading_fault(found.location, error) from error
    if (stat.st_size, stat.st_mtime_ns) != (file.size, content.mtime_ns):
        raise changed(found.location)
    newest = con.execute("select coalesce(max(file_id), 0) from landed_files").fetchone()
    file_id = newest[0] + 1 if newest else 1
    run_file(con, _LAND[file.source], file_id=file_id, first_line=first_line)
    run_file(
        con, "warehouse/land/land_file.sql", file_id=file_id, columns=json.dumps(content.columns),
        reader=content.reader, landed_at=landed_at, **asdict(file),
    )  # fmt: skip


def _digest(path: Path) -> tuple[str, os.stat_result]:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno())
    except OSError as error:
        raise reading_fault(path, error) from error
