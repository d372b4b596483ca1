"""Output of `recs replay`: a line per day with the time left, and the table of what users did next."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.terminal.console import Terminal
from models.evaluation.bootstrap import Interval
from tasks.replay.plan import BASE, CHAMPION
from tasks.replay.replay import Replay
from tasks.replay.results import Day
from tasks.replay.summary import ColumnOutcome, Outcome
from tasks.reporting.page.formats import duration


class ReplayTerminal(Terminal):
    """A `tasks.replay.replay.ReplayWatcher` that prints a line per day; stages show as bars only."""

    def replay_started(self, days: int, done: int, folder: Path) -> None:
        """Print how many days there are, how many are done, and where the results are."""
        known = f", {done} of them done already" if done else ""
        self._console.print(f"[dim]{days} days{known}; results in {escape(str(folder))}[/]", soft_wrap=True)

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        """Remove the stage's bar: a replay has thousands of stages."""
        del seconds, note
        self.remove_bar(stage, model)

    def day_finished(self, day: Day, number: int, days: int, seconds_left: float | None) -> None:
        """Print a line about a day: its champion, who came back, and the time left.

        Args:
            day: the day.
            number: its number, from 1.
            days: how many there are.
            seconds_left: about how long the rest will take; None if that is not known yet.
        """
        base = day.served.get(BASE)
        parts = [
            "no lists yet" if base is None else base.champion,
            f"{day.n_users:,} user{'' if day.n_users == 1 else 's'} came back",
        ]
        if not day.nights:
            parts.append("nothing new, earlier lists served")
        parts += [f"{variant} failed: {why}" for variant, why in day.failures.items()]
        if number < days and seconds_left is not None:
            parts.append(f"{duration(seconds_left)} left")
        mark = "[yellow]![/]" if day.failures else "[green]✓[/]"
        self.line(mark, f"{day.day:%Y-%m-%d}  {number}/{days}", day.seconds, "; ".join(parts))


def show_replay(console: Console, found: Replay, outcome: Outcome, *, csv: Path, page: Path) -> None:
    """Print the table, the protocol, and where the files are.

    Args:
        console: where to print.
        found: the replay.
        outcome: its figures.
        csv, page: the files that were written.
    """
    first = outcome.columns[0]
    table = Table(title="What users did next", title_justify="left", box=None, pad_edge=False)
    variants = len(found.plan.variants) > 1
    headings = (outcome.metric, f"{outcome.confidence:.0%} interval", "hits", "time a night", "difference")
    if variants:
        table.add_column("variant")
    table.add_column("lists of")
    for heading in headings:
        table.add_column(heading, justify="right")
    table.add_column("to")
    for row in outcome.columns:
        _row(table, row, variants=variants)
    console.print()
    console.print(table)
    days = sum(day.n_users > 0 for day in found.days)
    empty = len(found.days) - days
    gaps = f" After {empty} of {len(found.days)} days nobody came to like anything new." if empty else ""
    console.print(
        f"[dim]Means over {first.n_user_days:,} visits of {first.n_users:,} users, one visit per user and day of the "
        f"replay; at {first.with_list:.0%} of them the user had a list, at the others only the fallback list. A user "
        f"is one unit of the intervals. Hits: listed items that users came to like.{gaps}[/]",
        soft_wrap=True,
    )
    for day in found.days:
        for variant, why in day.failures.items():
            console.print(f"{day.day:%Y-%m-%d}, {variant}: {why}", markup=False, soft_wrap=True)
    console.print(f"[bold]{escape(str(page))}[/]  [dim]{escape(str(csv))}[/]", soft_wrap=True)


def _row(table: Table, row: ColumnOutcome, *, variants: bool) -> None:
    name = f"[bold]{row.model}[/]" if row.model == CHAMPION else row.model
    against = (
        ""
        if row.against is None
        else " ".join(row.against if row.against[0] != row.variant else row.against[1:])
    )
    cells = [
        name,
        "–" if row.mean is None else f"{row.mean.mean:.4f}",
        _interval(row.mean, ".4f"),
        f"{row.hits:,}",
        duration(row.seconds),
        "" if row.difference is None else f"{row.difference.mean:+.4f} {_interval(row.difference, '+.4f')}",
        against,
    ]
    table.add_row(*([row.variant] if variants else []), *cells)


def _interval(found: Interval | None, form: str) -> str:
    return "" if found is None else f"[dim]\\[{found.low:{form}}, {found.high:{form}}][/]"
