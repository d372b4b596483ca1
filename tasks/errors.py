"""Errors that end a night: a message, a hint what to do, and the exit code."""

from __future__ import annotations

import errno

from models.base import DivergedError


class NightError(Exception):
    """An error for the operator. `str(error)` is one sentence that says what is wrong; `hint` says what to do.

    Exit code 1: the run is recorded as failed, and the published lists stay as they were.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class TransientError(NightError):
    """An external file or database was busy or out of reach: a retry may succeed."""


class UsageError(NightError):
    """The command, the settings or the data folder are wrong; no night was started."""

    exit_code = 2


class CheckFailedError(NightError):
    """A check before publication failed: the new lists are held back and yesterday's stay live."""

    exit_code = 3


class LockedError(NightError):
    """Another process holds the lock."""

    exit_code = 4


def in_words(error: BaseException) -> str:
    """Return the message of an error; with its class in front unless the message was written for operators."""
    return str(error) if isinstance(error, NightError | DivergedError) else f"{type(error).__name__}: {error}"


def as_night_error(error: Exception, command: str = "run") -> NightError:
    """Return an error as a `NightError`: itself, "The disk is full.", or one with its class and its text.

    Args:
        error: any.
        command: the one of `recs` that it ended, for advice.
    """
    if isinstance(error, NightError):
        return error
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "no space left" in str(error).lower():
        return NightError("The disk is full.", "Free some space and run again; the published lists stay.")
    live = "; `recs runs` says which lists are live" if command == "run" else ""
    return NightError(
        f"{type(error).__name__}: {error}".strip(),
        f"`recs --debug {command}` with the same options shows where{live}.",
    )
