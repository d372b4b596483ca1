"""Decide what cleaning does with each source: rebuild its table, add the rows of new files, or leave it as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import duckdb

from tasks.artifacts import CleanData, Source, SourceCounts
from tasks.storage.artifact_store import from_json, to_json
from tasks.storage.cache_key import fingerprint

_EXTENDABLE: tuple[Source, ...] = ("ratings", "tags", "events")
_MAX_ADDED_SHARE = 0.5
"""Of the rows that are clean already. A table that grows by more is rebuilt in about the same time."""

Files = Mapping[Source, Mapping[int, str]]
"""Source → file id → hash of all that the file's rows depend on."""


@dataclass(frozen=True)
class CleanPlan:
    """Plan of one cleaning.

    Attributes:
        rebuilt: the sources whose rows are all typed; their clean tables are replaced.
        added: for each source to which files were only added, the ids of those files.
        files: the ids of all files to type.
        past: the result of the cleaning that the tables stem from; None if they are all rebuilt.
        with_files: the sources of `files`.
        kept_counts: of the sources that stay as they are.
    """

    rebuilt: tuple[Source, ...]
    added: Mapping[Source, tuple[int, ...]]
    files: tuple[int, ...]
    past: CleanData | None = None

    with_files: tuple[Source, ...] = ()
    kept_counts: tuple[SourceCounts, ...] = ()

    def past_duplicates(self, source: Source) -> int:
        """Return how many duplicates the clean rows of a source come from."""
        past = () if self.past is None else self.past.counts
        return sum(counts.duplicates for counts in past if counts.source == source)

    @property
    def past_pairs(self) -> list[dict[str, Source | int | None]]:
        """The pairs of user and item of the sources to which rows are added, before that: {source, past_pairs}."""
        past = () if self.past is None else self.past.counts
        return [
            {"source": each.source, "past_pairs": each.pairs} for each in past if each.source in self.added
        ]


def full_plan(con: duckdb.DuckDBPyConnection, sources: Sequence[Source]) -> CleanPlan:
    """Return the plan that rebuilds all `sources`, those without files too, from the files that are landed."""
    landed = landed_rows(con)
    files = tuple(file_id for files in landed.values() for file_id in files)
    return CleanPlan(tuple(sources), {}, files, with_files=tuple(landed))


def partial_plan(con: duckdb.DuckDBPyConnection, base: str) -> CleanPlan | None:
    """Return the plan that cleans only what changed since the last cleaning; None if all must be cleaned.

    All must be if code, settings or id types changed, or if a source has lost its last file.

    Args:
        con: the warehouse, after `land`.
        base: the hash of everything but the files that clean tables depend on.
    """
    state = con.execute("select reference, files from clean_state where base = ?", [base]).fetchone()
    if state is None:
        return None
    past = from_json(CleanData, json.loads(state[0]))
    before = _files_from_json(state[1])
    now = landed_rows(con)
    if before.keys() - now.keys():
        return None
    rebuilt, added = [], {}
    for source, files in now.items():
        earlier = before.get(source, {})
        new = tuple(file_id for file_id in files if file_id not in earlier)
        only_added = earlier.items() <= files.items()
        if new and only_added and _is_extendable(con, past, source, new):
            added[source] = new
        elif new or not only_added:
            rebuilt.append(source)
    to_type = [*(file_id for source in rebuilt for file_id in now[source]), *_all(added)]
    cleaned = (*rebuilt, *added)
    kept = tuple(counts for counts in past.counts if counts.source not in cleaned)
    return CleanPlan(tuple(rebuilt), added, tuple(to_type), past, cleaned, kept)


def record_state(con: duckdb.DuckDBPyConnection, key: str, base: str, data: CleanData) -> None:
    """Keep the result of a cleaning, and the files that it is of, for `partial_plan` and for a night without changes.

    Args:
        con: the warehouse.
        key: the cache key of the clean tables.
        base: as in `partial_plan`.
        data: the result.
    """
    con.execute(
        "insert into clean_state (key, reference, base, files) values ($key, $reference, $base, $files)",
        {
            "key": key,
            "reference": json.dumps(to_json(data)),
            "base": base,
            "files": json.dumps(landed_rows(con)),
        },
    )


def landed_rows(con: duckdb.DuckDBPyConnection) -> dict[Source, dict[int, str]]:
    """Return source → file id → hash of what the file's rows, and their order among others, depend on."""
    found: dict[Source, dict[int, str]] = {}
    for source, file_id, *about in con.execute(
        "select source, file_id, path, kind, sha256, columns, reader, landed_at, rows, forgotten "
        "from landed_files order by source, file_id"
    ).fetchall():
        found.setdefault(source, {})[file_id] = fingerprint(*about)
    return found


def _files_from_json(text: str) -> Files:
    read = cast(dict[Source, dict[str, str]], json.loads(text))
    return {source: {int(file_id): each for file_id, each in files.items()} for source, files in read.items()}


def _is_extendable(
    con: duckdb.DuckDBPyConnection, past: CleanData, source: Source, new: Sequence[int]
) -> bool:
    """Return whether rows can be added to a source's clean table. Deletions need all of a pair's rows: they cannot."""
    counts = next((counts for counts in past.counts if counts.source == source), None)
    if source not in _EXTENDABLE or counts is None or counts.deleted or counts.deletions:
        return False
    [(rows,)] = con.execute(
        "select sum(rows) from landed_files where file_id in (select unnest($new::integer[]))",
        {"new": list(new)},
    ).fetchall()
    return bool(rows <= _MAX_ADDED_SHARE * counts.clean)


def _all(added: Mapping[Source, tuple[int, ...]]) -> list[int]:
    return [file_id for files in added.values() for file_id in files]
