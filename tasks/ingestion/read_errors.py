"""Turn an error while reading an input file into one that says whether it may pass, and what to do if not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tasks.errors import NightError, TransientError

_TRANSIENT = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN)


def read_error(path: Path, error: Exception) -> NightError:
    """Return the error to raise for `error`: a `TransientError` where another try may succeed, else a `NightError`.

    Args:
        path: the input file.
        error: from the operating system, DuckDB or a decompressor. DuckDB's errors carry the system's message but not
            its number, so they are recognized by the message.
    """
    cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if _is(error, errno.ENOSPC):
        return NightError(f"There is no space left to read {path}: {cause}", "Make room on the disk.")
    if isinstance(error, FileNotFoundError):
        return file_changed(path)
    if any(_is(error, number) for number in _TRANSIENT):
        return TransientError(f"{path} is out of reach: {cause}", "Try again when its disk answers.")
    if isinstance(error, PermissionError):
        return NightError(f"{path} cannot be read: {error.strerror}.", "Mend its permissions.")
    return NightError(f"{path} cannot be read, it may be damaged or incomplete: {cause}", "Deliver it again.")


def file_changed(path: Path) -> TransientError:
    """Return the error for a file that is still being written, or was removed while it was read."""
    return TransientError(f"{path} changed while it was read.", "Run again when it is complete.")


def _is(error: Exception, number: int) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == number
    return os.strerror(number) in str(error)
