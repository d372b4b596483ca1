"""Nights go on if Prefect fails: one warning, and no waiting for what its threads still want to send."""

from __future__ import annotations

import logging
import os

from tasks.errors import NightError, in_words

log = logging.getLogger(__name__)

_failed: list[Exception] = []
"""The errors of Prefect's own in this process."""


def warn_of_prefect(fault: Exception) -> None:
    """Warn that a night goes on without Prefect."""
    _failed.append(fault)
    said = in_words(fault) if isinstance(fault, NightError) else f"Prefect failed: {in_words(fault)}"
    reason = next(iter(said.splitlines()), "").rstrip(".")
    hint = f" {fault.hint}" if isinstance(fault, NightError) and fault.hint else ""
    log.warning("%s. The night goes on without Prefect, which does not show all of it.%s", reason, hint)


def prefect_failed() -> bool:
    """Return whether Prefect has failed in this process."""
    return bool(_failed)


def end_at_once_after_outage(code: int) -> None:
    """End this process with an exit code if Prefect has failed in it; else do nothing.

    Prefect's threads would try to send every event of the night first, 7 s each.
    """
    if prefect_failed():
        os._exit(code)
