"""Lists, similar items and nights as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.publication.queries import Item, Liked, Recommended, RecordedRun, ShownList, SimilarItems
from tasks.storage.run_records import Run

if TYPE_CHECKING:
    from tasks.reporting.list_for_items import ListForItems  # imports what runs models
    from tasks.reporting.model_lists import UserByModels
    from tasks.reporting.similarity import ItemPair, SimilarUsersOf

_WIDE = 110
_ID_WIDTH = len("yyyymmddhhmmss")
_STATUS_WIDTH = len("not switched")


def show_list(console: Console, found: ShownList) -> None:
    """Print what a user liked before, then the list that the user gets now."""
    _show_liked(console, found)
    if not found.personal:
        user = escape(str(found.user_id))
        console.print(f"There is no list for user {user}; at login this user gets what is popular:\n")
    title = (
        f"Recommended in run {found.run_id}" if found.personal else f"The fallback list of run {found.run_id}"
    )
    _show_rows(console, title, found.rows)


def show_lists_by_models(console: Console, found: UserByModels) -> None:
    """Print what a user liked before, then the lists of several models, a column for each."""
    _show_liked(console, found.shown)
    user, lists = escape(str(found.shown.user_id)), found.lists
    if not any(each.rows for each in lists):
        console.print(f"No model of run {found.run_id} knows user {user}.")
        return
    console.print(f"[italic]User {user} by models of run {found.run_id}[/]")
    table = Table(box=None, pad_edge=False)
    table.add_column("#", justify="right")
    for each in lists:
        table.add_column(each.model if each.newest else f"{each.model} *", overflow="fold", ratio=1)
    for place in range(max(len(each.rows) for each in lists)):
        cells = (escape(each.rows[place].title) if place < len(each.rows) else "" for each in lists)
        table.add_row(str(place + 1), *cells)
    console.print(table)
    if not all(each.newest for each in lists):
        console.print(
            "[dim]* did not make the published lists: fitted without the newest data, to be judged.[/]",
            soft_wrap=True,
        )


def _show_liked(console: Console, found: ShownList) -> None:
    user = escape(str(found.user_id))
    if found.liked:
        console.print(f"[italic]User {user} liked[/]")
        table = _items_table("", "when")
        for liked in found.liked:
            table.add_row(_action(liked), *_title_and_genres(liked.item), f"{liked.at:%Y-%m-%d}")
        console.print(table)
        console.print()
    elif found.personal or found.liked_note:
        console.print(
            f"[dim]{escape(found.liked_note or 'Nothing that this user did counts as liking.')}[/]\n"
        )


def show_list_for_items(console: Console, found: ListForItems) -> None:
    """Print the items that somebody likes, and the list that the models make from them."""
    console.print("[italic]A new user who likes[/]")
    table = _items_table("")
    for item in found.liked:
        table.add_row("", *_title_and_genres(item))
    console.print(table)
    console.print()
    for note in found.notes:
        console.print(f"[dim]{escape(note)}[/]\n", soft_wrap=True)
    _show_rows(console, f"is recommended from these items in run {found.run_id}", found.rows)
    if not found.rows:
        console.print("[dim]No model knows anything that goes with these items.[/]")


def show_similar(console: Console, found: SimilarItems, note: str = "") -> None:
    """Print the items most similar to one item, below a note on the model."""
    _show_note(console, note)
    title, genres = _title_and_genres(found.item)
    _show_rows(console, f"Most like {title} ({genres})" if genres else f"Most like {title}", found.rows)
    if not found.rows:
        console.print("[dim]No item is known to be similar to it: too few interactions.[/]")


def show_pair(console: Console, pair: ItemPair) -> None:
    """Print how similar two items are to a model."""
    _show_note(console, pair.note)
    item, other = (_title_and_genres(each)[0] for each in (pair.item, pair.other))
    console.print(f"[italic]{other} beside {item}, by {pair.model} of run {pair.run_id}[/]", soft_wrap=True)
    if pair.similarity is None or pair.place is None:
        console.print(
            f"Not among the {pair.n_similar:,} of {pair.n_known:,} items that {pair.model} finds similar to it.\n"
            "[dim]Models with vectors, such as als, compare any two: --model als[/]",
            soft_wrap=True,
        )
        return
    console.print(f"Similarity {pair.similarity:.4g}")
    console.print(f"Place {pair.place:,} of {pair.n_known:,} items; {pair.n_similar:,} are similar at all")


def show_similar_users(console: Console, found: SimilarUsersOf) -> None:
    """Print the users most similar to one user, and what they both like."""
    _show_note(console, found.note)
    user = escape(str(found.user_id))
    console.print(f"[italic]Users most like {user} by {found.model} of run {found.run_id}[/]")
    if not found.rows:
        console.print("[dim]The model finds no user similar.[/]")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("user", overflow="fold")
    table.add_column("similarity")
    table.add_column("both like", justify="right")
    table.add_column("such as", style="dim", overflow="fold")
    for rank, row in enumerate(found.rows, 1):
        cells = f"{row.similarity:.4g}", f"{row.n_shared:,}", escape("; ".join(row.shared))
        table.add_row(str(rank), escape(str(row.user_id)), *cells)
    console.print(table)


def _show_note(console: Console, note: str) -> None:
    if note:
        console.print(f"[dim]{escape(note)}[/]\n", soft_wrap=True)


def show_runs(
    console: Console, runs: Sequence[Run], recorded: Sequence[RecordedRun], *, running: bool
) -> None:
    """Print the nights, one a row, then why each that was not published was not.

    A rollback needs the whole id, so a narrow window loses the columns rows, MB and seconds first.

    Args:
        console: where to print.
        runs: the records of the home, newest first.
        recorded: the runs that the serving database knows; those of a home whose database was adopted follow last.
        running: a night runs now; if not, a run that has no end was interrupted.
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
            _lists_state(known.get(run.run_id)),
            run.champion or "",
        )
        table.add_row(*row, *(_size(run, known.get(run.run_id)) if wide else ()))
    for adopted in (run for run in recorded if run.run_id not in {mine.run_id for mine in runs}):
        as_of = "" if adopted.as_of is None else f"{adopted.as_of:%Y-%m-%d %H:%M}"
        state = _lists_state(adopted)
        table.add_row(str(adopted.run_id), as_of, adopted.status, state, adopted.champion or "")
    console.print(table)
    unpublished = [(run, _reason(run, running)) for run in runs if run.status != "published"]
    if any(reason for _, reason in unpublished):
        console.print()
    for run, reason in unpublished:
        if reason:
            console.print(f"{run.run_id} [dim]{_status(run, running)}:[/] {escape(reason)}", soft_wrap=True)


def _status(run: Run, running: bool) -> str:
    return "interrupted" if run.status == "running" and not running else run.status.replace("_", " ")


def _reason(run: Run, running: bool) -> str:
    if run.status == "running" and not running:
        return "It was killed, or the machine went down. The same command continues where it stopped."
    return run.reason


def _size(run: Run, recorded: RecordedRun | None) -> tuple[str, str, str]:
    """Return rows, megabytes of the kept lists, and seconds; empty where unknown."""
    rows = "" if run.rows is None else f"{run.rows:,}"
    size = "" if recorded is None or recorded.bytes is None else f"{recorded.bytes / 2**20:,.0f}"
    ended = run.finished_at
    return rows, size, "" if ended is None else f"{(ended - run.started_at).total_seconds():,.0f}"


def _lists_state(run: RecordedRun | None) -> str:
    """Return what became of a run's lists: live, rolled back, kept; empty if they are gone."""
    if run is None:
        return ""
    if run.live:
        return "[green]live[/]"
    if run.held_back:
        return "[yellow]rolled back[/]"
    return "kept" if run.kept else ""


def _show_rows(console: Console, title: str, rows: Sequence[Recommended]) -> None:
    """Print a list. Its model is named in the title, or row by row where several models contributed."""
    models = {row.model for row in rows if row.model}
    columns = {"score": [f"{row.score:.4g}" for row in rows]}
    if len(models) == 1:
        title += f" by {models.pop()}"
    elif models:
        columns["by"] = [row.model or "" for row in rows]
    if any(row.because_of for row in rows):
        columns["because you liked"] = [escape(row.because_of or "") for row in rows]
    console.print(f"[italic]{title}[/]")
    table = _items_table("#", *columns)
    for row, cells in zip(rows, zip(*columns.values(), strict=True), strict=True):
        table.add_row(str(row.rank), *_title_and_genres(row.item), *cells)
    console.print(table)


def _items_table(first: str, *last: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, justify="right")
    table.add_column("title", overflow="fold")
    table.add_column("genres", style="dim", overflow="fold")
    for name in last:
        table.add_column(name)
    return table


def _title_and_genres(item: Item) -> tuple[str, str]:
    return escape(item.label), escape((item.genres or "").replace("|", ", "))


def _action(liked: Liked) -> str:
    """Return the stars of a rating, or the name of the event."""
    if liked.what == "rated" and liked.value is not None:
        return f"★ {liked.value:g}"
    return escape(liked.what)
