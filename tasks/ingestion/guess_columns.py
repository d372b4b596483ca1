"""Guess which columns of own files hold users, items, ratings and times, from their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from tasks.artifacts import Source
from tasks.config.new_file import Values
from tasks.errors import UsageError

_NAMES = {
    "user": (
        "user", "userid", "uid", "customer", "customerid", "member", "memberid", "visitor", "visitorid", "reviewer",
        "reviewerid", "account", "accountid", "client", "clientid", "reader", "readerid", "person", "personid",
    ),
    "item": (
        "item", "itemid", "movie", "movieid", "product", "productid", "sku", "asin", "parentasin", "isbn", "book",
        "bookid", "article", "articleid", "track", "trackid", "song", "songid", "artist", "artistid", "game", "gameid",
        "appid", "business", "businessid", "show", "showid", "content", "contentid", "iid",
    ),
    "rating": ("rating", "score", "stars", "overall", "grade", "mark", "bookrating"),
    "event": ("event", "eventtype", "action", "behavior", "behaviour", "type"),
    "timestamp": (
        "timestamp", "time", "datetime", "date", "ts", "createdat", "ratedat", "reviewtime", "unixreviewtime", "when",
        "eventtime", "orderdate", "purchasedate", "orderedat", "day",
    ),
    "title": ("title", "name", "itemname", "productname", "booktitle"),
    "genres": ("genres", "genre", "category", "categories"),
}  # fmt: skip
"""Meaning → names of columns, without case and signs; the first that a file has is taken."""
_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet")
PURCHASE = "purchase"


class Guess(NamedTuple):
    """The meaning of a file.

    Attributes:
        path: the file.
        source: ratings, events or items.
        columns: meaning → name of the column; a meaning that no column has is absent.
        header: all columns.
    """

    path: Path
    source: Source
    columns: dict[str, str]
    header: tuple[str, ...]


def guess_files(folder: Path) -> list[Guess]:
    """Return what the files of a folder seem to hold, at most one file for each source.

    Args:
        folder: with CSV or Parquet files; other files are passed over.

    Raises:
        UsageError: there is no such folder, or no file in it has columns of users and items by their names.
    """
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {folder}.", "Name the folder of your files: recs init --data FOLDER"
        )
    headers = {path: header_of(path) for path in _files(folder)}
    found: dict[Source, Guess] = {}
    for path, header in headers.items():
        guess = _guess(path, header)
        if guess is not None:
            found.setdefault(guess.source, guess)
    if not found.keys() & {"ratings", "events"}:
        seen = "; ".join(f"{path.name}: {', '.join(header)}" for path, header in headers.items())
        raise UsageError(
            f"No file in {folder} has columns that are known by their names as those of users and items"
            f"{f' ({seen})' if seen else ': it holds no CSV or Parquet file'}.",
            "Write the settings file without --data, and your files' names and columns into its [data.ratings] or "
            "[data.events].",
        )
    return list(found.values())


def header_of(path: Path) -> tuple[str, ...]:
    """Return the names of a file's columns; empty if it cannot be read."""
    reader = "read_parquet(?)" if path.suffix == ".parquet" else "read_csv(?, all_varchar = true)"
    with duckdb.connect() as con:
        try:
            rows = con.execute(f"describe select * from {reader}", [str(path)]).fetchall()  # noqa: S608
        except duckdb.Error:
            return ()
    return tuple(str(row[0]) for row in rows)


def values_of(guesses: Iterable[Guess]) -> Values:
    """Return the settings that make a night read the files as they were guessed."""
    tables: dict[str, dict[str, str | list[str]]] = {}
    for guess in guesses:
        table: dict[str, str | list[str]] = {"file": guess.path.name, **guess.columns}
        if guess.source != "items":
            table.setdefault("timestamp", "")
        if guess.source == "events" and "event" not in table:
            table |= {"event": "", "constant_event": PURCHASE}
        tables[f"data.{guess.source}"] = table
    return tables


def _files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_file() and path.name.lower().endswith(_SUFFIXES)
    )


def _guess(path: Path, header: Sequence[str]) -> Guess | None:
    """Return the meaning of a file: ratings have users, items and a rating, events no rating, items no user."""
    plain = {re.sub(r"[^a-z]", "", name.lower()): name for name in reversed(header)}
    columns = {
        meaning: next(plain[name] for name in names if name in plain)
        for meaning, names in _NAMES.items()
        if any(name in plain for name in names)
    }
    if "item" not in columns:
        return None
    if "user" in columns:
        source: Source = "ratings" if "rating" in columns else "events"
        kept = ("user", "item", "rating" if source == "ratings" else "event", "timestamp")
    elif "title" in columns:
        source, kept = "items", ("item", "title", "genres", "")
    else:
        return None
    return Guess(path, source, {name: columns[name] for name in kept if name in columns}, tuple(header))
