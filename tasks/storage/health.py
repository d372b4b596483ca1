"""When a home had its last good night, and what somebody has been told since: `health.json` of the home.

A night that finds nothing new leaves no run record, and is a good one all the same.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tasks.storage.artifact_store import from_json, to_json, write_json
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs

log = logging.getLogger(__name__)


@dataclass
class Health:
    """The state of a home's nights and messages that no run record holds. Times are UTC.

    Attributes:
        good_at: when the last good night ended: published, or nothing new.
        bad: how the last night ended if it was not good, such as `failed`; empty if it was.
        told_at: when somebody was last told of a bad night.
        killed_told: the newest killed run that somebody was told of.
        overdue_told: whether somebody was told that no good night has come since `good_at`.
    """

    good_at: datetime | None = None
    bad: str = ""
    told_at: datetime | None = None
    killed_told: int = 0
    overdue_told: bool = False


def read_health(home: Home) -> Health:
    """Return the health of a home; an empty one if none is recorded, or, with a warning, if its file is damaged."""
    path = _path(home)
    try:
        return from_json(Health, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Health()
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("%s cannot be read (%s), so it counts as empty.", path, error)
        return Health()


def write_health(home: Home, health: Health) -> None:
    """Write the health of a home. If it cannot be written, only a warning says so."""
    try:
        write_json(_path(home), to_json(health))
    except OSError as error:
        log.warning("%s cannot be written: %s.", _path(home), error.strerror)


def last_good(home: Home) -> datetime | None:
    """Return when the last good night ended; None if there was none. Homes of earlier versions have only records."""
    published = (
        run.finished_at for run in Runs(home.runs).all() if run.status == "published" and run.finished_at
    )
    times = [time for time in (read_health(home).good_at, next(published, None)) if time is not None]
    return max(times, default=None)


def killed_runs(home: Home) -> list[Run]:
    """Return the runs that did not end: nights that were killed, if the caller knows that none is running."""
    return [run for run in Runs(home.runs).all() if run.status == "running"]


def utc_now() -> datetime:
    """Return the time in UTC, naive, to the second."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _path(home: Home) -> Path:
    return home.path / "health.json"
