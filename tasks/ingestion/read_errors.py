"""What an error while reading an input file means: a fault that may pass, a full disk, or a damaged file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tasks.errors import NightError, TransientError

_PASSING = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN)


def reading_fault(path: Path, error: Exception) -> NightError:
    """The sentence for an operator; a `TransientError` where another try may succeed.

    DuckDB's errors carry the system's words but not its number, so they are known by the words.
    """
    cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if _is(error, errno.ENOSPC):
        return NightError(f"There is no space left to read {path}: {cause}", "Make room on the disk.")
    if isinstance(error, FileNotFoundError):
        return changed(path)
    if any(_is(error, number) for number in _PASSING):
        return TransientError(f"{path} is out of reach: {cause}", "Try again when its disk answers.")
    if isinstance(error, PermissionError):
        return NightError(f"{path} cannot be read: {error.strerror}.", "Mend its permissions.")
    return NightError(f"{path} cannot be read, it may be damaged or incomplete: {cause}", "Deliver it again.")


def changed(path: Path) -> TransientError:
    """A file that somebody is still writing, or has just taken away."""
    return TransientError(f"{path} changed while it was read.", "Run again when it is complete.")


def _is(error: Exception, number: int) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == number
    return os.strerror(number) in str(error)
