"""Remove the subject from the input files that lie in the home: their rows, and their names.

A rewritten file has another hash. Snapshots are landed anew in the next night; an increment adds to what is landed, so
it would count twice. Therefore its new hash is noted in the warehouse before the file is replaced: whenever the call is
killed, landing knows both.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import duckdb

from tasks.config.data_settings import DataSettings
from tasks.forgetting.mentions import ANONYMOUS, Mentions
from tasks.forgetting.raw_files import UNREADABLE, remove_rows
from tasks.forgetting.subject import Subject
from tasks.forgetting.traces import is_ours
from tasks.ingestion.increments import all_input_files
from tasks.ingestion.input_files import InputFile
from tasks.publication.targets.base import OnStep, ignore_steps
from tasks.storage.home import Home
from tasks.storage.warehouse import open_warehouse, run_file, transaction

log = logging.getLogger(__name__)


def remove_from_own_input(
    home: Home, settings: DataSettings, subject: Subject, on_step: OnStep = ignore_steps
) -> None:
    """Rewrite the input files of the home without the subject's rows, and rename those whose names hold an id.

    Args:
        home: the home. Files of an input folder elsewhere stay as they are.
        settings: how input files are read.
        subject: whom and what to remove.
        on_step: called with `rewriting_noted` before an increment is replaced, `raw_file` after each file, and
            `rewritings_settled`.

    Raises:
        TransientError: another program has the warehouse open.
    """
    if not home.input.is_dir():
        return
    files = [file for file in all_input_files(home.input, settings) if is_ours(home, file.location)]
    with ExitStack() as stack:
        con = stack.enter_context(open_warehouse(home.warehouse)) if home.warehouse.exists() else None

        def note(old: Path, new: Path) -> None:
            if con is not None:
                _note(con, old, new)
                on_step("rewriting_noted")

        if con is not None:
            _settle(con, files)  # after a killed call: landing must know a file before it changes once more
        for file in files:
            try:
                remove_rows(file, settings, subject, note if file.is_increment else None)
            except UNREADABLE as error:  # the search at the end says so, too
                log.warning("%s stays as it is: %s", file.location, error)
            on_step("raw_file")
        if con is not None:
            _settle(con, files)
            on_step("rewritings_settled")
    if subject.mentions and is_ours(home, home.input):
        _rename(home.input, subject.mentions)


def _note(con: duckdb.DuckDBPyConnection, old: Path, new: Path) -> None:
    run_file(
        con, "warehouse/forget/note_rewritten.sql",
        was_sha256=_sha256(old), sha256=_sha256(new), size=new.stat().st_size,
    )  # fmt: skip


def _settle(con: duckdb.DuckDBPyConnection, files: list[InputFile]) -> None:
    """Record the rewritten increments that are there under their new hashes, also those of a call that was killed."""
    if con.execute("select exists (from rewritten_files)").fetchone() != (True,):
        return
    present = [_sha256(file.location) for file in files if file.is_increment and file.location.exists()]
    with transaction(con):
        run_file(con, "warehouse/forget/settle_rewritten.sql", present=present)


def _sha256(path: Path) -> str:
    """Return the hash of a file as it is now, not as this process may remember it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rename(folder: Path, mentions: Mentions) -> None:
    """Rename the files and folders below a folder whose names hold an id; an empty folder of that kind goes."""
    for path in _deepest_first(folder):
        if not mentions.in_text(path.name):
            continue
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
        else:
            path.rename(_free_name(path, mentions))


def _deepest_first(folder: Path) -> Iterator[Path]:
    """Yield what is below a folder, the contents of each folder before the folder itself; links are not followed."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from _deepest_first(path)
        yield path


def _free_name(path: Path, mentions: Mentions) -> Path:
    """Return a path beside `path` without an id in its name, which no other file has."""
    found, number = path.with_name(mentions.blank(path.name)), 1
    while found.exists():
        number += 1
        found = path.with_name(mentions.blank(path.name, instead=f"{ANONYMOUS[:-1]} {number})"))
    return found
