"""Errors that end a night: one clear sentence, what to do about it, and the exit code."""

from __future__ import annotations

import errno

from models.base import DivergedError


class NightError(Exception):
    """Something an operator must know. `str(error)` is one clear sentence; `hint` says what to do.

    Exit code 1: the run is recorded as failed, and the published lists stay as they were.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class TransientError(NightError):
    """Somebody else's file or database was busy or out of reach: another try may succeed."""


class UsageError(NightError):
    """The command, the settings or the data folder are wrong; nothing was started."""

    exit_code = 2


class CheckFailedError(NightError):
    """A check before publication failed: the lists are kept aside and yesterday's stay live."""

    exit_code = 3


class LockedError(NightError):
    """Another night holds the lock."""

    exit_code = 4


def in_words(error: BaseException) -> str:
    """The error's own sentence if it was written for people, or else its class and its text."""
    return str(error) if isinstance(error, NightError | DivergedError) else f"{type(error).__name__}: {error}"


def plain(error: Exception) -> NightError:
    """An error in plain words."""
    if isinstance(error, NightError):
        return error
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or "no space left" in str(error).lower():
        return NightError("The disk is full.", "Free some space and run again; the published lists stay.")
    return NightError(
        f"{type(error).__name__}: {error}".strip(),
        "`recs --debug run` shows where; the published lists stay as they were.",
    )
