"""Find the files of each source in an input folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from tasks.artifacts import Source
from tasks.config.settings import DataSettings
from tasks.errors import UsageError

SOURCES: tuple[Source, ...] = get_args(Source)
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


@dataclass(frozen=True)
class InputFile:
    """One file of the folder: `path` is relative to the folder, `location` can be opened."""

    source: Source
    path: str
    location: Path


def find_input_files(folder: Path, settings: DataSettings) -> list[InputFile]:
    """Return the files of all sources, ordered by source, then path.

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


def check_input_folder(folder: Path, settings: DataSettings) -> None:
    """Raise unless a first night could start from this folder. Opens no file.

    Raises:
        UsageError: as `find_input_files`, or the folder holds no interactions, or lacks a file that settings name.
    """
    require_sources(folder, settings, {file.source for file in find_input_files(folder, settings)})


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
        if source in present or section.file == usual:
            continue
        stray = next(
            (path.name for path in sorted(folder.glob("*")) if usual in (path.name, _stem(path))), ""
        )
        raise UsageError(
            f"{folder} has no {source} under the name that the settings give: {section.file}.csv or the like.",
            f"{stray} is there, but data.{source}.file says {section.file}."
            if stray
            else f"Deliver it, or mend data.{source}.file.",
        )
    if present <= {"items"}:
        raise UsageError(
            f"{folder} holds no ratings, tags or events.", f"Put in {_expected_files(settings)}."
        )


def _expected_files(settings: DataSettings) -> str:
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
    """Return the name without the suffix of a readable format; None for other and for hidden files."""
    name = path.name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and not name.startswith((".", "_")):
            return name[: -len(suffix)]
    return None
