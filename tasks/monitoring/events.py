"""Progress events: what a night tells its watcher (the terminal, a log) about its stages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol


class Watcher(Protocol):
    """Receiver of the events of a night, such as the terminal."""

    def started(self, stage: str, model: str | None) -> None:
        """A stage begins; `model` is the one it is about, if any."""

    def advanced(self, stage: str, model: str | None, done: int, total: int) -> None:
        """A long stage has done `done` of `total` steps."""

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        """A stage is done; `note` is its result in a few words."""

    def failed(self, stage: str, model: str | None, error: BaseException) -> None:
        """A stage raised an error."""

    def interrupted(self, what: str) -> None:
        """The night was interrupted; `what` says so in one sentence. No event follows."""


class SilentWatcher:
    """A watcher that ignores all events."""

    def started(self, stage: str, model: str | None) -> None:
        """Ignore the event."""

    def advanced(self, stage: str, model: str | None, done: int, total: int) -> None:
        """Ignore the event."""

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        """Ignore the event."""

    def failed(self, stage: str, model: str | None, error: BaseException) -> None:
        """Ignore the event."""

    def interrupted(self, what: str) -> None:
        """Ignore the event."""


@dataclass
class Timing:
    """A running stage: a note on its result, whether it came from the artifact store, and its time."""

    note: str = ""
    stored: bool = False
    _started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds since the stage began."""
        return time.perf_counter() - self._started


@contextmanager
def watched(watcher: Watcher, stage: str, model: str | None = None) -> Iterator[Timing]:
    """Tell a watcher that a stage begins, and at the end of the block how it ended and how long it took.

    Args:
        watcher: receives the events.
        stage: the name of the stage.
        model: the model that it is about, if any.

    Yields:
        The timing, whose note the block may set.
    """
    timing = Timing()
    watcher.started(stage, model)
    try:
        yield timing
    except BaseException as error:
        watcher.failed(stage, model, error)
        raise
    watcher.finished(stage, model, timing.seconds, timing.note)
