"""The outcomes of lists, that is, what users did after they were made, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.outcomes.find_outcomes import FoundOutcomes
from tasks.outcomes.outcome_rows import ACTED, ALL, CONSUMED, FOUND
from tasks.outcomes.outcomes import LIVE, RunOutcome
from tasks.outcomes.trial import TrialResult
from tasks.recommendation.trial_arms import CONTROL, TRIAL

_PER_LENGTH = ("hit_rate", "ndcg", "recall")
_INTERVALS_BESIDE = 205  # characters that the tables take with the intervals
_TIMES_OF_DAY = 130  # the same of the table of runs with times of day, and, without them, with all metrics
_ALL_METRICS = 118
_COLOURS = {"better": "green", "worse": "red", "not decided": "yellow", "too early": "yellow"}

_LEGEND = (
    "Of users who came to like something new: hit_rate, the share who found one of these items in the first rows; "
    "ndcg and recall, as in the evaluation; consumed, the share of list rows that were taken up; found, the share of "
    "what they took up that the list held. acted: the share of the users with a list who came to like something new."
)


def show_outcomes(console: Console, found: FoundOutcomes) -> None:
    """Print a line per judged run, by its own period where it has one."""
    k = _shortest(found.rows)
    table = _table("run", "champion", "since", "until", "users", *_names(console, k))
    table.columns[0].min_width = 14  # an id that is cut names no run
    times = "%Y-%m-%d %H:%M" if console.width >= _TIMES_OF_DAY else "%Y-%m-%d"
    for run in found.runs:
        period = found.period_of(run.run_id)
        rows = [row for row in found.rows if row.run_id == run.run_id and row.period == period]
        table.add_row(
            str(run.run_id),
            escape(run.champion or ""),
            f"{rows[0].since:{times}}",
            f"{rows[0].until:{times}}{'' if period == LIVE else ' *'}",
            *_cells(console, rows, k, model=ALL, segment=ALL, variant=None),
        )
    _print(console, "Outcomes of published lists", table)
    rolled_back = any(found.period_of(run.run_id) != LIVE for run in found.runs)
    note = " * Rolled back: judged by all that came since." if rolled_back else ""
    console.print(
        f"[dim]As run {found.scored_by.run_id} knew it. {_LEGEND}{note} One run in detail: recs outcomes RUN[/]",
        soft_wrap=True,
    )


def show_outcomes_of_run(console: Console, found: FoundOutcomes) -> None:
    """Print the outcome of one run by class of users, by model, and by arm of a trial, for both periods."""
    [run] = found.runs
    k = _shortest(found.rows)
    for period in dict.fromkeys(row.period for row in found.rows):
        rows = [row for row in found.rows if row.period == period]
        title = f"Lists of run {run.run_id}, {rows[0].since:%Y-%m-%d %H:%M} to {rows[0].until:%Y-%m-%d %H:%M}"
        title += " (while they were the newest)" if period == LIVE else " (to date)"
        table = _table("of", "users", *_names(console, k))
        groups = dict.fromkeys((row.variant, row.segment, row.model) for row in rows)
        for variant, segment, model in groups:
            name = model if model != ALL else segment
            label = f"rows of {name}" if model != ALL else {"all": "all users"}.get(name, f"{name} users")
            table.add_row(
                escape(label if variant is None else f"{variant}: {label}"),
                *_cells(console, rows, k, model=model, segment=segment, variant=variant),
                style="bold" if (variant, segment, model) == (None, ALL, ALL) else "",
            )
        _print(console, title, table)
    console.print(
        f"[dim]As run {found.scored_by.run_id} knew it. {_LEGEND} Figures of a model count the rows that it placed; "
        "they add up to those of all users, but for hit_rate and consumed. Cold users had no list; the fallback list "
        "is judged.[/]",
        soft_wrap=True,
    )


def show_trial(console: Console, result: TrialResult, confidence: float) -> None:
    """Print the arms of a trial beside each other, and the verdict.

    Args:
        console: where to print.
        result: the comparison.
        confidence: of the intervals.
    """
    if not result.windows:
        console.print(f"[bold {_COLOURS[result.verdict]}]{escape(result.why)}[/]", soft_wrap=True)
        return
    trial = result.trial
    champions = ", ".join(result.champions) or "the champion"
    table = _table("metric", "control", "trial", "difference", "detectable")
    table.add_row("users", *(f"{result.n_users[arm]:,}" for arm in (CONTROL, TRIAL)), "", "")
    table.add_row("acted", *(f"{result.acted[arm]:.1%}" for arm in (CONTROL, TRIAL)), "", "")
    for row in result.compared:
        found = row.difference
        table.add_row(
            row.metric,
            f"{row.control:.4f}",
            f"{row.trial:.4f}",
            f"{found.mean:+.4f} [dim]\\[{found.low:+.4f}, {found.high:+.4f}][/]",
            f"{found.detectable:.4f}",
            style="bold" if row.metric == result.decisive else "",
        )
    _print(console, f"Trial of {trial.model} against {champions}", table)
    n_nights = len(result.windows)
    nights = (
        f"{n_nights} night{'' if n_nights == 1 else 's'}, until {result.windows[-1].until:%Y-%m-%d %H:%M}"
    )
    console.print(
        f"[dim]{nights}. A share of {trial.share:g} of the users, drawn with the salt {escape(repr(trial.salt))}, got "
        "the lists of the challenger. Users: those who came to like something new; their values are means over their "
        f"nights, each by the lists that were the newest. Intervals: bootstrap over users, {confidence:.0%}. "
        "Detectable: the true difference that so many users would show four times out of five. acted: share of all "
        "users with a list, per night; where it differs between the arms, the lists may have changed who comes "
        "back.[/]",
        soft_wrap=True,
    )
    console.print(f"[bold {_COLOURS[result.verdict]}]{escape(result.why)}[/]", soft_wrap=True)


def _metrics(console: Console, k: int | None) -> list[tuple[str, int | None]]:
    """Return the metrics that the width has room for, with their list lengths."""
    per_length = [name for name in _PER_LENGTH if k is not None]
    shown = per_length if console.width >= _ALL_METRICS else per_length[:-1]
    return [*((name, k) for name in shown), (CONSUMED, None), (FOUND, None), (ACTED, None)]


def _names(console: Console, k: int | None) -> list[str]:
    return [name if length is None else f"{name}@{length}" for name, length in _metrics(console, k)]


def _cells(
    console: Console,
    rows: Sequence[RunOutcome],
    k: int | None,
    *,
    model: str,
    segment: str,
    variant: str | None,
) -> Iterable[str]:
    """Yield the number of users, and a cell per metric of `_metrics`; empty cells where there is no figure.

    Intervals are left out where the window is too narrow for them.
    """
    wide = console.width >= _INTERVALS_BESIDE
    mine = {
        (row.metric, row.k): row
        for row in rows
        if (row.model, row.segment, row.variant) == (model, segment, variant)
    }
    judged = next((row for (metric, _), row in mine.items() if metric != ACTED), None)
    yield f"{judged.n_users:,}" if judged else "0"
    for key in _metrics(console, k):
        row = mine.get(key)
        interval = f" [dim]\\[{row.ci_low:.3f}, {row.ci_high:.3f}][/]" if row is not None and wide else ""
        yield "" if row is None else f"{row.value:.3f}{interval}"


def _shortest(rows: Iterable[RunOutcome]) -> int | None:
    return min((row.k for row in rows if row.k is not None), default=None)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    words = {"run", "champion", "since", "until", "of", "metric"}
    for column in columns:
        table.add_column(column, justify="left" if column in words else "right", no_wrap=True)
    return table


def _print(console: Console, title: str, table: Table) -> None:
    console.print(f"\n[italic]{escape(title)}[/]", soft_wrap=True)
    console.print(table)
