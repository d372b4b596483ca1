"""A night's figures as tables for the terminal."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.report import Report
from tasks.runs import Run

_SHOWN = ("ndcg", "recall", "hit_rate", "mrr", "map")  # as many as fit, in this order
_FIXED_WIDTH, _METRIC_WIDTH = 24, 20


def show_report(console: Console, report: Report, *, place: str) -> None:
    """Everything that a person wants to know about a night, the verdict last."""
    show_intake(console, report)
    if report.metrics:
        show_metrics(console, report)
        show_differences(console, report)
    show_verdict(console, report, place=place)


def show_intake(console: Console, report: Report) -> None:
    """Where every row of the input went."""
    table = Table(title="Input, row by row", title_justify="left", box=None, pad_edge=False)
    table.add_column("source")
    for name in ("rows in", "clean", "duplicates", "quarantined"):
        table.add_column(name, justify="right")
    table.add_column("reasons")
    for counts in report.run.summary.get("intake", []):
        reasons = ", ".join(f"{reason} ({n:,})" for reason, n in counts["reasons"].items())
        numbers = [f"{counts[k]:,}" for k in ("rows_in", "clean", "duplicates", "quarantined")]
        table.add_row(counts["source"], *numbers, escape(reasons))
    if table.row_count:
        console.print()
        console.print(table)


def show_metrics(console: Console, report: Report) -> None:
    """Models × metrics with their intervals, on the report half, under the protocol they were measured by."""
    k = min(row["k"] for row in report.metrics)
    mine = [row for row in report.metrics if row["half"] == "report" and row["k"] == k]
    if not mine:
        console.print("\nNo user fell into the report half, so there are no figures of the models to show.")
        return
    table = Table(title=f"Models on the report half (at {k})", title_justify="left", box=None, pad_edge=False)
    table.add_column("model")
    table.add_column("users", justify="right")
    shown = _SHOWN[: max(1, (console.width - _FIXED_WIDTH) // _METRIC_WIDTH)]
    for metric in shown:
        table.add_column(f"{metric}@{k}", justify="right")
    ranked = sorted(
        {row["model"]: row for row in mine if row["metric"] == _SHOWN[0]}.values(),
        key=lambda row: (row["segment"] == "cold", -row["value"]),
    )
    for first in ranked:
        cells = [_cell(report, first["model"], metric, k) for metric in shown]
        crowned = first["model"] == report.run.champion
        name = f"{first['model']} [dim](cold)[/]" if first["segment"] == "cold" else first["model"]
        table.add_row(name, f"{first['n_users']:,}", *cells, style="bold" if crowned else "")
    console.print()
    console.print(table)
    split = next((s.note for s in report.run.stages if s.stage == "split"), "")
    console.print(
        f"[dim]Protocol: {escape(split)}. All items that the training part knows are ranked, seen ones left out; "
        "short lists are completed by content and popularity, as published. Intervals: bootstrap over users, "
        f"{report.run.settings['judge']['confidence']:.0%}. "
        "Cold: users without history, judged on the fallback list.[/]",
        soft_wrap=True,
    )


def show_differences(console: Console, report: Report) -> None:
    """Each model against popularity, paired over users."""
    rows = [r for r in report.differences if r["half"] == "report" and r["baseline"] == "popularity"]
    if not rows:
        return
    table = Table(
        title=f"Against popularity, paired over users ({rows[0]['metric']})",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("model")
    table.add_column("difference", justify="right")
    table.add_column("detectable", justify="right")
    for row in sorted(rows, key=lambda row: -row["mean"]):
        interval = f"{row['mean']:+.4f} [dim]\\[{row['low']:+.4f}, {row['high']:+.4f}][/]"
        table.add_row(row["model"], interval, f"{row['detectable']:.4f}")
    console.print()
    console.print(table)


def show_verdict(console: Console, report: Report, *, place: str) -> None:
    """What became of the night, and how to read its lists."""
    run = report.run
    console.print()
    for model, why in run.failed_models.items():
        console.print(f"[red]{model} failed:[/] {escape(why)}", soft_wrap=True)
    why = next((s.note for s in report.run.stages if s.stage == "choose"), run.champion or "")
    if run.champion:
        console.print(f"[bold]Champion[/]   {escape(why)}", soft_wrap=True)
    colour = {"published": "green", "not_switched": "yellow"}.get(run.status, "red")
    console.print(
        f"[bold {colour}]{run.status.replace('_', ' ').capitalize():<10}[/] {escape(run.reason)}",
        soft_wrap=True,
    )
    if run.status == "published":
        console.print(f"[bold]Lists[/]      {run.rows:,} rows in {escape(_near(place))}", soft_wrap=True)
        query = _login_query(place, run.summary["example_user"])
        console.print(f"[bold]Read them[/]  {escape(query)}", soft_wrap=True)
    total = sum(stage.seconds for stage in run.stages)
    peak = max((stage.peak_mb for stage in run.stages), default=0)
    console.print(
        f"[dim]Run {run.run_id}: {_wall(run)}{total:.1f} s in its stages, at most {peak:,.0f} MB[/]"
    )


def _wall(run: Run) -> str:
    """From start to end by the clock; a night that was killed and went on counts the pause."""
    return "" if run.finished_at is None else f"{(run.finished_at - run.started_at).total_seconds():,.0f} s, "


def show_stages(console: Console, report: Report) -> None:
    """The time and memory of each stage."""
    table = Table(title=f"Run {report.run.run_id}", title_justify="left", box=None, pad_edge=False)
    for name in ("stage", "model"):
        table.add_column(name)
    for name in ("seconds", "peak MB"):
        table.add_column(name, justify="right")
    table.add_column("")
    for stage in report.run.stages:
        note = "from the store" if stage.stored else ""
        table.add_row(stage.stage, stage.model or "", f"{stage.seconds:.2f}", f"{stage.peak_mb:,.0f}", note)
    console.print(table)


def _near(place: str) -> str:
    """A path as a person in this folder would write it."""
    path = Path(place)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else place


def _login_query(place: str, user: int | str) -> str:
    """A command to paste."""
    literal = str(user) if isinstance(user, int) else "'" + user.replace("'", "''") + "'"
    query = "select rank, title, score from recommendations join items using (item_id) where user_id = "
    query += f"{literal} order by rank limit 10"
    return f"sqlite3 {shlex.quote(_near(place))} {shlex.quote(query)}"


def _cell(report: Report, model: str, metric: str, k: int) -> str:
    row = report.figure(model, metric, k)
    if row is None:
        return ""
    low, high = (f"{row[end]:.3f}".lstrip("0") for end in ("ci_low", "ci_high"))
    return f"{row['value']:.4f} [dim]\\[{low}, {high}][/]"
