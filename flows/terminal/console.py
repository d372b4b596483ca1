"""Live progress of a night: a line for each finished stage, a bar for each running one; and how errors are printed."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Self, cast

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from flows.terminal.streams import UnreliableStream, silence
from tasks.errors import NightError, in_words

_SIGPIPE_EXIT = 128 + signal.SIGPIPE
_UNLIMITED_WIDTH = 2000  # characters
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
log = logging.getLogger(__name__)


class PipeConsole(Console):
    """A console whose output may end early: its reader has ended, as in `recs runs | head`, or the disk is full.

    Attributes:
        exits_on_broken_pipe: True for a command that only prints: it ends, as by SIGPIPE. False for one that does work:
            it goes on in silence.
    """

    exits_on_broken_pipe = True

    @property
    def file(self) -> IO[str]:
        """The stream that is printed to."""
        return cast(IO[str], UnreliableStream(super().file))

    @file.setter
    def file(self, stream: IO[str]) -> None:
        Console.file.fset(self, stream)  # type: ignore[attr-defined]

    def on_broken_pipe(self) -> None:
        """Print no more. Called by rich while it handles the error."""
        self.quiet = True
        reason = sys.exc_info()[1]
        silence(self.file)
        if not isinstance(reason, OSError) or reason.errno == errno.EPIPE:
            if self.exits_on_broken_pipe:
                raise SystemExit(_SIGPIPE_EXIT)
        elif self.exits_on_broken_pipe:
            raise NightError(f"The output cannot be written: {reason.strerror}.")
        else:
            log.warning("The output cannot be written (%s); the command goes on without.", reason.strerror)


def make_console(*, stderr: bool = False) -> PipeConsole:
    """Return a console on stdout or stderr: as wide as its window, unlimited in a file or a pipe.

    `COLUMNS` overrides both. Without it, rich would cut a log's lines at the width of a nearby terminal, or at 80.
    """
    console = PipeConsole(stderr=stderr, highlight=False)
    if not console.file.isatty() and not os.environ.get("COLUMNS"):
        console.width = _UNLIMITED_WIDTH
    return console


out, err = make_console(), make_console(stderr=True)
err.exits_on_broken_pipe = False  # an error that nobody reads keeps its exit code


class Terminal:
    """A watcher (see `tasks.monitoring.events`) that prints; in a log or a cron mail, lines with times and no bars."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: dict[tuple[str, str | None], TaskID] = {}
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<26}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    run_id: int | None = None
    """The run that is shown; None before it has begun."""

    def __enter__(self) -> Self:
        if isinstance(self._console, PipeConsole):
            self._console.exits_on_broken_pipe = False
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def headline(self, dataset: str, home: Path) -> None:
        """Print the data set and the home that are about to run."""
        self._console.print(
            f"{self._time()}[bold]nightly-recs[/]  {escape(dataset)}  [dim]{escape(str(home))}[/]"
        )

    def say(self, note: str) -> None:
        """Print a note that belongs to no stage."""
        self._console.print(note, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Show a progress bar for one long job outside a night; yield its progress callback."""
        begun = time.perf_counter()
        self.started(name, None)
        try:
            yield lambda done, total: self.advanced(name, None, done, total)
        except BaseException:
            self._end(name, None)
            raise
        self.finished(name, None, time.perf_counter() - begun, "")

    def started(self, stage: str, model: str | None) -> None:
        """Show the stage's bar, at zero."""
        self._running[stage, model] = self._bars.add_task(_name(stage, model), total=None)

    def advanced(self, stage: str, model: str | None, done: int, total: int) -> None:
        """Move the stage's bar."""
        if (stage, model) in self._running:  # a thread may report once more after the end of its stage
            self._bars.update(self._running[stage, model], completed=done, total=total)

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        """Replace the stage's bar by a line."""
        self._end(stage, model)
        self.line("[green]✓[/]", _name(stage, model), seconds, note)

    def line(self, mark: str, name: str, seconds: float, note: str) -> None:
        """Print one line about something that has ended."""
        self._console.print(
            f"{self._time()}{mark} {escape(name):<24}{seconds:>7.1f} s  [dim]{escape(note)}[/]",
            soft_wrap=True,
        )

    def remove_bar(self, stage: str, model: str | None = None) -> None:
        """Remove the stage's bar and print nothing."""
        self._end(stage, model)

    def failed(self, stage: str, model: str | None, error: BaseException) -> None:
        """Replace the stage's bar by a line. A NightError ends the night and is printed at its end, so not here."""
        self._end(stage, model)
        what = "" if isinstance(error, NightError) else in_words(error)
        self._console.print(
            f"{self._time()}[red]✗ {_name(stage, model):<24}[/]{escape(what)}", soft_wrap=True
        )

    def interrupted(self, what: str) -> None:
        """Remove all bars, so that the cursor is back, and print what becomes of the night."""
        self._bars.stop()
        err.print(what, markup=False, soft_wrap=True)

    def _time(self) -> str:
        """The local time, at the beginning of a line of a log; nothing in a window."""
        return "" if self._console.is_terminal else f"{datetime.now().astimezone():{TIME_FORMAT}}  "

    def _end(self, stage: str, model: str | None) -> None:
        task = self._running.pop((stage, model), None)
        if task is not None:
            self._bars.remove_task(task)


def print_error(error: NightError, *, dated: bool = False) -> None:
    """Print an error's sentence, and its hint, on stderr; in a log, after the time if it is to be `dated`."""
    when = f"{datetime.now().astimezone():{TIME_FORMAT}}  " if dated and not err.is_terminal else ""
    err.print(f"{when}[bold red]Error:[/] ", end="")
    err.print(str(error), markup=False, soft_wrap=True)
    if error.hint:
        err.print(error.hint, markup=False, soft_wrap=True, style="dim")


def _name(stage: str, model: str | None) -> str:
    return stage if model is None else f"{stage} {model}"
