"""Output of `recs tune`: a bar for the running trial, a line for notable ones, a table of what was found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.terminal.console import Terminal
from models.base import Progress
from tasks.tuning.search import FinishedTrial
from tasks.tuning.tune import Finding, Tuning


class TuneTerminal(Terminal):
    """A `tasks.tuning.tune.TuningWatcher` that prints the defaults' score, each improvement and each failure."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bar: str | None = None

    def fit_started(
        self, model: str, number: int, part: str, best: float | None, seconds_left: float
    ) -> Progress:
        """Show a bar with the running trial, the best score so far and the time left; return its progress callback.

        Args:
            model: its name.
            number: of the trial.
            part: of the window that is fitted.
            best: the best score so far; None before the first.
            seconds_left: of the budget.
        """
        self._remove_bar()
        so_far = "" if best is None else f", best {best:.4f}"
        bar = f"{model} {number} ({part}{so_far}; {_clock(seconds_left)} left)"
        self._bar = bar
        self.started(bar, None)
        return lambda done, total: self.advanced(bar, None, done, total)

    def trial_finished(self, trial: FinishedTrial) -> None:
        """Print a line if the trial failed, is the best so far, or tried the default or earlier settings."""
        self._remove_bar()
        name = f"{trial.model} {trial.number}"
        if trial.outcome == "failed":
            self.line("[red]✗[/]", name, trial.seconds, f"failed: {trial.error}")
        elif trial.origin or trial.best:
            origins = {"default": "the default settings", "earlier": "found by an earlier tune"}
            note = origins.get(trial.origin) or settings_text(trial.settings)
            mark = "[green]✓[/]" if trial.best else "[dim]·[/]"
            self.line(mark, name, trial.seconds, f"{trial.score or 0:.4f}  {note}")

    def _remove_bar(self) -> None:
        if self._bar is not None:
            self.remove_bar(self._bar)
            self._bar = None


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return the settings as text, such as `factors=64 alpha=3.2`."""
    return " ".join(f"{name}={value}" for name, value in settings.items())


def show_tuning(console: Console, tuning: Tuning, file: Path) -> None:
    """Print what was found for each model, and the file that holds it.

    Args:
        console: where to print.
        tuning: how the search ended.
        file: the home's `tuned.toml`, which may not exist.
    """
    found = [finding for finding in tuning.findings if finding.tuned is not None]
    if found:
        table = Table(title="Better than the defaults", title_justify="left", box=None, pad_edge=False)
        for name in ("model", "default", "tuned", "difference", "trials"):
            table.add_column(name, justify="left" if name == "model" else "right")
        for finding in found:
            _row(table, finding)
        console.print()
        console.print(table)
        for finding in found:
            if finding.tuned is not None:
                text = f"{finding.model}: {settings_text(finding.tuned.settings)}"
                console.print(text, markup=False, soft_wrap=True)
    for finding in tuning.findings:
        if finding.tuned is None:
            score = "" if finding.guiding is None else f" ({_means(finding)}; {_trials(finding)})"
            console.print(f"{finding.model}: {finding.why}{score}", markup=False, soft_wrap=True)
    _show_resumed(console, tuning)
    console.print(
        f"[dim]The window: {escape(tuning.window)}. Of its select half {tuning.users:,} users guided the search, and "
        f"{tuning.confirming:,} others compared its result with the defaults; the differences are theirs. The night "
        "judges the settings anew.[/]",
        soft_wrap=True,
    )
    if tuning.stopped:
        console.print("Stopped by Ctrl-C; the same command continues where it stopped.")
    if file.exists():
        kept = "" if found else ", with what earlier tunes found"
        console.print(
            f"[bold]{escape(str(file))}[/] goes into the next `recs run`{kept}. To go back: delete a model's "
            "tables there, or set models.tuned = false.",
            soft_wrap=True,
        )


def _row(table: Table, finding: Finding) -> None:
    if finding.tuned is None:
        return
    evidence = finding.tuned.evidence
    interval = f"{evidence.difference:+.4f} [dim]\\[{evidence.low:+.4f}, {evidence.high:+.4f}][/]"
    table.add_row(
        finding.model, f"{evidence.default:.4f}", f"{evidence.score:.4f}", interval, _trials(finding)
    )


def _show_resumed(console: Console, tuning: Tuning) -> None:
    """Say which searches were continued, with the number of their earlier trials."""
    resumed = ", ".join(f"{each.model} {each.earlier}" for each in tuning.findings if each.earlier)
    if resumed:
        console.print(f"Continued earlier searches; trials from before: {resumed}.", soft_wrap=True)


def _means(finding: Finding) -> str:
    """Return the default's mean, and that of the best settings, for each group of users that has any."""
    groups = {"guiding": finding.guiding, "confirming": finding.confirming}
    return "; ".join(
        f"{name} users {means.default:.4f}"
        + (f" → {means.best:.4f}" if means.best != means.default or name == "confirming" else "")
        for name, means in groups.items()
        if means is not None
    )


def _trials(finding: Finding) -> str:
    return f"{finding.trials} trial{'' if finding.trials == 1 else 's'}, {finding.pruned} cut short"


def _clock(seconds: float) -> str:
    whole = max(0, round(seconds))
    return (
        f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02}"
    )
