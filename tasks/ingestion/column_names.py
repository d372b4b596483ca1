"""Check a file's columns against the settings, and guess which of them the settings should name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence, Set
from pathlib import Path

from models.did_you_mean import nearest_name
from tasks.artifacts import Source
from tasks.errors import UsageError

_SYNONYMS = {
    "user": ("user", "userid", "uid", "who", "customer", "customerid", "client", "clientid", "visitor",
             "visitorid", "member", "account", "person", "session", "sessionid", "follower", "truster", "trustor"),
    "friend": ("friend", "friendid", "whom", "followee", "followed", "trustee", "trusted", "otheruser", "otheruserid"),
    "item": ("item", "itemid", "iid", "what", "product", "productid", "movie", "movieid", "book", "bookid",
             "isbn", "track", "trackid", "song", "songid", "article", "articleid", "content", "contentid",
             "sku", "asin", "video", "videoid", "anime", "animeid", "game", "gameid"),
    "rating": ("rating", "ratings", "score", "stars", "bookrating", "overall", "grade", "points"),
    "timestamp": ("timestamp", "time", "when", "date", "datetime", "ts", "at", "unixtime", "unixreviewtime",
                  "createdat", "eventtime", "ratedat", "day"),
    "event": ("event", "eventtype", "eventname", "type", "action", "behavior", "behaviour", "verb", "kind"),
    "tag": ("tag", "tags", "label", "keyword"),
    "head": ("head", "subject", "source", "from", "h", "s"),
    "relation": ("relation", "predicate", "property", "relationship", "r", "p"),
    "tail": ("tail", "object", "target", "to", "t", "o"),
}  # fmt: skip
_UNKNOWN = "…"
"""Stands in a suggested setting for a column that nothing in the file looks like."""


def refuse_missing_columns(
    path: Path,
    source: Source,
    missing: Set[str],
    present: Sequence[str],
    columns: dict[str, str],
    folders: Sequence[str] = (),
) -> None:
    """Raise if required columns are missing; the hint is a table of settings to copy, with guessed names.

    Args:
        path: the file.
        source: its source.
        missing: the names of the columns that are required and not there.
        present: the columns of the file.
        columns: the names that the settings give, by ours.
        folders: the columns that the names of the file's folders give, which the settings could name too.

    Raises:
        UsageError: `missing` is not empty.
    """
    if not missing:
        return
    names = _listed(sorted(missing))
    near = nearest_column(next(iter(missing)), present) if len(missing) == 1 else None
    raise UsageError(
        f"{path} has no column{'s' * (len(missing) > 1)} {names}."
        f"{f' The nearest is {near!r}.' if near else ''} Its columns: {', '.join(present)}."
        f"{' Its folders give: ' if folders else ''}{', '.join(folders)}{'.' if folders else ''}",
        suggested_settings(path, source, missing, present, columns),
    )


def suggested_settings(
    path: Path, source: Source, missing: Set[str], present: Sequence[str], columns: dict[str, str]
) -> str:
    """Return a hint with a table of settings that maps the missing columns. Arguments as above."""
    free = [name for name in present if name and name not in columns.values()]
    lines = []
    is_unrated = False
    for ours, theirs in columns.items():
        if theirs not in missing:
            continue
        key = ours.removesuffix("_id")
        guess = _guessed(key, free)
        if guess is not None:
            free.remove(guess)
            lines.append(f"{key} = {json.dumps(guess, ensure_ascii=False)}")
        elif key == "timestamp":
            lines.append('timestamp = ""  # if there are no times')
        elif key == "event":
            lines += ['event = ""  # if all rows are one event', 'constant_event = "view"']
        else:
            is_unrated = is_unrated or key == "rating"
            lines.append(f'{key} = "{_UNKNOWN}"')
    hint = "\n".join((f"Map the names in pipeline.toml, such as:\n[data.{source}]", *lines))
    if is_unrated:
        hint += (
            "\nIf the file holds views, clicks or purchases and no ratings, it is of the events: "
            f"[data.events] file = {json.dumps(path.name, ensure_ascii=False)}."
        )
    return hint


def refuse_ambiguous_columns(
    path: Path, source: Source, present: Sequence[str], names: Sequence[str]
) -> None:
    """Raise if the settings use one column twice, or the file has one twice.

    Args:
        path: the file.
        source: its source.
        present: the columns of the file.
        names: those that the settings give.

    Raises:
        UsageError: as said.
    """
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise UsageError(
            f"The settings use the column {twice!r} of the {source} twice.", f"Mend data.{source}."
        )
    for column in names:
        if present.count(column) > 1:
            raise UsageError(f"{path} has the column {column!r} twice.", "Keep one of them.")


def refuse_missing_descriptions(
    path: Path, source: Source, wanted: Sequence[str], present: Sequence[str]
) -> None:
    """Raise if a file lacks a column that the settings name as a description of its items or users.

    Args:
        path: the file.
        source: `items` or `users`; the others have none.
        wanted: the columns that the settings name.
        present: the columns of the file.

    Raises:
        UsageError: one of them is missing.
    """
    missing = [name for name in wanted if name not in present]
    if not missing:
        return
    setting = f"data.{source}.{'attributes' if source == 'items' else 'features'}"
    near = nearest_column(missing[0], present)
    raise UsageError(
        f"{path} has no column{'s' * (len(missing) > 1)} {_listed(missing)} of {setting}."
        f"{f' The nearest is {near!r}.' if near else ''} Its columns: {', '.join(present)}.",
        f"Mend {setting} in pipeline.toml.",
    )


def nearest_column(name: str, present: Sequence[str]) -> str | None:
    """Return the column whose name is most like `name`; None if none is."""
    by_lower = {column.lower(): column for column in present}
    near = nearest_name(name.lower(), by_lower, cutoff=0.5)
    return by_lower[near] if near else None


def _guessed(key: str, free: Sequence[str]) -> str | None:
    """Return the column that probably holds a field of ours."""
    short = {"".join(filter(str.isalnum, column.lower())): column for column in reversed(free)}
    known = next((short[name] for name in _SYNONYMS.get(key, ()) if name in short), None)
    if known is not None:
        return known
    return next((column for name, column in short.items() if key in name), None)


def _listed(names: Sequence[str]) -> str:
    quoted = [repr(name) for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
