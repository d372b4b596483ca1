"""Settings and their origins, guessed columns and shipped queries as tables for the terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.config.origins import DEFAULT, Setting

if TYPE_CHECKING:
    from tasks.ingestion.guess_columns import Guess
    from tasks.publication.shipped_queries import ShippedQuery


def show_settings(console: Console, found: Sequence[Setting]) -> None:
    """Print each setting, its value as TOML writes it, and its origin."""
    if not found:
        console.print("Every setting has its default value.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", overflow="fold")
    for each in found:
        style = "dim" if each.origin == DEFAULT else ""
        value = "" if each.value is None else json.dumps(each.value, ensure_ascii=False)
        table.add_row(escape(each.name), escape(value), escape(each.origin), style=style)
    console.print(table)


def show_guesses(console: Console, path: Path, guesses: Sequence[Guess], data: Path | None) -> None:
    """Print which file was written, what it says of the user's files, and what to do next."""
    console.print(
        f"Wrote {path}: every setting with its default and a comment.", markup=False, soft_wrap=True
    )
    for guess in guesses:
        read = ", ".join(f"{meaning} = {name}" for meaning, name in guess.columns.items())
        rest = [name for name in guess.header if name not in guess.columns.values()]
        others = f"; not read: {', '.join(rest)}" if rest else ""
        console.print(f"  {guess.path.name} → {guess.source}: {read}{others}", markup=False, soft_wrap=True)
        if guess.source == "events" and "event" not in guess.columns:
            console.print("    Every row counts as a purchase: mend constant_event if it is something else.")
        if guess.source == "ratings":
            console.print(
                "    Ratings lie from 0.5 to 5 by default, and likes begin at 3.5: mend rating_min,"
            )
            console.print("    rating_max and relevant_rating if your scale is another one.")
    where = "FOLDER" if data is None else str(data)
    settings = "" if path.parent == Path() else f" --config {path}"
    console.print(f"Next: recs run --dataset {where}{settings}", markup=False, soft_wrap=True)


def show_queries(console: Console, queries: Sequence[ShippedQuery]) -> None:
    """Print the names of the shipped queries and what each returns."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("query", no_wrap=True)
    table.add_column("parameters", no_wrap=True)
    table.add_column("what it returns", overflow="fold")
    for query in queries:
        table.add_row(query.name, " ".join(f":{name}" for name in query.parameters), escape(query.summary))
    console.print(table)
    console.print("\n[dim]recs sql login prints one; docs/serving.md tells how to run it.[/]")
