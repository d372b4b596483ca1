"""A folder that is either all there or not there: written beside its place, then renamed into it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import NightError, UsageError


@contextmanager
def whole_folder(folder: Path, files: Collection[str]) -> Iterator[Path]:
    """Yield an empty folder to write `files` into; it becomes `folder` when the block ends without an error.

    An older version that holds nothing but `files` is replaced; a folder with anything else is left alone.

    Raises:
        UsageError: `folder` is a file, or holds something that is not ours to replace.
        NightError: the disk is full or the place cannot be written.
    """
    _refuse_foreign(folder, files)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        fresh = workplace / "new"
        fresh.mkdir()
        yield fresh
        if folder.exists():
            folder.rename(workplace / "old")
        fresh.rename(folder)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _refuse_foreign(folder: Path, files: Collection[str]) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder", "Choose another folder.")
    foreign = (
        sorted(path.name for path in folder.iterdir() if path.name not in files) if folder.exists() else []
    )
    if foreign:
        raise UsageError(
            f"{folder} holds {foreign[0]}, which is not part of the data set",
            "Choose an empty or new folder.",
        )


def _cannot_write(folder: Path, error: OSError) -> NightError:
    return NightError(
        f"cannot write the data set to {folder}: {error.strerror or error}",
        "Free some space, or choose a folder that you may write to.",
    )
