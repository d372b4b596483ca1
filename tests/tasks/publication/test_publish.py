"""What readers see of a publication: one complete run, always, whoever is killed when."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from tasks.artifacts import Lists
from tasks.errors import NightError, UsageError
from tasks.publication.publish import drop_old_runs, publish, rollback
from tests.tasks.publication.published_lists import BIGINTS, N, make_lists, write_lists
from tests.tasks.serving import Serving

POINTS = (
    "swept", "items", "block", "loaded", "sealed", "before_switch", "in_switch", "switched", "retained",
)  # fmt: skip
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tasks.publication.publish", "tasks.publication.targets.connect"])


def publish_run(serving: Serving, run: int, *, keep_runs: int = 2, **options: object) -> bool:
    """Publish recognisable lists as run `run`, as a night would that began just now."""
    folder = serving.folder / f"lists-{run}"
    lists = make_lists(folder, run) if not folder.exists() else reference(folder, run)
    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
        options = {"expected_live": target.live_run(), **options}
        return publish(target, run, lists, keep_runs=keep_runs, **options).switched


def reference(folder: Path, run: int) -> Lists:
    return Lists(f"lists-of-{run}", folder, 30, 300, 200, 20, 40)


def seen_by_readers(serving: Serving) -> int:
    """The run that a reader sees, after checking that all it sees is complete and of that run."""
    sizes = {"recommendations": 300, "similar_items": 200, "fallback_recommendations": 20}
    runs = set()
    with serving.application() as con:
        con.execute("begin isolation level repeatable read" if serving.is_postgresql else "begin")
        for view, size in sizes.items():
            rows = con.execute(f"select run_id, rank, score from {view}").fetchall()
            assert len(rows) == size
            assert all(score == run * 1000.0 - rank for run, rank, score in rows)
            runs |= {run for run, _, _ in rows}
        (live,) = con.execute("select run_id from active_run").fetchone()
    assert runs == {live}
    return live


def test_first_publication_shows_everything(serving: Serving) -> None:
    assert publish_run(serving, 1)
    assert seen_by_readers(serving) == 1


def test_a_later_run_replaces_the_lists_and_retention_drops_the_oldest(serving: Serving) -> None:
    for run in (1, 2, 3):
        assert publish_run(serving, run, keep_runs=2)
        assert seen_by_readers(serving) == run
    assert serving.runs_with_tables() == {2, 3}


def test_publishing_the_live_run_again_changes_nothing(serving: Serving) -> None:
    publish_run(serving, 1)
    assert publish_run(serving, 1, expected_live=None)
    assert seen_by_readers(serving) == 1


def test_keep_one_run_leaves_nothing_to_roll_back_to(serving: Serving) -> None:
    publish_run(serving, 1, keep_runs=1)
    publish_run(serving, 2, keep_runs=1)
    assert serving.runs_with_tables() == {2}
    assert serving.query("select count(*) from previous_recommendations") == [(0,)]
    with serving.opened() as target, pytest.raises(UsageError, match="No run older"):
        rollback(target)


def test_a_night_overtaken_by_another_does_not_switch(serving: Serving) -> None:
    publish_run(serving, 1)
    publish_run(serving, 3)
    assert not publish_run(serving, 2, expected_live=1)
    assert seen_by_readers(serving) == 3
    assert serving.runs_with_tables() == {1, 3}


def test_a_night_overtaken_while_it_loads_does_not_switch_either(serving: Serving) -> None:
    for run in (1, 2):
        publish_run(serving, run)

    def roll_back_meanwhile(point: str) -> None:
        if point == "before_switch":
            with serving.opened() as target:
                rollback(target)

    assert not publish_run(serving, 3, on_step=roll_back_meanwhile)
    assert seen_by_readers(serving) == 1
    assert serving.runs_with_tables() == {1, 2}


def test_force_switches_whatever_is_live(serving: Serving) -> None:
    publish_run(serving, 5)
    assert publish_run(serving, 4, expected_live=None, force=True)
    assert seen_by_readers(serving) == 4


def test_rollback_goes_to_the_run_before_and_holds_back_the_one_left(serving: Serving) -> None:
    for run in (1, 2, 3):
        publish_run(serving, run, keep_runs=5)
    with serving.opened() as target:
        assert rollback(target) == 2
        assert rollback(target) == 1
        assert target.held_back() == {2, 3}
    assert seen_by_readers(serving) == 1
    assert not publish_run(serving, 3), "a run rolled back by hand stays off"
    assert publish_run(serving, 3, force=True)
    with serving.opened() as target:
        assert target.held_back() == {2}
    assert seen_by_readers(serving) == 3


def test_rollback_to_a_named_run_and_forward_again(serving: Serving) -> None:
    for run in (1, 2, 3):
        publish_run(serving, run, keep_runs=5)
    with serving.opened() as target:
        assert rollback(target, 1) == 1
        assert rollback(target, 3) == 3
        assert target.held_back() == set()
        with pytest.raises(UsageError, match="live already"):
            rollback(target, 3)
        with pytest.raises(UsageError, match="not kept"):
            rollback(target, 99)
    assert seen_by_readers(serving) == 3


def test_a_run_rolled_back_is_dropped_before_a_good_older_one(serving: Serving) -> None:
    for run in (1, 2):
        publish_run(serving, run, keep_runs=2)
    with serving.opened() as target:
        rollback(target)
    publish_run(serving, 3, keep_runs=2)
    assert serving.runs_with_tables() == {1, 3}
    with serving.opened() as target:
        assert target.held_back() == {2}, "remembered although its lists are gone"


def test_a_run_that_somebody_rolled_back_to_meanwhile_is_not_removed(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in (1, 2, 3):
        publish_run(serving, run, keep_runs=3)
    with serving.opened() as target, serving.opened() as other:
        drop = target.drop_run

        def rolled_back_before(run: int) -> None:
            if run == 1:
                rollback(other, 1)
            drop(run)

        monkeypatch.setattr(target, "drop_run", rolled_back_before)
        drop_old_runs(target, 1)
    assert seen_by_readers(serving) == 1
    assert serving.runs_with_tables() == {1, 3}


def test_a_run_that_somebody_removed_meanwhile_is_not_rolled_back_to(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in (1, 2):
        publish_run(serving, run)
    with serving.opened() as target, serving.opened() as other:
        switch = target.switch_active_run

        def dropped_before(run: int, **options) -> bool:
            other.drop_run(run)
            return switch(run, **options)

        monkeypatch.setattr(target, "switch_active_run", dropped_before)
        with pytest.raises(NightError, match="at the same moment"):
            rollback(target)
    assert seen_by_readers(serving) == 2


def test_nothing_published_cannot_be_rolled_back(serving: Serving) -> None:
    with serving.opened() as target, pytest.raises(UsageError, match="no lists"):
        rollback(target)


def test_items_are_mended_and_added_but_never_removed(serving: Serving, tmp_path: Path) -> None:
    publish_run(serving, 1)
    folder = tmp_path / "few"
    folder.mkdir()
    lists = write_lists(
        folder,
        recommendations=[(1, 1, 1, 1.0, "als", None, None)],
        similar_items=[],
        fallback_recommendations=[("all", 1, 1, 1.0)],
        items=[(1, "A better title", None), (999, "New", "Drama")],
    )
    with serving.opened() as target:
        publish(target, 2, lists, expected_live=1, keep_runs=2)
    assert serving.query("select count(*) from items") == [(41,)]
    assert serving.query("select title, genres from items where item_id in (1, 2, 999)") == [
        ("A better title", None), ("Film 2 (1952)", "Drama|Comedy"), ("New", "Drama"),
    ]  # fmt: skip


def test_lists_that_do_not_add_up_are_not_switched_on(serving: Serving, tmp_path: Path) -> None:
    publish_run(serving, 1)
    make_lists(tmp_path / "lists", 2)
    wrong = Lists("key", tmp_path / "lists", 30, 301, 200, 20, 40)
    with serving.opened() as target, pytest.raises(NightError, match="300 rows of recommendations"):
        publish(target, 2, wrong, expected_live=1, keep_runs=2)
    assert seen_by_readers(serving) == 1


def test_previous_recommendations_follow_the_live_run(serving: Serving) -> None:
    for run in (1, 2, 3):
        publish_run(serving, run, keep_runs=4)
    assert serving.query("select distinct run_id from previous_recommendations") == [(2,)]
    with serving.opened() as target:
        rollback(target)
    assert serving.query("select distinct run_id from previous_recommendations") == [(1,)]
    publish_run(serving, 4, keep_runs=4)
    previous = serving.query("select distinct run_id from previous_recommendations")
    assert previous == [(2,)], "not that of run 3, which was rolled back by hand"


# -- killed -----------------------------------------------------------------------------------------------


def publish_and_die(serving: Serving, run: int, expected_live: int | None, point: str) -> None:
    def die(reached: str) -> None:
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    publish_run(serving, run, expected_live=expected_live, on_step=die)


def run_child(target: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
    child = processes.Process(target=target, args=arguments, daemon=True)
    child.start()
    return child


@pytest.mark.parametrize(
    ("serving", "point"),
    [
        *((kind, point) for kind in ("sqlite", "postgresql") for point in POINTS),
        *(("postgresql", point) for point in ("keyed", "attached")),
    ],
    indirect=["serving"],
)
def test_killed_at_a_point_readers_see_one_complete_run_and_the_next_night_cleans_up(
    serving: Serving, point: str
) -> None:
    for run in (1, 2):
        publish_run(serving, run, keep_runs=2)
    child = run_child(publish_and_die, serving, 3, 2, point)
    child.join(20)
    assert child.exitcode == -signal.SIGKILL
    assert seen_by_readers(serving) == (3 if point in {"switched", "retained"} else 2)
    assert publish_run(serving, 3, expected_live=2), "the killed night, resumed"
    assert seen_by_readers(serving) == 3
    assert serving.runs_with_tables() == {2, 3}
    assert serving.leftovers() == []


@pytest.mark.parametrize("point", ["block", "loaded", "before_switch"])
def test_killed_and_never_resumed_leaves_nothing_to_the_next_run(serving: Serving, point: str) -> None:
    publish_run(serving, 1)
    run_child(publish_and_die, serving, 2, 1, point).join(20)
    assert publish_run(serving, 3)
    assert seen_by_readers(serving) == 3
    assert serving.runs_with_tables() == {1, 3}


def test_killed_right_after_the_switch_a_run_stays_in_history_when_another_follows(serving: Serving) -> None:
    publish_run(serving, 1)
    run_child(publish_and_die, serving, 2, 1, "switched").join(20)
    assert publish_run(serving, 3, keep_runs=3)
    assert seen_by_readers(serving) == 3
    with serving.opened() as target:
        assert [(run.run_id, run.switched) for run in target.published_runs()] == [
            (3, True), (2, True), (1, True),
        ]  # fmt: skip
        assert rollback(target) == 2
    assert seen_by_readers(serving) == 2


def publish_and_tell(serving: Serving, run: int, begun: Event) -> None:
    publish_run(serving, run, on_step=lambda _: begun.set())


def a_publisher_at_work(serving: Serving, run: int) -> multiprocessing.process.BaseProcess:
    make_lists(serving.folder / f"lists-{run}", run)
    begun = processes.Event()
    child = run_child(publish_and_tell, serving, run, begun)
    assert begun.wait(20)
    return child


@pytest.mark.slow
def test_killed_at_200_random_instants(serving: Serving) -> None:
    """And after each, the next night succeeds and leaves nothing."""
    publish_run(serving, 1)
    child, started = a_publisher_at_work(serving, 2), time.monotonic()
    child.join(20)
    usual = time.monotonic() - started
    run, instants, killed, live = 2, random.Random(5), 0, 2
    while killed < 200:
        run += 1
        assert run < 1600, "too few of the children were still at work when they were killed"
        child = a_publisher_at_work(serving, run)
        child.join(instants.uniform(0, usual))
        child.kill()
        child.join(20)
        killed += child.exitcode != 0
        assert seen_by_readers(serving) in {live, run}
        run += 1
        assert publish_run(serving, run)
        assert seen_by_readers(serving) == run
        assert len(serving.runs_with_tables()) == 2
        assert serving.leftovers() == []
        live = run


# -- read meanwhile ---------------------------------------------------------------------------------------


def read_lists(serving: Serving, started: Event, stop: Event, answers: multiprocessing.Queue) -> None:
    """Log in again and again, and read lists of all kinds at once; report how often, which runs, and the slowest."""
    with serving.application() as con:
        answers.put(reads_of(con, serving.login(), started, stop))


def reads_of(con, login: str, started: Event, stop: Event) -> tuple:
    reads, runs, slowest, bad = 0, set(), 0.0, []
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
        started.set()
    return reads, runs, slowest, bad


def test_readers_always_get_a_full_list_from_one_run(serving: Serving) -> None:
    publish_run(serving, 1)
    stop, answers = processes.Event(), processes.Queue()
    begun = [processes.Event() for _ in range(2)]
    readers = [run_child(read_lists, serving, started, stop, answers) for started in begun]
    assert all(started.wait(20) for started in begun)
    for run in range(2, 22):
        publish_run(serving, run, keep_runs=3)
        if run % 3 == 0:
            with serving.opened() as target:
                rollback(target)
    stop.set()
    for _ in readers:
        reads, runs, slowest, bad = answers.get(timeout=20)
        assert not bad
        assert reads > 100
        assert len(runs) > 3
        assert slowest < 0.25
    for reader in readers:
        reader.join(20)
