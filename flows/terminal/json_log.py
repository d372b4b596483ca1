"""A log of JSON objects on stderr, one a line: the events of a night, and all else that would be printed there.

docs/observability.md describes the fields.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal, Self

from flows.terminal.streams import silence
from tasks.errors import NightError, in_words
from tasks.storage.run_records import Run

Level = Literal["debug", "info", "warning", "error"]

_FRAME = " \r│╭╮╰╯─"
"""Spaces, and what the frames around errors of usage are drawn with."""

PROGRESS_SECONDS = 10.0
"""A long stage reports its progress at most this often."""


class JsonLog:
    """A watcher (see `tasks.monitoring.events`) that writes each event as one line of JSON.

    Attributes:
        run_id: the run that the events belong to; None before it has begun.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.run_id: int | None = None
        self._stream = stream
        self._writing = threading.Lock()
        self._told: dict[tuple[str, str | None], float] = {}
        self._handler = _JsonHandler(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: errors are still to be logged after the night."""

    def write(
        self,
        event: str,
        note: str = "",
        *,
        level: Level = "info",
        stage: str | None = None,
        model: str | None = None,
        seconds: float | None = None,
        **further: Any,
    ) -> None:
        """Write one event. A stream that cannot be written is given up: a night must not stop by its log.

        Args:
            event: its kind.
            note: what happened, in words.
            level: how grave it is.
            stage, model: what it is about, if anything.
            seconds: how long that took.
            further: more fields.
        """
        about = {
            "time": f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z",
            "level": level,
            "event": event,
            "run": self.run_id,
            "stage": stage,
            "model": model,
            "seconds": None if seconds is None else round(seconds, 3),
            "note": note,
        }
        self._take_warnings()
        line = json.dumps(about | further, ensure_ascii=True, default=str)
        with self._writing:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except (OSError, ValueError):
                with suppress(OSError, ValueError):  # it has no file any more
                    silence(self._stream)

    def _take_warnings(self) -> None:
        """Send the records of all loggers here: Prefect puts a handler of its own in place whenever it is set up."""
        root = logging.getLogger()
        if root.handlers != [self._handler]:
            root.handlers = [self._handler]

    # -- events of a night ----------------------------------------------------------------------------

    def headline(self, dataset: str, home: Path) -> None:
        """Log the data set and the home that are about to run."""
        self.write("night", f"{dataset} in {home}", dataset=dataset, home=str(home))

    def say(self, note: str) -> None:
        """Log a note that belongs to no stage."""
        self.write("note", note)

    def started(self, stage: str, model: str | None) -> None:
        """Log that a stage begins."""
        self._told[stage, model] = time.monotonic()
        self.write("started", stage=stage, model=model)

    def advanced(self, stage: str, model: str | None, done: int, total: int) -> None:
        """Log how far a long stage is, at most every `PROGRESS_SECONDS`."""
        now = time.monotonic()
        if now - self._told.get((stage, model), now) >= PROGRESS_SECONDS:
            self._told[stage, model] = now
            self.write("advanced", f"{done} of {total}", stage=stage, model=model, done=done, total=total)

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        """Log the result of a stage."""
        self.write("finished", note, stage=stage, model=model, seconds=seconds)

    def failed(self, stage: str, model: str | None, error: BaseException) -> None:
        """Log the error of a stage; the night may go on without it."""
        self.write("failed", in_words(error), level="error", stage=stage, model=model)

    def interrupted(self, what: str) -> None:
        """Log that the night was interrupted, and what becomes of it."""
        self.write("interrupted", what, level="warning")

    def ended(self, run: Run, exit_code: int) -> None:
        """Log how the night ended."""
        seconds = None if run.finished_at is None else (run.finished_at - run.started_at).total_seconds()
        level: Level = "info" if exit_code == 0 else "error"
        self.write("ended", run.reason, level=level, seconds=seconds, status=run.status, exit_code=exit_code)

    def error(self, error: NightError) -> None:
        """Log the error that ended the command, with what to do."""
        self.write("error", f"{error} {error.hint or ''}".strip(), level="error", exit_code=error.exit_code)


class _JsonHandler(logging.Handler):
    """Writes log records, such as warnings, as events."""

    def __init__(self, to: JsonLog) -> None:
        super().__init__()
        self._to = to

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        level: Level = (
            "error"
            if record.levelno >= logging.ERROR
            else "warning"
            if record.levelno >= logging.WARNING
            else "debug"
        )
        self._to.write("message", record.getMessage(), level=level, logger=record.name)


class _ForeignOutput(io.TextIOBase):
    """Takes the place of stderr: every line that a library prints there becomes an event."""

    def __init__(self, to: JsonLog, stream: IO[str]) -> None:
        self._to, self._stream, self._rest = to, stream, ""

    def write(self, text: str) -> int:
        """Write the lines that are complete; keep the rest."""
        *lines, self._rest = f"{self._rest}{text}".split("\n")
        for line in filter(None, (line.strip(_FRAME) for line in lines)):
            self._to.write("output", line, level="warning")
        return len(text)

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the number of the real file."""
        return self._stream.fileno()

    def flush(self) -> None:
        """Do nothing: every event is flushed."""


def asked_for(arguments: Sequence[str]) -> bool:
    """Return whether the arguments of `recs` ask for a log of JSON, before they are parsed."""
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return "run" in arguments and any(
        one == "--log=json" or (one, following) == ("--log", "json") for one, following in pairs
    )


_installed: list[JsonLog] = []


def json_log() -> JsonLog:
    """Return the log of this process. The first call sends everything to it that is written to stderr from then on."""
    if _installed:
        return _installed[0]
    log = JsonLog(sys.stderr)
    sys.stderr = _ForeignOutput(log, sys.stderr)
    logging.captureWarnings(capture=True)
    _installed.append(log)
    return log


def installed() -> JsonLog | None:
    """Return the log of this process; None without `--log json`."""
    return _installed[0] if _installed else None
