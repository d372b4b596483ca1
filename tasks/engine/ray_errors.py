"""Errors of Ray as errors of the night."""

from __future__ import annotations

from typing import Any

import ray

from tasks.errors import NightError


def result(reference: Any) -> Any:
    """Wait for a task and return its result; raise the error that it raised.

    Raises:
        NightError: Ray could not run it, as often as it tried.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as failed:
        raise failed.cause from None
    except ray.exceptions.RayError as failed:
        raise lost(failed) from failed


def lost(failed: Exception) -> NightError:
    """Return the error for work that Ray could not do: its worker or node died as often as it was tried."""
    return NightError(
        f"Ray could not do a piece of the work: {first_line(failed)}.",
        "`ray status` shows the nodes. The same command goes on where this night stopped; engine.retries says how "
        "often work is run again.",
    )


def first_line(error: Exception) -> str:
    """Return the first line of an error's message without its dot, or its class if it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
