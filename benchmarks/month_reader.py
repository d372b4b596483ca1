"""A reader of the serving database that looks several times a second whether a complete set of lists is live."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

PAUSE = 0.2  # s


class Reader:
    """Look at the live lists in a thread of its own, as an application would, until the context ends.

    Nothing is said of the time before the first lists. After that, each look is one transaction. It must find lists of
    one run, the live one, as many rows as that run was published with, and similar items and fallback lists, too.
    """

    def __init__(self, database: Path) -> None:
        self.database = database
        self._reads, self._bad = 0, list[str]()
        self._has_lists = False
        self._lock, self._end = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def take(self) -> tuple[int, list[str]]:
        """Return how often it has looked since the last call, and what was wrong, in words."""
        with self._lock:
            found = self._reads, self._bad
            self._reads, self._bad = 0, []
        return found

    def _look(self) -> None:
        while not self._end.wait(PAUSE):
            fault = self.fault()
            if fault is None:
                continue
            with self._lock:
                self._reads += 1
                self._bad += [fault] if fault else []

    def fault(self) -> str | None:
        """Look once; return what is wrong, in words, empty if nothing is, None before the first lists."""
        if not self.database.is_file():
            return "no database" if self._has_lists else None
        try:
            with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10) as con:
                con.execute("begin")
                fault = _fault_of(con)
        except sqlite3.Error as error:
            fault = f"the error {error}"
        finally:
            if "con" in locals():
                con.close()
        if not self._has_lists:
            self._has_lists = fault == ""
            return fault if self._has_lists else None
        return fault


def _fault_of(con: sqlite3.Connection) -> str:
    """Return what is wrong with the live lists; empty if nothing is."""
    (live,) = con.execute("select run_id from active_run").fetchone() or (None,)
    expected = con.execute("select rows from published_runs where run_id = ?", [live]).fetchone()
    if expected is None:
        return f"a live run {live} that is not published"
    [(n_rows, n_runs, run)] = con.execute(
        "select count(*), count(distinct run_id), min(run_id) from recommendations"
    ).fetchall()
    if (n_runs, run) != (1, live):
        return f"lists of {n_runs} runs, {run} among them, where {live} is live"
    if n_rows != expected[0]:
        return f"{n_rows} rows of {expected[0]}"
    for view in ("similar_items", "fallback_recommendations"):
        if con.execute(f"select 1 from {view} limit 1").fetchone() is None:  # noqa: S608  (our own names)
            return f"no {view}"
    return ""
