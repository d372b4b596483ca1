"""The state of a home's nights and messages that no run record holds: `health.json` of the home.

Nights, `recs runs --overdue` and `recs notify` change it, and may do so at the same time: each change reads, changes
and writes the file under a lock of its own, `health.lock`, which is held for milliseconds.

A night that finds nothing new leaves no run record, and is a good one all the same.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from filelock import FileLock

from tasks.storage.artifact_store import from_json, to_json, write_json
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs

HEALTH, _LOCK = "health.json", "health.lock"
_LOCK_SECONDS = 10
_MOST_UNTOLD = 20
_LONGEST_SENDING = timedelta(minutes=15)
_NO_NEWS_OF_A_BAD_NIGHT = ("recovered", "not_switched")
log = logging.getLogger(__name__)


@dataclass
class Untold:
    """A message that has not arrived yet.

    Attributes:
        ending: that it tells, such as `failed`.
        title, text, kind: as they are sent.
        at: when it was written.
        sending_until: a process may be sending it until then; None if none is.
        number: names it.
    """

    ending: str
    title: str
    text: str
    kind: Literal["failure", "warning", "success", "info"]
    at: datetime
    sending_until: datetime | None = None
    number: str = field(default_factory=lambda: uuid.uuid4().hex)

    def is_being_sent(self, now: datetime) -> bool:
        """Return whether a process may be sending it; not if the clock was set back since."""
        return self.sending_until is not None and now < self.sending_until <= now + _LONGEST_SENDING


@dataclass(frozen=True)
class Kill:
    """A night that was killed: its run, and how often that had been begun."""

    run_id: int = 0
    attempt: int = 0


@dataclass
class Health:
    """Facts about a home's nights, and what somebody has been told of them. Times are UTC.

    A message counts as told here once it is in `untold`: there it stays until it has arrived.

    Attributes:
        good_at: when the last good night ended: published, or nothing new.
        bad: how the last night ended if it was not good, such as `failed`; empty if it was.
        kill_seen: the newest kill that is part of `bad`.
        told_at: time of the newest message on a bad night that has arrived, or that `notify.endings` leaves out.
        kill_told: the newest kill that is told; not set while there is no address.
        overdue_told: whether it is told that no good night has come since `good_at`; as `kill_told`.
        untold: the messages that have not arrived, oldest first.
    """

    good_at: datetime | None = None
    bad: str = ""
    kill_seen: Kill = field(default_factory=Kill)
    told_at: datetime | None = None
    kill_told: Kill = field(default_factory=Kill)
    overdue_told: bool = False
    untold: list[Untold] = field(default_factory=list)

    def add_untold(self, message: Untold) -> None:
        """Keep a message until it has arrived; of more than 20, the oldest are dropped with a warning."""
        self.untold.append(message)
        for dropped in self.untold[:-_MOST_UNTOLD]:
            log.warning(
                "Nobody will be told: %s, of %s UTC; too many messages wait.", dropped.title, dropped.at
            )
        self.untold = self.untold[-_MOST_UNTOLD:]

    def note_told(self, ending: str, at: datetime) -> None:
        """Note that a message of the time `at` has arrived, or need not be sent."""
        before = self.told_at
        if ending not in _NO_NEWS_OF_A_BAD_NIGHT and (before is None or not at < before <= utc_now()):
            self.told_at = at


def read_health(home: Home) -> Health:
    """Return the health of a home; an empty one if none is recorded, or, with a warning, if its file is damaged."""
    return _read(home.path)


@contextmanager
def changing_health(folder: Path) -> Iterator[Health]:
    """Read the health of the home in a folder, and write it after the block, which changes it.

    No other process changes it meanwhile, so the block must be short. If it cannot be locked or written, only a warning
    says so: no night may fail for that.

    Args:
        folder: the home's.

    Yields:
        The health, to be changed.
    """
    lock = FileLock(folder / _LOCK, timeout=_LOCK_SECONDS)
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # its Timeout is an OSError
        log.warning("%s cannot be locked, so it stays as it is: %s", folder / HEALTH, error)
        yield _read(folder)
        return
    try:
        health = _read(folder)
        yield health
        try:
            write_json(folder / HEALTH, to_json(health))
        except OSError as error:
            log.warning("%s cannot be written: %s.", folder / HEALTH, error.strerror)
    finally:
        lock.release()


def settle(folder: Path, number: str, *, arrived: bool) -> None:
    """Note whether an untold message has arrived.

    Args:
        folder: the home's.
        number: of the message.
        arrived: if so, it is dropped; else it is kept, to be sent again.
    """
    with changing_health(folder) as health:
        for message in [each for each in health.untold if each.number == number]:
            message.sending_until = None
            if arrived:
                health.untold.remove(message)
                health.note_told(message.ending, message.at)


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


def _read(folder: Path) -> Health:
    path = folder / HEALTH
    try:
        return from_json(Health, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Health()
    except (OSError, ValueError, TypeError, KeyError) as error:
        log.warning("%s cannot be read (%s), so it counts as empty.", path, error)
        return Health()
