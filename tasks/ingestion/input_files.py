"""Find the files of each source in an input folder."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import get_args

from tasks.artifacts import Source
from tasks.config.data_settings import DataSettings
from tasks.errors import NightError, UsageError
from tasks.ingestion.file_names import (
    USUAL,
    holds_no_data,
    is_json,
    is_part,
    is_partition,
    is_readable,
    is_unfinished,
    json_to_csv,
    stem,
    why_unread,
    without_numbers,
)
from tasks.ingestion.foreign_files import belongs_to_movielens, why_foreign
from tasks.ingestion.read_errors import read_error

SOURCES: tuple[Source, ...] = get_args(Source)
# A folder with more files than this is not searched to its end for files to name.
_MAX_WALKED = 10_000
_MAX_NAMED = 10
# Tables whose folders also hold files of earlier versions: to read every file would bring deleted rows back.
_VERSIONED = {"_delta_log": "Delta Lake", "metadata/*.metadata.json": "Iceberg", ".hoodie": "Hudi"}
INTERACTIONS: tuple[Source, ...] = ("ratings", "tags", "events")
"""The sources of which a night needs at least one."""


@dataclass(frozen=True)
class InputFile:
    """One file of the folder.

    Attributes:
        source: the kind of rows it holds.
        path: relative to the folder.
        location: can be opened.
        is_increment: whether it adds to the snapshots, see `increments.py`.
        deletes: whether each of its rows deletes earlier ones.
    """

    source: Source
    path: str
    location: Path
    is_increment: bool = False
    deletes: bool = False


def find_input_files(folder: Path, settings: DataSettings) -> list[InputFile]:
    """Return the files of all sources, ordered by source, then path.

    A source is one file such as `ratings.csv`, or a folder `ratings` of such files under any name, also in sub-folders
    such as `date=2024-01-01`.

    Raises:
        UsageError: no such folder, a source that is there twice, such as ratings.csv and ratings.parquet, or a file in
            a source's own folder that cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", "Name a folder that holds ratings.csv or the like.")
    found = []
    for source in SOURCES:
        files = _files_of(folder, source, getattr(settings, source).file)
        files = [path for path in files if not why_foreign(path, source, settings)]
        found += [InputFile(source, path.relative_to(folder).as_posix(), path) for path in files]
    return found


def check_input_folder(
    folder: Path, settings: DataSettings, increments: Sequence[InputFile] = ()
) -> list[InputFile]:
    """Return the files of a folder from which a first night could start. Opens files named links and users only.

    Args:
        folder: the input folder.
        settings: where each source is.
        increments: the files that add to those of the sources.

    Raises:
        UsageError: as `find_input_files`, or the folder holds no interactions, or lacks a file that settings name.
    """
    files = [*find_input_files(folder, settings), *increments]
    require_sources(folder, settings, {file.source for file in files})
    return files


def require_sources(folder: Path, settings: DataSettings, present: set[Source]) -> None:
    """Raise unless there are interactions, and every source whose file name the settings change.

    Args:
        folder: the input folder.
        settings: where each source is.
        present: the sources in the folder or landed by earlier nights.

    Raises:
        UsageError: there are no interactions, or such a source is missing.
    """
    for source in SOURCES:
        section = getattr(settings, source)
        usual = type(section).model_fields["file"].default
        if source in present or section.optional or section.file == usual:
            continue
        stray = next(
            (path.name for path in sorted(folder.glob("*")) if usual in (path.name, stem(path.name))), ""
        )
        unread = next(
            (
                path.name
                for path in sorted(folder.glob("*"))
                if path.name.startswith(f"{section.file}.") and why_unread(path.name)
            ),
            "",
        )
        is_whole = stem(section.file) is not None or "." in section.file
        shown = section.file if is_whole else f"{section.file}.csv or the like"
        there = ", ".join(path.name for path in islice(walk(folder), _MAX_NAMED)) or "none"
        raise UsageError(
            f"{folder} has no {source} under the name that the settings give: {shown}.",
            f"{stray} is there, but data.{source}.file says {section.file}."
            if stray
            else " ".join(_what_to_do_with([unread], [section.file]))
            if unread
            else f"Deliver it, or mend data.{source}.file. Files there: {there}.",
        )
    if present.isdisjoint(INTERACTIONS):
        raise UsageError(f"{folder} holds no ratings, tags or events.", _where_else(folder, settings))


def left_out(
    folder: Path,
    settings: DataSettings,
    taken: set[Path],
    reasons: Mapping[Path, str] = MappingProxyType({}),
) -> str:
    """Return a sentence that names the files of a folder that no source takes, with the reason; empty if there is none.

    Files that hold no data by their names, such as `_SUCCESS`, `.DS_Store` or `README.txt`, are not named, nor are
    those of a home's own `raw`, which the product itself filled, without `reasons`.

    Args:
        folder: the input folder.
        settings: where each source is.
        taken: the files that are not to be named.
        reasons: why increments are left out, by file.
    """
    is_raw = folder.name == "raw" and (folder.parent / "home.json").is_file()
    found = iter(sorted(reasons)) if is_raw else islice(walk(folder), _MAX_WALKED + 1)
    stray = [
        path
        for path in found
        if path not in taken and not is_empty_part(path) and not belongs_to_movielens(path)
    ]
    if not stray:
        return ""
    by_reason: dict[str, list[str]] = {}
    for path in stray[:_MAX_NAMED]:
        why = reasons.get(path) or _why_left_out(folder, path, settings)
        by_reason.setdefault(why, []).append(path.relative_to(folder).as_posix())
    named = ", ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())
    more = len(stray) - _MAX_NAMED
    rest = f", and {'at least ' * (len(stray) + len(taken) > _MAX_WALKED)}{more:,} more" if more > 0 else ""
    one = len(stray) == 1
    return f"{folder}: {'1 file is' if one else f'{len(stray):,} files are'} not read: {named}{rest}."


def _why_left_out(folder: Path, path: Path, settings: DataSettings) -> str:
    if why := why_unread(path.name):
        return why
    if path.parent != folder:
        return "in a sub-folder that belongs to no source or is not named like date=2024-01-01"
    for source in SOURCES:
        name: str = getattr(settings, source).file
        beginning = (stem(name) or name).casefold()
        is_same = beginning in (path.name.casefold(), (stem(path.name) or "").casefold())
        if not is_same and without_numbers(path.name) == without_numbers(name):
            return f"only one file holds the {source}, or a folder {beginning}/: move all parts into it"
        if is_same:
            return why_foreign(path, source, settings) or f"another file holds the {source}"
    return "no source has this name, see the settings data.*.file"


def _where_else(folder: Path, settings: DataSettings) -> str:
    """Say what to put into a folder without interactions, or where they are."""
    names = [getattr(settings, source).file for source in INTERACTIONS]
    for path in islice(walk(folder), _MAX_WALKED):
        if path.parent != folder and (stem(path.name) or "").casefold() in map(str.casefold, names):
            return f"{path.relative_to(folder)} is there: name its folder, --dataset {path.parent}"
    others = [getattr(settings, source).file for source in SOURCES if source not in INTERACTIONS]
    known = {stem(name) or name for name in others}
    beside = (path.name for path in walk(folder) if path.parent == folder and stem(path.name) not in known)
    stray = list(islice(beside, _MAX_NAMED))
    files = ", ".join(name if stem(name) else f"{name}.csv" for name in names)
    usual = f"Put in {files} (or {', '.join(USUAL[1:])}, or a folder of them)."
    return " ".join([usual, *_what_to_do_with(stray, names)])


def _what_to_do_with(stray: list[str], names: list[str]) -> list[str]:
    """Return sentences on the files of a folder without interactions: which could be one, and which cannot be read.

    Args:
        stray: the names of the files.
        names: those that the sources of interactions have, the ratings first.
    """
    readable = [name for name in stray if not why_unread(name)]
    said = [f"Other files are there: {', '.join(readable)}."] if readable else []
    parts = Counter(map(without_numbers, readable))
    alike = next((beginning for beginning, n in parts.items() if n > 1), None)
    if alike is not None:
        source = next(
            (name for name in names if stem(name) is None and alike.startswith(name.casefold())), names[0]
        )
        together = [name for name in readable if without_numbers(name) == alike]
        said.append(
            f"{' and '.join(together)} look like parts of one source: move them into a folder "
            f"{stem(source) or source}/, which is read as a whole."
        )
    elif readable:
        name = json.dumps(readable[0])
        said.append(
            f"If one of them holds ratings, name it: [data.ratings] file = {name}; if it holds views, clicks or "
            f"purchases: [data.events] file = {name}."
        )
    by_reason: dict[str, list[str]] = {}
    for name in stray:
        if why := why_unread(name):
            by_reason.setdefault(why, []).append(name)
    for why, unread in by_reason.items():
        command = f", such as by {json_to_csv(unread[0])}" if is_json(unread[0]) else ""
        said.append(f"{', '.join(unread)} cannot be read: {why}{command}.")
    return said


def _files_of(folder: Path, source: Source, name: str) -> list[Path]:
    """Return the files of one source: the file or the files of the folder that `name` means, with or without suffix."""
    exact = folder / name
    if re.search(r"[*?\[]", name) and not exact.exists():
        found = sorted(path for path in folder.glob(name) if path.is_file() and not holds_no_data(path.name))
        return [path for path in found if not is_unfinished(path.name)]
    if exact.is_file():
        others = [other for other in _candidates(exact.parent, exact.name) if other != exact]
        if stem(exact.name) is None and others:
            raise _twice(folder, source, [exact, *others])
        return [exact]
    candidates = _candidates(exact.parent, exact.name)
    usual = [path for path in candidates if path.is_dir() or path.name.lower().endswith(USUAL)]
    if len(usual) == 1:  # `ratings.zip` or `ratings.txt` beside it is left out, and named by `left_out`
        candidates = usual
    if len(candidates) > 1:
        raise _twice(folder, source, candidates)
    if not candidates or candidates[0].is_file():
        return candidates
    return _files_within(candidates[0], source)


def _candidates(folder: Path, name: str) -> list[Path]:
    """Return the files and folders of this name, with any readable suffix; in other capitals if none has these."""
    if not folder.is_dir():
        return []
    entries = [path for path in sorted(folder.iterdir()) if not holds_no_data(path.name)]
    named = [(path, path.name, stem(path.name)) for path in entries if path.is_dir() or path.is_file()]
    exact = [path for path, full, short in named if name in (full, short)]
    wanted = name.casefold()
    return exact or [
        path for path, full, short in named if wanted in (full.casefold(), (short or "").casefold())
    ]


def _files_within(folder: Path, source: Source) -> list[Path]:
    """Return the files of a source's own folder.

    Raises:
        UsageError: there is none, or one that cannot be read, or the folder is a table of several versions.
    """
    for marker, kind in _VERSIONED.items():
        if any(folder.glob(marker)):
            raise UsageError(
                f"The folder {folder} is a {kind} table, whose files also hold rows that were deleted since.",
                "Write its current rows to Parquet or CSV, and name that folder.",
            )
    found = walk(folder, strict=True)
    files = [path for path in found if all(map(is_partition, path.relative_to(folder).parts[:-1]))]
    unread = [path for path in files if not is_readable(path.name)]
    if unread:
        names = ", ".join(path.relative_to(folder).as_posix() for path in unread[:_MAX_NAMED])
        more = f" and {len(unread) - _MAX_NAMED:,} more" if len(unread) > _MAX_NAMED else ""
        why = why_unread(unread[0].name)
        raise UsageError(
            f"The folder {folder} of the {source} holds files that cannot be read: {names}{more} ({why}).",
            "Convert them to CSV or Parquet, or take them away.",
        )
    files = [path for path in files if not is_empty_part(path)]
    if not files:
        inside = next(walk(folder), None)
        raise UsageError(
            f"The folder {folder} holds no {source} file.",
            f"{inside.relative_to(folder)} is in a sub-folder: move it up, or name the sub-folder like "
            "date=2024-01-01."
            if inside
            else f"Put {', '.join(USUAL)} files in it.",
        )
    return sorted(files)


def walk(
    folder: Path, *, strict: bool = False, unfinished: bool = False, above: frozenset[Path] = frozenset()
) -> Iterator[Path]:
    """Yield the files below a folder that may hold data, those of a folder before those of its sub-folders.

    Args:
        folder: where to look.
        strict: raise for a folder that cannot be read, in place of passing over it.
        unfinished: also those with the name of an unfinished transfer that is passed over else, such as `ratings.csv~`.
        above: the folders that led here, so that a link to one of them is not followed for ever.
    """
    try:
        above |= {folder.resolve()}
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if strict:
            raise read_error(folder, error) from error
        return
    entries = [
        entry
        for entry in entries
        if not holds_no_data(entry.name)
        or (unfinished and is_unfinished(entry.name) and not entry.name.startswith("."))
    ]
    yield from (folder / entry.name for entry in entries if entry.is_file())
    for entry in entries:
        below = folder / entry.name
        is_home = (below / "home.json").is_file()  # one of ours, beside its input
        if entry.is_dir() and not is_home and below.resolve() not in above:
            yield from walk(below, strict=strict, unfinished=unfinished, above=above)


def is_empty_part(path: Path) -> bool:
    """Return whether this is a part without a byte, as Spark writes for a partition without rows."""
    try:
        return is_part(path.name) and path.stat().st_size == 0
    except OSError:  # whoever reads it says why it cannot be reached
        return False


def _twice(folder: Path, source: Source, paths: list[Path]) -> NightError:
    names = [path.relative_to(folder).as_posix() for path in paths]
    return UsageError(
        f"{folder} holds the {source} twice: {' and '.join(names)}.",
        f'Keep one of them, or name one: data.{source}.file = "{names[0]}".',
    )
