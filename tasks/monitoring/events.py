"""What a night tells whoever watches it: which stage runs, how far it is, how long it took."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Somebody who watches a night: the terminal, a log, nobody."""

    def started(self, stage: str, model: str | None) -> None:
        """A stage begins."""

    def advanced(self, stage: str, model: str | None, done: int, total: int) -> None:
        """A long stage is `done` of `total` through."""

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        """A stage is done; `note` is what came of it, in a few words."""

    def failed(self, stage: str, model: str | None, error: BaseException) -> None:
        """A stage ended in an error."""

    def interrupted(self, what: str) -> None:
        """The night ends here because somebody wished it; `what` says so in one sentence. The last that is told."""


class Nobody:
    """The watcher of nights that run unwatched."""

    def started(self, stage: str, model: str | None) -> None:
        """Nothing to tell."""

    def advanced(self, stage: str, model: str | None, done: int, total: int) -> None:
        """Nothing to tell."""

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        """Nothing to tell."""

    def failed(self, stage: str, model: str | None, error: BaseException) -> None:
        """Nothing to tell."""

    def interrupted(self, what: str) -> None:
        """Nothing to tell."""
