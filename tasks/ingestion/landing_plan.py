"""Decide what a landing does: which contents are live, which are read, and which are removed or left where they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import duckdb

from tasks.artifacts import Deliveries, Intake, LeftFile, Source, SourceFile
from tasks.config.data_settings import DataSettings
from tasks.errors import NightError, TransientError
from tasks.ingestion.file_digest import FileDigest, Version, digest_files, file_version
from tasks.ingestion.file_names import partition_values
from tasks.ingestion.increments import Increments, find_increments
from tasks.ingestion.input_files import SOURCES, InputFile, find_input_files, require_sources
from tasks.ingestion.known_files import KnownFile, read_known_files
from tasks.ingestion.read_file import Reading, reading_of
from tasks.ingestion.refused_rows import Refusal
from tasks.ingestion.settling import unsettled
from tasks.storage.cache_key import fingerprint
from tasks.storage.forgotten import read_forgotten
from tasks.storage.warehouse import run_file

# Source, SHA-256, the values that the path gives, and whether the rows are deletions: the same rows under another
# `event=…` are another content.
Key = tuple[Source, str, tuple[tuple[str, str], ...], bool]
Kind = Literal["snapshot", "append", "increment"]


@dataclass(frozen=True)
class FolderFile:
    """A file of the input folder, what it held when it was hashed, and how to read it."""

    file: InputFile
    digest: FileDigest
    reading: Reading

    @property
    def location(self) -> Path:
        """The file, to open it."""
        return self.file.location


@dataclass(frozen=True)
class Content:
    """A live content.

    Attributes:
        file: its source, path, kind and hash.
        reading: how to read it, as JSON holds it: columns, separator and the like.
        file_id: its number in the warehouse; None if it is yet to be landed.
        reader: the hash of the source code that reads it.
        landed_at: the time of its first landing, which stays when it is read again; None before that.
        found: the file that holds it; None if it is in the warehouse only.
        landed_as: its path and kind in the warehouse; None if it is yet to be landed.
    """

    file: SourceFile
    reading: dict[str, Any]
    file_id: int | None
    reader: str | None
    landed_at: datetime | None
    found: FolderFile | None = None
    landed_as: tuple[str, str] | None = None

    @property
    def order(self) -> tuple[int, bool, str, float]:
        """The key to sort by: of tied rows that of the later file wins.

        Increments come after the others; then the path decides, and at one path the landing.
        """
        landed = float("inf") if self.file_id is None else self.file_id
        return SOURCES.index(self.file.source), self.file.kind == "increment", self.file.path, landed


@dataclass
class FolderLook:
    """The files of the input folder and what earlier nights know of them.

    Attributes:
        snapshots, increments: the files.
        waiting: increments that are probably still being written.
        known: what earlier nights saw of the files.
        set_aside: why increments cannot be read, by hash; found by earlier nights or tonight.
        refusal: whose rows are not landed; None if nobody is forgotten.
    """

    snapshots: list[InputFile]
    increments: Increments
    waiting: dict[InputFile, LeftFile]
    known: dict[str, KnownFile]
    set_aside: dict[str, str]
    refusal: Refusal | None = None

    def taken(self, folder: Path) -> set[Path]:
        """Return the files that are read, or wait."""
        files = {file.location for file in (*self.snapshots, *self.increments.files)}
        return files | {folder / left.path for left in self.increments.waiting}

    def waiting_versions(self, folder: Path) -> dict[str, Version]:
        """Return the versions of the files that wait, by path."""
        left = [*self.waiting.values(), *self.increments.waiting]
        return {each.path: file_version(folder / each.path) for each in left if (folder / each.path).exists()}


@dataclass(frozen=True)
class Plan:
    """The contents that are live after landing, the landed ones to remove, and the files left where they are."""

    live: list[Content]
    remove: list[int]
    waiting: tuple[LeftFile, ...] = ()
    set_aside: tuple[LeftFile, ...] = ()
    hashed: tuple[str, ...] = field(default=())
    refusal: Refusal | None = None

    @property
    def intake(self) -> Intake:
        """The reference to what is live after landing."""
        contents = [(c.file.source, c.file.sha256, c.file.kind, c.reading) for c in self.live]
        new = [content for content in self.live if content.file_id is None]
        increments = [content for content in self.live if content.file.kind == "increment"]
        n_new = sum(content.file_id is None for content in increments)
        deliveries = Deliveries(len(increments), n_new, self.waiting, self.set_aside)
        data_hash = fingerprint(contents)
        if self.refusal is not None:  # who is forgotten, or no longer, is new input
            data_hash = fingerprint(data_hash, self.refusal.forgotten.version)
        return Intake(data_hash, tuple(c.file for c in self.live), len(new), deliveries)


def look_at_folder(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    settings: DataSettings,
    reader: str,
    forgotten: Path | None = None,
) -> FolderLook:
    """Find the files of the input folder, and which increments wait.

    Args:
        con: the warehouse.
        folder: the input folder.
        settings: where each source is.
        reader: the hash of the source code that reads files.
        forgotten: the home's list of forgotten ids, which need not exist.

    Raises:
        UsageError, NightError: as `plan_intake` in `land.py`.
    """
    snapshots = find_input_files(folder, settings)
    increments = find_increments(folder, settings, {file.location for file in snapshots})
    known = read_known_files(con, folder)
    rows = con.execute("select sha256, why from set_aside_files where reader = ?", [reader]).fetchall()
    waiting = unsettled(increments.files, known, settings.settle_seconds)
    listed = None if forgotten is None else read_forgotten(forgotten)
    refusal = None if listed is None else Refusal(listed, settings.relations.item_prefix)
    return FolderLook(snapshots, increments, waiting, known, dict(rows), refusal)


def make_plan(
    con: duckdb.DuckDBPyConnection, folder: Path, settings: DataSettings, look: FolderLook, reader: str
) -> Plan:
    """Return what landing the files of `look` does. Hashes files, writes nothing. Arguments as `look_at_folder`."""
    landed = _landed(con, settings)
    files = [*look.snapshots, *(file for file in look.increments.files if file not in look.waiting)]
    stand_ins = dict(run_file(con, "warehouse/land/stand_ins.sql").fetchall())
    present, set_aside = _present(files, landed, settings, look.set_aside, reader, stand_ins)
    occupied = {
        (content.file.source, content.found.file.path)
        for content in present.values()
        if content.found and content.file.kind != "increment"
    }
    live, remove = list(present.values()), []
    for key, before in landed.items():
        if key in present:
            stays = present[key].file_id is not None
        elif before.file.kind == "increment":
            stays = True
            live.append(before)
        else:
            replaced = before.file.kind == "snapshot" or (before.file.source, before.file.path) in occupied
            stays = settings.kind == "append" or not replaced
            if stays:
                live.append(replace(before, file=replace(before.file, kind="append")))
        if not stays and before.file_id is not None:
            remove.append(before.file_id)
    require_sources(folder, settings, {content.file.source for content in live})
    waiting = (*look.increments.waiting, *look.waiting.values())
    live.sort(key=lambda content: content.order)
    hashed = tuple(file.path for file in files)
    return Plan(live, remove, waiting, tuple(set_aside), hashed, look.refusal)


def _present(
    files: Sequence[InputFile],
    landed: Mapping[Key, Content],
    settings: DataSettings,
    unreadable: Mapping[str, str],
    reader: str,
    stand_ins: Mapping[str, str],
) -> tuple[dict[Key, Content], list[LeftFile]]:
    """Return the contents of `files`, each once, and those that cannot be read.

    A content that the same code read with the same columns keeps its `file_id`. `stand_ins` maps the hashes of
    rewritten files to those under which they are landed.
    """
    present: dict[Key, Content] = {}
    set_aside: list[LeftFile] = []
    digests = digest_files([found.location for found in files])
    for found in files:
        try:
            digest = digests[found.location].result()
            digest = replace(digest, sha256=stand_ins.get(digest.sha256, digest.sha256))
        except TransientError:
            raise
        except NightError as error:
            if not found.is_increment:
                raise
            set_aside.append(LeftFile(found.path, str(error).removeprefix(f"{found.location} ")))
            continue
        if found.is_increment and digest.sha256 in unreadable:
            set_aside.append(LeftFile(found.path, unreadable[digest.sha256]))
            continue
        values = _values_of_folders(found.path)
        reading, record, partition = _reading(settings, found.source, values, found.deletes)
        key: Key = (found.source, digest.sha256, partition, found.deletes)
        if key in present:
            continue
        before = landed.get(key)
        same = before if before and (before.reading, before.reader) == (record, reader) else None
        kind, path = _place(found, before, same, settings)
        present[key] = Content(
            SourceFile(found.source, path, kind, digest.sha256, digest.version.size),
            record,
            file_id=same.file_id if same else None,
            reader=reader,
            landed_at=before.landed_at if before else None,
            found=FolderFile(found, digest, reading),
            landed_as=same.landed_as if same else None,
        )
    return present, set_aside


def _place(
    found: InputFile, before: Content | None, same: Content | None, settings: DataSettings
) -> tuple[Kind, str]:
    """Return the kind and the path of a content.

    An increment stays one, under the first of its names in alphabetical order: ties do not depend on which came first.
    """
    if before is not None and before.file.kind == "increment":
        first = min(before.file.path, found.path) if found.is_increment else before.file.path
        return "increment", first
    if found.is_increment:
        return "increment", found.path
    if same is not None and settings.kind == "append":
        return "append", same.file.path
    return settings.kind, found.path


def _values_of_folders(path: str) -> tuple[tuple[str, str], ...]:
    return tuple(partition_values(path).items()) if "=" in path else ()


@lru_cache(maxsize=1024)
def _reading(
    settings: DataSettings, source: Source, folders: tuple[tuple[str, str], ...], deletes: bool
) -> tuple[Reading, dict[str, Any], tuple[tuple[str, str], ...]]:
    """Return how to read the files of a source, the same as JSON holds it, and the values that their folders give."""
    path = "".join(f"{quote(name, safe='')}={quote(value, safe='')}/" for name, value in folders)
    reading = reading_of(settings, source, path, deletes=deletes)
    record = json.loads(json.dumps(asdict(reading)))  # as it was recorded: tuples are lists in JSON
    return reading, record, tuple(sorted(reading.partition.items()))


def _landed(con: duckdb.DuckDBPyConnection, settings: DataSettings) -> dict[Key, Content]:
    records = con.execute(
        "select columns, file_id, reader, landed_at, source, path, kind, sha256, size "
        "from landed_files order by file_id"
    ).fetchall()
    read = cache(json.loads)
    landed: dict[Key, Content] = {}
    for columns, file_id, reader, landed_at, *about in records:
        file, reading = SourceFile(*about), read(columns)
        deletes = reading.get("deletes", False)
        _, _, partition = _reading(settings, file.source, _values_of_folders(file.path), deletes)
        key: Key = (file.source, file.sha256, partition, deletes)
        landed[key] = Content(file, reading, file_id, reader, landed_at, landed_as=(file.path, file.kind))
    return landed
