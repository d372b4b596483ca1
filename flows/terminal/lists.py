"""Lists, similar items and nights as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.publication.queries import Item, Liked, Recommended, RecordedRun, ShownList, SimilarItems
from tasks.storage.run_records import Run

_WIDE = 110
_ID_WIDTH = len("yyyymmddhhmmss")
_STATUS_WIDTH = len("not switched")


def show_list(console: Console, found: ShownList) -> None:
    """What a user liked before, then what the user gets now."""
    who = escape(str(found.user_id))
    if found.liked:
        console.print(f"[italic]User {who} liked[/]")
        table = _items_table("", "when")
        for liked in found.liked:
            table.add_row(_liking(liked), *_item(liked.item), f"{liked.at:%Y-%m-%d}")
        console.print(table)
        console.print()
    elif found.personal or found.liked_note:
        console.print(
            f"[dim]{escape(found.liked_note or 'Nothing that this user did counts as liking.')}[/]\n"
        )
    if not found.personal:
        console.print(f"There is no list for user {who}; at login this user gets what is popular:\n")
    title = (
        f"Recommended in run {found.run_id}" if found.personal else f"The fallback list of run {found.run_id}"
    )
    _show_rows(console, title, found.rows)


def show_similar(console: Console, found: SimilarItems) -> None:
    """The items most like one."""
    title, genres = _item(found.item)
    _show_rows(console, f"Most like {title} ({genres})" if genres else f"Most like {title}", found.rows)
    if not found.rows:
        console.print("[dim]Nothing is known to be like it: too few interactions.[/]")


def show_runs(
    console: Console, runs: Sequence[Run], recorded: Sequence[RecordedRun], *, running: bool
) -> None:
    """The nights, newest first; `recorded` says what the serving database knows of them.

    Where no night is `running`, one that never ended was interrupted.

    A rollback needs the whole id: where the window is narrow, rows, size and seconds go first.
    """
    known = {run.run_id: run for run in recorded}
    wide = console.width >= _WIDE
    table = Table(box=None, pad_edge=False)
    table.add_column("run", min_width=_ID_WIDTH, no_wrap=True)
    table.add_column("as of")
    table.add_column("status", min_width=_STATUS_WIDTH, no_wrap=True)
    for name in ("", "champion"):
        table.add_column(name, overflow="fold")
    for name in ("rows", "MB", "seconds") if wide else ():
        table.add_column(name, justify="right")
    for run in runs:
        as_of = "" if run.as_of is None else f"{run.as_of:%Y-%m-%d %H:%M}"
        row = (
            str(run.run_id),
            as_of,
            _status(run, running),
            _standing(known.get(run.run_id)),
            run.champion or "",
        )
        table.add_row(*row, *(_size(run, known.get(run.run_id)) if wide else ()))
    console.print(table)
    unpublished = [(run, _why(run, running)) for run in runs if run.status != "published"]
    if any(why for _, why in unpublished):
        console.print()
    for run, why in unpublished:
        if why:
            console.print(f"{run.run_id} [dim]{_status(run, running)}:[/] {escape(why)}", soft_wrap=True)


def _status(run: Run, running: bool) -> str:
    return "interrupted" if run.status == "running" and not running else run.status.replace("_", " ")


def _why(run: Run, running: bool) -> str:
    if run.status == "running" and not running:
        return "It was killed, or the machine went down. The same command goes on where it stopped."
    return run.reason


def _size(run: Run, recorded: RecordedRun | None) -> tuple[str, str, str]:
    """Rows, the megabytes of the lists that are kept, and seconds, as far as they are known."""
    rows = "" if run.rows is None else f"{run.rows:,}"
    size = "" if recorded is None or recorded.bytes is None else f"{recorded.bytes / 2**20:,.0f}"
    ended = run.finished_at
    return rows, size, "" if ended is None else f"{(ended - run.started_at).total_seconds():,.0f}"


def _standing(run: RecordedRun | None) -> str:
    if run is None:
        return ""
    if run.live:
        return "[green]live[/]"
    if run.held_back:
        return "[yellow]rolled back[/]"
    return "kept" if run.kept else ""


def _show_rows(console: Console, title: str, rows: Sequence[Recommended]) -> None:
    """A list. Who made it stands in the title, and in a column only where several did."""
    makers = {row.model for row in rows if row.model}
    columns = {"score": [f"{row.score:.4g}" for row in rows]}
    if len(makers) == 1:
        title += f" by {makers.pop()}"
    elif makers:
        columns["by"] = [row.model or "" for row in rows]
    if any(row.because_of for row in rows):
        columns["because you liked"] = [escape(row.because_of or "") for row in rows]
    console.print(f"[italic]{title}[/]")
    table = _items_table("#", *columns)
    for row, cells in zip(rows, zip(*columns.values(), strict=True), strict=True):
        table.add_row(str(row.rank), *_item(row.item), *cells)
    console.print(table)


def _items_table(first: str, *last: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, justify="right")
    table.add_column("title", overflow="fold")
    table.add_column("genres", style="dim", overflow="fold")
    for name in last:
        table.add_column(name)
    return table


def _item(item: Item) -> tuple[str, str]:
    title = item.title if item.title is not None else f"item {item.item_id}"
    return escape(title), escape((item.genres or "").replace("|", ", "))


def _liking(liked: Liked) -> str:
    if liked.what == "rated" and liked.value is not None:
        return f"★ {liked.value:g}"
    return escape(liked.what)
