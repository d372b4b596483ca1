"""Turn an error while reading an input file into one that says whether it may pass, and what to do if not."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tasks.errors import NightError, TransientError

# Parts of the decompressors' messages on a stream that ends too early.
_BROKEN_OFF = ("ended before the end-of-stream marker", "Truncated compressed stream")
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
    if is_broken_off(error):
        return truncated(path, "its compressed content breaks off")
    return NightError(f"{path} cannot be read, it may be damaged or incomplete: {cause}", "Deliver it again.")


def is_broken_off(error: Exception) -> bool:
    """Return whether a decompressor says that its stream ends too early."""
    return isinstance(error, EOFError) or any(words in str(error) for words in _BROKEN_OFF)


def truncated(path: Path, evidence: str) -> NightError:
    """Return the error for a file that broke off; `evidence` says where, and completes "it looks truncated: …"."""
    return NightError(
        f"{path} looks truncated: {evidence}.",
        "Deliver it again, whole: an export, a download or a disk may have stopped in the middle.",
    )


def file_changed(path: Path) -> TransientError:
    """Return the error for a file that is still being written, or was removed while it was read."""
    return TransientError(f"{path} changed while it was read.", "Run again when it is complete.")


def _is(error: Exception, number: int) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno == number
    return os.strerror(number) in str(error)
