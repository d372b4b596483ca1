"""The plan and the outcome of `recs forget`, as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.forgetting.forget import Outcome, Plan
from tasks.forgetting.subject import LEAST_BYTES
from tasks.forgetting.traces import NAME, Searched, Trace
from tasks.storage.home import Home

_MOST_ROWS = 40


def show_plan(console: Console, plan: Plan, home: Home) -> None:
    """Print where the users and items are, and what would happen to it.

    Args:
        console: where to print.
        plan: of the command.
        home: the home.
    """
    console.print(f"Forget {_named(plan)} in {home.path}:", markup=False, soft_wrap=True)
    if plan.again:
        again = ", ".join(map(str, plan.again))
        console.print(
            f"Forgotten before: {again}. Removed again, and searched for.", markup=False, soft_wrap=True
        )
    _show_traces(console, "To be removed", plan.found.left)
    if not plan.found.left:
        console.print("Nothing of them is here now; they will be refused.")
    if plan.caches:
        console.print(
            f"{plan.caches:,} artifacts (models, matrices, evaluations) are removed, too: the next night makes them "
            "anew.",
            soft_wrap=True,
        )
    _show_foreign(console, plan.found)


def show_outcome(console: Console, outcome: Outcome, home: Home) -> None:
    """Print what the search after the removal has covered and found.

    Args:
        console: where to print.
        outcome: of the command.
        home: the home.
    """
    left = outcome.left
    console.print(
        f"Searched {left.files:,} files of {home.path} ({left.bytes / 2**20:,.1f} MB) and {left.tables:,} tables.",
        markup=False,
        soft_wrap=True,
    )
    console.print(_how_searched(outcome.plan), markup=False, soft_wrap=True)
    for unread in left.unread:
        console.print(f"Not searched, because it cannot be read: {unread}", markup=False, soft_wrap=True)
    if left.foreign != outcome.plan.found.foreign:  # else they stand in the plan, above
        _show_foreign(console, left)
    if left.left:
        _show_traces(console, "Left", left.left)
        console.print("Something is left. Give the same command again, or look at these places.")
    elif left.unread:
        console.print("Nothing is left in what can be read.")
    else:
        console.print(
            f"Nothing is left of {_named(outcome.plan)}. The next night runs without, and later deliveries are "
            "refused until recs remember.",
            markup=False,
            soft_wrap=True,
        )
    console.print(
        "Not ours to erase: backups, and a database server's own log and freed space (docs/forgetting.md).",
        soft_wrap=True,
    )


def _named(plan: Plan) -> str:
    """Name the users and items of a plan, at most a few of each."""
    parts = []
    for what, ids in (("user", plan.subject.users), ("item", plan.subject.items)):
        if ids:
            some = ", ".join(map(str, ids[:5])) + (f" and {len(ids) - 5:,} more" if len(ids) > 5 else "")
            parts.append(f"{what}{'s' * (len(ids) > 1)} {some}")
    return " and ".join(parts)


def _how_searched(plan: Plan) -> str:
    """Say by what the users were searched for."""
    subject = plan.subject
    if not subject.users:
        return "By the columns of item ids; rules of items stay, so that a block holds if the item is remembered."
    if len(subject.texts) == len(subject.users):
        return "By the columns of ids, and byte by byte, unpacked where it is packed."
    short = f"ids under {LEAST_BYTES} bytes, and words of the product such as champion,"
    why = "whole numbers" if subject.id_types[0] == "BIGINT" else short
    return f"By the columns of ids; not byte by byte, because {why} occur everywhere by chance."


def _show_foreign(console: Console, found: Searched) -> None:
    for trace in found.foreign:
        refused = "1 of its rows is" if trace.count == 1 else f"{trace.count:,} of its rows are"
        rows = f"{refused} refused from now on. Take them out there."
        name = "its name holds the id, and every night notes it. Rename it there."
        console.print(
            f"{trace.place} is yours and stays as it is: {name if trace.what == NAME else rows}",
            markup=False,
            soft_wrap=True,
        )


def _show_traces(console: Console, title: str, traces: Sequence[Trace]) -> None:
    if not traces:
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("where", "what"):
        table.add_column(name, overflow="fold")
    table.add_column("number", justify="right")
    for trace in traces[:_MOST_ROWS]:
        table.add_row(escape(trace.place), escape(trace.what), f"{trace.count:,}")
    console.print(table)
    if len(traces) > _MOST_ROWS:
        console.print(f"… and {len(traces) - _MOST_ROWS:,} more places.")
