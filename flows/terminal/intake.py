"""Tables of tonight's input: rows of each source by outcome, and the increments that were left out."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.artifacts import Deliveries
from tasks.reporting.run_report import Report


def show_intake(console: Console, report: Report) -> None:
    """Print how many rows of each source became what, and why; the increments.

    Deleted and forgotten rows have columns if there are any.
    """
    table = Table(title="Input, row by row", title_justify="left", box=None, pad_edge=False)
    table.add_column("source")
    shown = report.run.summary.intake
    with_deletions = any(counts.deleted or counts.deletions for counts in shown)
    outcomes = ["clean", "duplicates", *(("deleted", "deletions") if with_deletions else ()), "quarantined"]
    outcomes += ["forgotten"] * any(counts.forgotten for counts in shown)
    for name in ("rows in", *outcomes):
        table.add_column(name, justify="right")
    table.add_column("reasons")
    for counts in shown:
        reasons = ", ".join(f"{reason} ({n:,})" for reason, n in counts.reasons.items())
        numbers = [f"{n:,}" for n in (counts.rows_in, *(getattr(counts, name) for name in outcomes))]
        table.add_row(counts.source, *numbers, escape(reasons))
    if table.row_count:
        console.print()
        console.print(table)
    deliveries = report.run.summary.deliveries
    if deliveries != Deliveries():
        console.print(f"Increments: {deliveries.increments:,}, of which {deliveries.new:,} came tonight.")
    for what, left in (("Left for the next night", deliveries.waiting), ("Set aside", deliveries.set_aside)):
        for file in left:
            console.print(f"[yellow]{what}: {escape(file.path)} ({escape(file.why)})[/]", soft_wrap=True)
