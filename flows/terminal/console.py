"""What a person sees while a night runs: one line per finished stage, and a bar for the one that is running."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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

from tasks.errors import NightError, in_words

_UNHEARD = 128 + signal.SIGPIPE
_ENDLESS = 2000


class Voice(Console):
    """A console whose reader may leave, as `head` does: then a tool that only shows something ends without a word.

    `works`: this process does more than show, and goes on when nobody reads what it says.
    """

    works = False

    def on_broken_pipe(self) -> None:
        """Say no more; what is still buffered goes nowhere, so that Python does not complain of it at its end."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)
        if not self.works:
            raise SystemExit(_UNHEARD)


def make_console(*, stderr: bool = False) -> Voice:
    """A console as wide as its window; a file or a pipe has none, and what is cut there is lost.

    `COLUMNS` gives one to any. Without, rich would take the width of whatever terminal is near, or 80.
    """
    console = Voice(stderr=stderr, highlight=False)
    if not console.file.isatty() and not os.environ.get("COLUMNS"):
        console.width = _ENDLESS
    return console


out, err = make_console(), make_console(stderr=True)
err.works = True  # an error that nobody reads keeps its exit code


class Terminal:
    """A watcher (see `tasks.monitoring.events`) that prints; without a terminal, lines only, fit for a cron mail."""

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

    def __enter__(self) -> Terminal:
        if isinstance(self._console, Voice):
            self._console.works = True
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def headline(self, dataset: str, home: Path) -> None:
        """Say what is about to run."""
        self._console.print(f"[bold]nightly-recs[/]  {escape(dataset)}  [dim]{escape(str(home))}[/]")

    @contextmanager
    def bar(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar for one long job outside a night; yields its progress callback."""
        begun = time.perf_counter()
        self.started(name, None)
        try:
            yield lambda done, total: self.advanced(name, None, done, total)
        except BaseException:
            self._end(name, None)
            raise
        self.finished(name, None, time.perf_counter() - begun, "")

    def started(self, stage: str, model: str | None) -> None:
        """Show a bar that has not moved yet."""
        self._running[stage, model] = self._bars.add_task(_name(stage, model), total=None)

    def advanced(self, stage: str, model: str | None, done: int, total: int) -> None:
        """Move the bar."""
        if (stage, model) in self._running:  # a thread may report once more after its stage has ended
            self._bars.update(self._running[stage, model], completed=done, total=total)

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        """Replace the bar by a line."""
        self._end(stage, model)
        self.line("[green]✓[/]", _name(stage, model), seconds, note)

    def line(self, mark: str, name: str, seconds: float, note: str) -> None:
        """One line about what is over."""
        self._console.print(
            f"{mark} {escape(name):<24}{seconds:>7.1f} s  [dim]{escape(note)}[/]", soft_wrap=True
        )

    def dropped(self, stage: str, model: str | None = None) -> None:
        """Take the bar away without a word."""
        self._end(stage, model)

    def failed(self, stage: str, model: str | None, error: BaseException) -> None:
        """Replace the bar by a line. What ends the night is said at its end; what does not, here."""
        self._end(stage, model)
        what = "" if isinstance(error, NightError) else in_words(error)
        self._console.print(f"[red]✗ {_name(stage, model):<24}[/]{escape(what)}", soft_wrap=True)

    def interrupted(self, what: str) -> None:
        """Take all bars away, so that the cursor is back, and say what becomes of the night."""
        self._bars.stop()
        err.print(what, markup=False, soft_wrap=True)

    def _end(self, stage: str, model: str | None) -> None:
        task = self._running.pop((stage, model), None)
        if task is not None:
            self._bars.remove_task(task)


def complain(error: NightError) -> None:
    """An error as one sentence, and what to do about it."""
    err.print("[bold red]Error:[/] ", end="")
    err.print(str(error), markup=False, soft_wrap=True)
    if error.hint:
        err.print(error.hint, markup=False, soft_wrap=True, style="dim")


def _name(stage: str, model: str | None) -> str:
    return stage if model is None else f"{stage} {model}"
