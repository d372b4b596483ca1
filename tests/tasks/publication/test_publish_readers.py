"""Readers during publications and rollbacks: each read gets a full list of one run, and waits for no lock."""

from __future__ import annotations

import multiprocessing
import time
from multiprocessing.synchronize import Event

import pytest

from tasks.publication.publish import rollback
from tests.tasks.publication.published_lists import N
from tests.tasks.publication.test_publish import WAIT, processes, publish_run, run_child
from tests.tasks.serving import Serving


def read_lists(serving: Serving, started: Event, stop: Event, answers: multiprocessing.Queue) -> None:
    """Log in and read lists of all kinds until `stop` is set; put the result of `reads_of` into `answers`."""
    with serving.application() as con:
        answers.put(reads_of(con, serving.login(), started, stop))


def reads_of(con, login: str, started: Event, stop: Event) -> tuple:
    """Return the number of reads, the runs seen, the seconds of the slowest read, and incomplete or mixed results.

    The seconds are those beyond the slowest `select 1`, which waits for a core but for no lock."""
    reads, runs, slowest, floor, bad = 0, set(), 0.0, 0.0, []
    queries = {
        f"select run_id, rank, score, is_personal from ({login}) as login": N,
        "select run_id, rank, score, 1 from recommendations where user_id = 7 "
        "union all select run_id, rank, score, 1 from similar_items where item_id = 3 "
        "union all select run_id, rank, score, 1 from fallback_recommendations": N + 5 + 2 * N,
    }
    while not stop.is_set() or not reads:
        for query, size in queries.items():
            parameters = {"user": reads % 30 + 1, "n": N, "segment": None} if login in query else {}
            begun = time.perf_counter()
            rows = con.execute(query, parameters).fetchall()
            slowest = max(slowest, time.perf_counter() - begun)
            seen = {run for run, *_ in rows}
            whole = len(rows) == size and len(seen) == 1
            if not whole or any(score != run * 1000.0 - rank or not own for run, rank, score, own in rows):
                bad.append(rows)
            runs |= seen
            reads += 1
        begun = time.perf_counter()
        con.execute("select 1").fetchall()
        floor = max(floor, time.perf_counter() - begun)
        started.set()
    return reads, runs, slowest - floor, bad


@pytest.mark.parametrize("last", [8, pytest.param(21, marks=pytest.mark.slow)])
def test_readers_always_get_a_full_list_of_one_run(serving: Serving, last: int) -> None:
    publish_run(serving, 1)
    stop, answers = processes.Event(), processes.Queue()
    begun = [processes.Event() for _ in range(2)]
    readers = [run_child(read_lists, serving, started, stop, answers) for started in begun]
    assert all(started.wait(WAIT) for started in begun)
    for run in range(2, last + 1):
        publish_run(serving, run, keep_runs=3)
        if run % 3 == 0:
            with serving.opened() as target:
                rollback(target)
    stop.set()
    for _ in readers:
        reads, runs, delay, bad = answers.get(timeout=WAIT)
        assert not bad
        assert reads > 100
        assert len(runs) > 3
        assert delay < 0.25
    for reader in readers:
        reader.join(WAIT)
