"""Two nights side by side, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.reporting.compare_runs import Changed, Comparison, ListChanges, TwoLists
from tasks.reporting.list_samples import Listed
from tasks.storage.run_records import Run

_N_STAGES = 8  # shown, of those whose time changed most

Justify = Literal["left", "right"]


def show_comparison(console: Console, found: Comparison) -> None:
    """Print what changed from run A to run B."""
    _show_runs(console, found.a, found.b)
    _show_settings(console, found)
    _show_changes(console, "Data", [row for row in found.data if row.a or row.b])
    _show_metric(console, found)
    _show_changes(console, "Seconds", _most_changed(found.stages))
    if found.lists is None:
        console.print(f"\n{escape(found.why_no_lists)}", soft_wrap=True)
    else:
        _show_lists(console, found.lists)


def _show_runs(console: Console, a: Run, b: Run) -> None:
    table = _table("", "", "A", "B")
    rows = {
        "run": [str(run.run_id) for run in (a, b)],
        "as of": ["" if run.as_of is None else f"{run.as_of:%Y-%m-%d %H:%M}" for run in (a, b)],
        "ended": [run.status.replace("_", " ") for run in (a, b)],
        "champion": [run.champion or "" for run in (a, b)],
    }
    for name, values in rows.items():
        differs = values[0] != values[1]
        table.add_row(name, *map(escape, values), style="bold" if differs and name == "champion" else "")
    console.print(table)


def _show_settings(console: Console, found: Comparison) -> None:
    if not found.settings:
        console.print("\nThe settings are the same.")
        return
    table = _table("Settings", "", "A", "B")
    for row in found.settings:
        table.add_row(row.name, _setting(row.a), _setting(row.b))
    _print(console, table)


def _show_changes(console: Console, title: str, rows: Sequence[Changed]) -> None:
    if not rows:
        return
    table = _table(title, "", *(("A", "right"), ("B", "right"), ("change", "right")))
    for row in rows:
        change = "" if row.a is None or row.b is None else _signed(row.b - row.a)
        table.add_row(row.name, _number(row.a), _number(row.b), change)
    _print(console, table)


def _show_metric(console: Console, found: Comparison) -> None:
    if not found.judged:
        console.print("\nNo model was judged in both runs.")
        return
    table = _table(
        f"{found.metric} on the report half",
        *("model", ("A", "right"), ("B", "right"), ("change", "right"), "paired over users"),
    )
    for row in found.judged:
        interval = ""
        if row.paired is not None:
            interval = f"[dim]\\[{row.paired.low:+.4f}, {row.paired.high:+.4f}][/]"
        table.add_row(escape(row.name), f"{row.a:.4f}", f"{row.b:.4f}", f"{row.b - row.a:+.4f}", interval)
    _print(console, table)
    if all(row.paired is None for row in found.judged):
        console.print(
            "[dim]The two runs were judged on different users or likes: these changes are no fair comparison of "
            "the models.[/]",
            soft_wrap=True,
        )


def _show_lists(console: Console, lists: ListChanges) -> None:
    kept = lists.kept
    console.print(
        f"\n[bold]Lists[/]  of the best {kept.top} of A, {kept.share:.0%} are among the best {kept.top} of B; "
        f"{kept.users[-1]:,} users keep all, {kept.users[0]:,} none; {kept.n_new:,} users are new",
        soft_wrap=True,
    )
    if lists.movers:
        table = _table(
            f"Users that find an item among their best {kept.top}",
            *("title", ("A", "right"), ("B", "right"), ("change", "right")),
        )
        for mover in lists.movers:
            table.add_row(
                escape(mover.title), f"{mover.was:,}", f"{mover.now:,}", f"{mover.now - mover.was:+,}"
            )
        _print(console, table)
    for user in lists.users:
        _show_user(console, user)


def _show_user(console: Console, user: TwoLists) -> None:
    """Print both lists: items new in B are bold, items gone from A are dim."""
    table = _table(f"User {escape(str(user.user_id))}", ("#", "right"), "A", "B")
    in_a, in_b = ({row.item_id for row in rows} for rows in (user.a, user.b))
    for position in range(max(len(user.a), len(user.b))):
        left = _cell(user.a, position, "dim", in_b)
        right = _cell(user.b, position, "bold", in_a)
        table.add_row(str(position + 1), left, right)
    _print(console, table)


def _cell(rows: Sequence[Listed], position: int, style: str, other_items: set[int | str]) -> str:
    """Return the title at `position`, in `style` if the other list lacks the item; empty beyond the end."""
    if position >= len(rows):
        return ""
    title = escape(rows[position].title)
    return title if rows[position].item_id in other_items else f"[{style}]{title}[/]"


def _most_changed(rows: Sequence[Changed]) -> list[Changed]:
    """Return the stages whose time changed most, then the sum of all."""
    total = [row for row in rows if row.name == "all stages"]
    stages = [row for row in rows if row.name != "all stages"]
    stages.sort(key=lambda row: -abs((row.b or 0) - (row.a or 0)))
    return stages[:_N_STAGES] + total


def _table(title: str, *columns: str | tuple[str, Justify]) -> Table:
    """Return an empty table; a column is its name, or its name and how it is justified."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        named: tuple[str, Justify] = column if isinstance(column, tuple) else (column, "left")
        name, justify = named
        table.add_column(name, justify=justify, overflow="fold")
    return table


def _print(console: Console, table: Table) -> None:
    console.print()
    console.print(table)


def _setting(value: Any) -> str:
    if value is None:
        return "[dim]not set[/]"
    return escape(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _signed(change: float) -> str:
    if not change:
        return "[dim]0[/]"
    return f"{change:+,}" if isinstance(change, int) else f"{change:+,.1f}"
