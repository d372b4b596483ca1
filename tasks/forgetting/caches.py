"""Rewrite or remove the artifacts of a home, which the next night makes anew from what is left.

Rewritten: the lists of each run, for comparisons, pages and samples. Kept: figures over all users (`choose`,
`trade_off`). Removed: all else, because matrices, models and evaluations hold a row of each user by its place.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from tasks.artifacts import Lists
from tasks.forgetting.subject import Subject
from tasks.storage.artifact_store import Store, write_json
from tasks.storage.warehouse import SQL

REWRITTEN = "recommend"
KEPT = ("choose", "trade_off", REWRITTEN)
"""Stages whose artifacts stay; of any other stage, a future one too, they go."""

_STATEMENTS: Mapping[str, str] = {
    "recommendations": "report/lists_without.sql",
    "similar_items": "report/similar_without.sql",
    "fallback_recommendations": "report/fallback_without.sql",
    "items": "report/catalogue_without.sql",
}


def rewrite_lists(store: Store, runs: Path, subject: Subject) -> int:
    """Remove the subject from the lists of every run that hold it; return how many artifacts were written anew.

    They get a key that no stage asks for: once the subject is remembered, a night with the old inputs must not take
    these lists for its own. A damaged artifact is removed, because nothing reads it.

    Args:
        store: the artifacts.
        runs: the folder of the run records, which then name the new keys.
        subject: whom and what to remove.
    """
    store.sweep()
    written = 0
    for name in store.everything():
        stage, _, key = name.partition("/")
        if stage != REWRITTEN:
            continue
        lists = store.find(REWRITTEN, key, Lists)
        if lists is None:
            store.remove(name)
        elif holds_subject(lists.folder, subject):
            made = store.make(REWRITTEN, key, _Writer(lists, subject), is_reusable=lambda: False)
            _rename(runs, name, f"{REWRITTEN}/{made.key}")
            store.remove(name)
            written += 1
    return written


def _rename(runs: Path, old: str, new: str) -> None:
    """Let the run records name an artifact by its new key."""
    for path in sorted(runs.glob("[0-9]*/run.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        if old in about["artifacts"]:
            names = [new if name == old else name for name in about["artifacts"]]
            write_json(path, about | {"artifacts": names})


class _Writer:
    """Writes lists without a subject into a folder; returns the reference to them."""

    def __init__(self, lists: Lists, subject: Subject) -> None:
        self._lists, self._subject = lists, subject

    def __call__(self, folder: Path) -> Lists:
        for path in self._lists.folder.iterdir():
            if path.stem in _STATEMENTS:
                _write_without(path, self._subject, folder / path.name)
        rows = {name: pq.read_metadata(folder / f"{name}.parquet").num_rows for name in _STATEMENTS}
        users = pq.read_table(folder / "recommendations.parquet", columns=["user_id"])["user_id"]
        return replace(
            self._lists, folder=folder, n_users=len(users.unique()), n_rows=rows["recommendations"],
            n_similar=rows["similar_items"], n_fallback=rows["fallback_recommendations"], n_items=rows["items"],
        )  # fmt: skip


def _write_without(path: Path, subject: Subject, target: Path) -> None:
    query = (SQL / _STATEMENTS[path.stem]).read_text(encoding="utf-8").rstrip().rstrip(";")
    parameters = {
        "lists": str(path),
        "users": [str(each) for each in subject.users],
        "items": [str(each) for each in subject.items],
    }
    named = {name: value for name, value in parameters.items() if f"${name}" in query}
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = true")
        con.sql(query, params=named).write_parquet(str(target))


def holds_subject(folder: Path, subject: Subject) -> bool:
    """Return whether a Parquet file of a folder has one of the subject's ids in a column of ids."""
    return any(count_in_parquet(path, subject) for path in sorted(folder.glob("*.parquet")))


def count_in_parquet(path: Path, subject: Subject) -> int:
    """Return how many rows of a Parquet file have one of the subject's ids in a column of ids."""
    with duckdb.connect() as con:
        found = _marked(con, path, subject)
        if found is None:
            return 0
        [(n,)] = found.filter("is_named").count("*").fetchall()
    return int(n)


def rewrite_exports(home: Path, subject: Subject) -> int:
    """Remove the subject's rows from Parquet files below a home that are no artifacts and no input of it.

    Returns:
        How many files were written anew.
    """
    written = 0
    for path in sorted(home.rglob("*.parquet")):
        if path.relative_to(home).parts[0] in ("artifacts", "raw") or not count_in_parquet(path, subject):
            continue
        partial = path.with_name(f".{path.name}.partial")
        with duckdb.connect() as con:
            con.execute("set preserve_insertion_order = true")
            found = _marked(con, path, subject)
            if found is not None:
                found.filter("not is_named").project("* exclude (is_named)").write_parquet(str(partial))
        partial.replace(path)
        written += 1
    return written


def _marked(con: duckdb.DuckDBPyConnection, path: Path, subject: Subject) -> duckdb.DuckDBPyRelation | None:
    """Return a file's rows with a further column, `is_named`; None if the file has no column of ids."""
    named = subject.named_in(pq.read_schema(path).names)
    if not named:
        return None
    conditions = (f'list_contains($ids_{n}::text[], "{column}"::text)' for n, (column, _) in enumerate(named))
    parameters = {f"ids_{n}": [str(each) for each in ids] for n, (_, ids) in enumerate(named)}
    is_named = f"coalesce({' or '.join(conditions)}, false) as is_named"
    query = f"from read_parquet($path) select *, {is_named}"
    return con.sql(query, params={"path": str(path), **parameters})


def remove_caches(store: Store) -> int:
    """Remove the artifacts of all stages but `KEPT`, with their checkpoints; return how many went.

    Those that stay are fetched if they are remote only: a search of the files here is then one of all.
    """
    stale = stale_artifacts(store)
    for name in stale:
        store.remove(name)
    for name in store.names():
        if not (store.root / name).is_dir():
            store.fetch(name)
    return len(stale)


def stale_artifacts(store: Store) -> list[str]:
    """Return what `remove_caches` removes: artifacts of other stages, checkpoints, what is half made."""
    parts = {name: name.partition("/") for name in store.everything()}
    return [name for name, (stage, _, key) in parts.items() if stage not in KEPT or key.startswith(".")]


def remove_replayed_days(root: Path) -> None:
    """Remove what replays keep of single days, users among it; their tables and pages, of all users, stay."""
    for path in sorted(root.glob("*/*")):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix not in (".csv", ".html"):
            path.unlink()
