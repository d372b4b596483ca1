"""Which files of an input folder belong to which source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from tasks.errors import UsageError
from tasks.references import Source
from tasks.settings import DataSettings

SOURCES: tuple[Source, ...] = get_args(Source)
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


@dataclass(frozen=True)
class InputFile:
    """One file of the folder: `path` is relative to it, `location` is where it lies."""

    source: Source
    path: str
    location: Path


def find_input_files(folder: Path, settings: DataSettings) -> list[InputFile]:
    """The files of all sources, ordered by source, then path.

    A source is one file such as `ratings.csv`, or a folder `ratings` of such files under any name.

    Raises:
        UsageError: no such folder, or a source that is there twice, such as ratings.csv and ratings.parquet.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.", "Name a folder that holds ratings.csv or the like.")
    found = []
    for source in SOURCES:
        stem: str = getattr(settings, source).file
        files = _files_of(folder, source, stem)
        found += [InputFile(source, path.relative_to(folder).as_posix(), path) for path in files]
    return found


def describe_expected_files(settings: DataSettings) -> str:
    """What a folder may hold, in words: for the error that finds nothing."""
    stems = [getattr(settings, source).file for source in ("ratings", "tags", "events")]
    return f"{', '.join(f'{stem}.csv' for stem in stems)} (or {', '.join(SUFFIXES[1:])}, or a folder of them)"


def _files_of(folder: Path, source: Source, stem: str) -> list[Path]:
    candidates = [path for path in sorted(folder.glob("*")) if path.is_file() and _stem(path) == stem]
    inside = folder / stem
    if inside.is_dir():
        candidates.append(inside)
    if len(candidates) > 1:
        raise UsageError(
            f"{folder} holds the {source} twice: {' and '.join(path.name for path in candidates)}.",
            "Keep one of them.",
        )
    if candidates != [inside]:
        return candidates
    files = [path for path in sorted(inside.iterdir()) if path.is_file() and _stem(path) is not None]
    if not files:
        raise UsageError(
            f"The folder {inside} holds no {source} file.", f"Put {', '.join(SUFFIXES)} files in it."
        )
    return files


def _stem(path: Path) -> str | None:
    """The name without the suffix of a format that can be read; None for other and for hidden files."""
    name = path.name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and not name.startswith((".", "_")):
            return name[: -len(suffix)]
    return None
