"""Recognise rows of forgotten users and items in landed text, so that landing refuses them.

Only the distinct values of the id columns are hashed: a file of 25 million rows has some hundred thousand of them.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from tasks.artifacts import Source
from tasks.storage.forgotten import Forgotten, IdKind
from tasks.storage.warehouse import run_file

ID_COLUMNS: dict[Source, dict[str, tuple[IdKind, ...]]] = {
    "ratings": {"user_id": ("user",), "item_id": ("item",)},
    "tags": {"user_id": ("user",), "item_id": ("item",)},
    "events": {"user_id": ("user",), "item_id": ("item",)},
    "items": {"item_id": ("item",)},
    "users": {"user_id": ("user",)},
    "links": {"user_id": ("user",), "friend_id": ("user",)},
    "relations": {"head": ("user", "item"), "tail": ("user", "item")},
}
"""The columns of each source that hold ids, and the kinds of them."""
_SEPARATORS = re.compile(r"[,;\t|]|::")


@dataclass(frozen=True)
class Refusal:
    """The ids whose rows landing refuses.

    Attributes:
        forgotten: the list.
        item_prefix: what an item's name begins with in relations, `data.relations.item_prefix`.
    """

    forgotten: Forgotten
    item_prefix: str

    def refuses(self, source: Source, kinds: Sequence[IdKind], text: str) -> bool:
        """Return whether a value of an id column names something forgotten.

        In relations a name with the prefix is an item, and any other an entity. An entity is a user only where ids
        are text: a whole number may be anything.

        Args:
            source: of the value's file.
            kinds: the kinds of ids that the column holds.
            text: the value.
        """
        if source != "relations":
            return any(self.forgotten.refuses(kind, text) for kind in kinds)
        name = text.strip()
        if self.item_prefix and name.startswith(self.item_prefix):
            return self.forgotten.refuses("item", name.removeprefix(self.item_prefix))
        return self.forgotten.id_type("user") == "TEXT" and self.forgotten.refuses("user", name)

    def refuses_line(self, source: Source, raw: str) -> bool:
        """Return whether any value of a rejected line, whose columns are not known, names something forgotten."""
        kinds = tuple(dict.fromkeys(kind for each in ID_COLUMNS[source].values() for kind in each))
        return any(self.refuses(source, kinds, value) for value in values_of_line(raw))

    def refuses_rejected(self, source: Source, raw: str) -> bool:
        """Return whether a row of the quarantine, columns as JSON or the line itself, names something forgotten."""
        try:
            columns = json.loads(raw)
        except ValueError:
            return self.refuses_line(source, raw)
        if not isinstance(columns, dict):
            return self.refuses_line(source, raw)
        named = {name.removesuffix("_id"): kinds for name, kinds in ID_COLUMNS[source].items()}
        return any(
            self.refuses(source, kinds, str(columns[name]))
            for name, kinds in named.items()
            if columns.get(name) is not None
        )


def values_of_line(raw: str) -> set[str]:
    """Return the values that a line may hold, by each of the usual separators, without their quotes."""
    found = {part.strip(" \"'\r\n") for part in _SEPARATORS.split(raw)}
    try:
        found.update(value for row in csv.reader(raw.splitlines()) for value in row)
    except csv.Error:
        return found | set(raw.split())
    return found | set(raw.split())


@dataclass(frozen=True)
class Refused:
    """The refused rows of one file.

    Attributes:
        condition: of the rows of `incoming` that are landed, as SQL; empty if all are.
        rows: how many rows and lines of the file are refused.
        lines: how many of them are lines that are no rows.
    """

    condition: str
    rows: int
    lines: int


NOTHING = Refused("", 0, 0)


def refuse_rows(
    con: duckdb.DuckDBPyConnection, source: Source, refusal: Refusal, folders: Iterable[tuple[str, str]]
) -> Refused:
    """Find the rows of the file that was just read which must not be landed; remove its rejected lines of that kind.

    Args:
        con: the warehouse, with the temporary tables `incoming` and `rejected_lines`.
        source: of the file.
        refusal: what is refused.
        folders: columns of ours that the names of the file's folders give, with their values.
    """
    columns = ID_COLUMNS[source]
    lines = _refuse_lines(con, source, refusal)
    given = dict(folders)
    if any(refusal.refuses(source, columns[name], value) for name, value in given.items() if name in columns):
        [(n,)] = con.execute("select count(*) from incoming").fetchall()
        return Refused("false", n + lines, lines)
    run_file(con, "warehouse/land/refused_values.sql")
    incoming = con.table("incoming")
    present = sorted(columns.keys() & set(incoming.columns))
    for name in present:
        values = incoming.select(name).distinct().fetchall()
        refused = [text for (text,) in values if text and refusal.refuses(source, columns[name], text)]
        if refused:
            con.execute(
                "insert into refused_values select $name, unnest($texts)", {"name": name, "texts": refused}
            )
    condition = " and ".join(f"not is_refused('{name}', {name})" for name in present)
    [(n,)] = incoming.filter(f"not ({condition})").count("*").fetchall()
    return Refused(condition if n else "", n + lines, lines)


def _refuse_lines(con: duckdb.DuckDBPyConnection, source: Source, refusal: Refusal) -> int:
    lines = con.execute("select line, raw from rejected_lines").fetchall()
    refused = [line for line, raw in lines if refusal.refuses_line(source, raw or "")]
    if refused:
        con.execute(
            "delete from rejected_lines where line in (select unnest($lines::bigint[]))", {"lines": refused}
        )
    return len(refused)
