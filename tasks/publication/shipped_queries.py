"""The queries on the lists that applications run: `sql/serving` and `sql/cookbook`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from models.did_you_mean import did_you_mean
from tasks.errors import UsageError

_FOLDERS = tuple(Path(__file__).resolve().parents[2] / "sql" / name for name in ("serving", "cookbook"))
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")

_HEADING = re.compile(r"(?m)^-- +(.*\S)")


class ShippedQuery(NamedTuple):
    """A query: its name, its parameters in the order of their first use, and the first sentence of its comment."""

    name: str
    parameters: tuple[str, ...]
    summary: str
    text: str


def shipped_queries() -> list[ShippedQuery]:
    """Return all queries, those of applications first."""
    return [_read(path) for folder in _FOLDERS for path in sorted(folder.glob("*.sql"))]


def shipped_query(name: str) -> str:
    """Return the text of a query.

    Raises:
        UsageError: there is none of this name; the nearest one is named.
    """
    known = {query.name: query.text for query in shipped_queries()}
    plain = name.removesuffix(".sql").rpartition("/")[2]
    if plain not in known:
        hint = did_you_mean(plain, list(known), cutoff=0.4)
        raise UsageError(f"There is no query {name!r}.", f"{hint} Queries: {', '.join(known)}.".lstrip())
    return known[plain]


def _read(path: Path) -> ShippedQuery:
    text = path.read_text(encoding="utf-8")
    comment, code = " ".join(_HEADING.findall(text.partition("-- Inputs")[0])), re.sub(r"(?m)--.*$", "", text)
    parameters = tuple(dict.fromkeys(_PARAMETER.findall(code)))
    return ShippedQuery(path.stem, parameters, _first_sentence(comment), text)


def _first_sentence(comment: str) -> str:
    return comment.partition(". ")[0].removesuffix(".")
