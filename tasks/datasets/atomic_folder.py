"""Write a folder so that it appears complete or not at all: beside its place, then renamed into it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import NightError, UsageError


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder to write into; it is renamed to `folder` when the block ends without an error.

    Nothing is ever replaced: `folder` must be absent or empty.

    Raises:
        UsageError: `folder` is a file, or holds something.
        NightError: the disk is full or the place cannot be written.
    """
    _refuse_occupied(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        fresh = temporary / "new"
        fresh.mkdir()
        yield fresh
        fresh.rename(folder)  # the system refuses to replace a folder that is not empty
    except OSError as error:
        raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refuse_occupied(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder.", "Choose another folder.")
    held = min((path.name for path in folder.iterdir()), default=None) if folder.exists() else None
    if held is not None:
        raise UsageError(
            f"{folder} is not empty: it holds {held}.",
            "Nothing there was touched. Choose a new or empty folder, or empty this one yourself.",
        )


def _cannot_write(folder: Path, error: OSError) -> NightError:
    return NightError(
        f"cannot write to {folder}: {error.strerror or error}",
        "Free some space, or choose a folder that you may write to.",
    )
