"""Find the increments of an input folder: files in `incoming/` that add to the snapshots, each read once.

The beginning of a file's name tells its source: `ratings-2026-11-28.csv` and `ratings.csv.gz` are of the ratings, and
so is all that lies in a folder `ratings/`. `deleted_ratings-….csv` lists deletions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.artifacts import LeftFile, Source
from tasks.config.data_settings import DataSettings
from tasks.ingestion.file_names import is_readable, is_unfinished, stem, why_unread
from tasks.ingestion.foreign_files import why_foreign
from tasks.ingestion.input_files import (
    INTERACTIONS,
    SOURCES,
    InputFile,
    find_input_files,
    is_empty_part,
    walk,
)

_DELETES = re.compile(r"deleted[_-]")


@dataclass
class Increments:
    """The files of `incoming/`.

    Attributes:
        files: those that can be read, by their names, ordered by path.
        waiting: those whose names say that they are being written.
        strays: those of no source, with the reason.
    """

    files: list[InputFile] = field(default_factory=list)
    waiting: list[LeftFile] = field(default_factory=list)
    strays: dict[Path, str] = field(default_factory=dict)


def find_increments(folder: Path, settings: DataSettings, taken: set[Path]) -> Increments:
    """Return the increments of an input folder; none if it has no such folder.

    Args:
        folder: the input folder.
        settings: where increments arrive, and the names of the sources.
        taken: files that are snapshots already.
    """
    found = Increments()
    names = _names(settings)
    top = folder / settings.incoming
    for path in sorted(_arrived(folder, settings.incoming)):
        if path in taken or is_empty_part(path):
            continue
        relative = path.relative_to(folder).as_posix()
        if is_unfinished(path.name):
            found.waiting.append(LeftFile(relative, "its name is that of an unfinished transfer"))
            continue
        below = path.relative_to(top).parts if path.is_relative_to(top) else path.parts[-2:]
        source, deletes = _source_of(below, names)
        if why := _why_stray(path, source, deletes, settings):
            found.strays[path] = why
        elif source is not None:
            found.files.append(InputFile(source, relative, path, is_increment=True, deletes=deletes))
    return found


def all_input_files(folder: Path, settings: DataSettings) -> list[InputFile]:
    """Return the snapshots of an input folder, and then its increments.

    Raises:
        UsageError: as `find_input_files`.
    """
    snapshots = find_input_files(folder, settings)
    return [*snapshots, *find_increments(folder, settings, {file.location for file in snapshots}).files]


def _arrived(folder: Path, incoming: str) -> Iterator[Path]:
    """Yield the files that a folder's name or a pattern stands for; a pattern may also match folders."""
    if not incoming:
        return
    if not re.search(r"[*?\[]", incoming):
        if (folder / incoming).is_dir():
            yield from walk(folder / incoming, strict=True, unfinished=True)
        return
    for path in folder.glob(incoming):
        if path.is_dir():
            yield from walk(path, strict=True, unfinished=True)
        elif not path.name.startswith("."):
            yield path


def _names(settings: DataSettings) -> dict[str, Source]:
    """Return the sources by the beginning of their files' names, the longest first."""
    names: dict[str, Source] = {}
    for source in SOURCES:
        name = Path(getattr(settings, source).file).name
        names[(stem(name) or name).casefold()] = source
    return dict(sorted(names.items(), key=lambda pair: -len(pair[0])))


def _source_of(parts: tuple[str, ...], names: dict[str, Source]) -> tuple[Source | None, bool]:
    """Return the source of a file, and whether it lists deletions.

    Args:
        parts: of its path below `incoming/`. A folder's name counts before the file's.
        names: the sources by the beginning of their names, in lower case.
    """
    for part in parts:
        plain = part.casefold()
        deletes = _DELETES.match(plain) is not None
        plain = _DELETES.sub("", plain, count=1)
        for name, source in names.items():
            if plain == name or (plain.startswith(name) and not plain[len(name)].isalpha()):
                return source, deletes
    return None, False


def _why_stray(path: Path, source: Source | None, deletes: bool, settings: DataSettings) -> str:
    """Return why a file of `incoming/` is left out; empty if it is read."""
    if not is_readable(path.name):
        return why_unread(path.name)
    if source is None:
        names = ", ".join(f"{name}-…" for name in sorted(_names(settings)))
        return f"its name begins like that of no source: {names}"
    if deletes and source not in INTERACTIONS:
        return f"deletions are read of {', '.join(INTERACTIONS)} only"
    return why_foreign(path, source, settings)
