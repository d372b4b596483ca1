"""Publication and rollback: readers always see one complete run, also when a night is killed at any step."""

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
from tests.tasks.publication.published_lists import BIGINTS, make_lists, write_lists
from tests.tasks.serving import Serving

STEPS = (
    "leftovers_removed", "items", "block", "loaded", "complete", "before_switch", "in_switch", "switched",
    "old_runs_dropped",
)  # fmt: skip
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    [
        "pytest",
        "tests.tasks.serving",
        "tasks.publication.targets.postgresql",
        "tasks.publication.targets.sqlite",
    ]
)
WAIT = 60  # s: a child starts slowly on a busy machine


def publish_run(serving: Serving, run: int, *, keep_runs: int = 2, **options: object) -> bool:
    """Publish the lists of `make_lists` as run `run`, like a night that began just now."""
    folder = serving.folder / f"lists-{run}"
    lists = make_lists(folder, run) if not folder.exists() else reference(folder, run)
    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
        options = {"expected_live": target.live_run(), **options}
        return publish(target, run, lists, keep_runs=keep_runs, **options).switched


def reference(folder: Path, run: int) -> Lists:
    return Lists(f"lists-of-{run}", folder, 30, 300, 200, 20, 40)


def seen_by_readers(serving: Serving) -> int:
    """Return the live run, after checking that all views are complete and of that run."""
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


def test_the_first_publication_shows_all_lists(serving: Serving) -> None:
    assert publish_run(serving, 1)
    assert seen_by_readers(serving) == 1


def test_a_later_run_replaces_the_lists_and_the_oldest_go(serving: Serving) -> None:
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


def test_no_switch_when_another_night_published_before(serving: Serving) -> None:
    publish_run(serving, 1)
    publish_run(serving, 3)
    assert not publish_run(serving, 2, expected_live=1)
    assert seen_by_readers(serving) == 3
    assert serving.runs_with_tables() == {1, 3}


def test_no_switch_when_a_rollback_happens_during_the_load(serving: Serving) -> None:
    for run in (1, 2):
        publish_run(serving, run)

    def roll_back_meanwhile(step: str) -> None:
        if step == "before_switch":
            with serving.opened() as target:
                rollback(target)

    assert not publish_run(serving, 3, on_step=roll_back_meanwhile)
    assert seen_by_readers(serving) == 1
    assert serving.runs_with_tables() == {1, 2}


def test_force_switches_whatever_is_live(serving: Serving) -> None:
    publish_run(serving, 5)
    assert publish_run(serving, 4, expected_live=None, force=True)
    assert seen_by_readers(serving) == 4


def test_rollback_shows_the_run_before_and_holds_back_the_other(serving: Serving) -> None:
    for run in (1, 2, 3):
        publish_run(serving, run, keep_runs=5)
    with serving.opened() as target:
        assert rollback(target) == 2
        assert rollback(target) == 1
        assert target.held_back() == {2, 3}
    assert seen_by_readers(serving) == 1
    assert not publish_run(serving, 3), "a night does not switch to a held-back run"
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


def test_a_held_back_run_is_dropped_before_an_older_one(serving: Serving) -> None:
    for run in (1, 2):
        publish_run(serving, run, keep_runs=2)
    with serving.opened() as target:
        rollback(target)
    publish_run(serving, 3, keep_runs=2)
    assert serving.runs_with_tables() == {1, 3}
    with serving.opened() as target:
        assert target.held_back() == {2}, "held_back_runs keeps runs whose lists are gone"


def test_a_run_that_a_rollback_makes_live_is_not_dropped(
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


def test_rollback_is_refused_when_its_run_is_dropped_meanwhile(
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


def test_rollback_is_refused_before_the_first_publication(serving: Serving) -> None:
    with serving.opened() as target, pytest.raises(UsageError, match="no lists"):
        rollback(target)


def test_items_are_updated_and_added_but_never_removed(serving: Serving, tmp_path: Path) -> None:
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


def test_no_switch_when_row_counts_differ(serving: Serving, tmp_path: Path) -> None:
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
    assert previous == [(2,)], "not run 3, which was rolled back by hand"


# -- killed nights ----------------------------------------------------------------------------------------


def publish_and_die(serving: Serving, run: int, expected_live: int | None, step: str) -> None:
    def die(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    publish_run(serving, run, expected_live=expected_live, on_step=die)


def run_child(target: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
    child = processes.Process(target=target, args=arguments, daemon=True)
    child.start()
    return child


@pytest.fixture(scope="module")
def history(shared_serving: Serving) -> Serving:
    """A serving database of which two runs are kept; the tests of killed nights add further runs to it."""
    for run in (1, 2):
        publish_run(shared_serving, run)
    return shared_serving


@pytest.mark.parametrize(
    ("shared_serving", "step"),
    [
        *((kind, step) for kind in ("sqlite", "postgresql") for step in STEPS),
        *(("postgresql", step) for step in ("keyed", "attached")),
    ],
    indirect=["shared_serving"],
)
def test_a_killed_night_leaves_one_complete_run_live(history: Serving, step: str) -> None:
    """The next night resumes it and leaves nothing behind."""
    live = seen_by_readers(history)
    run = live + 1
    child = run_child(publish_and_die, history, run, live, step)
    child.join(WAIT)
    assert child.exitcode == -signal.SIGKILL
    assert seen_by_readers(history) == (run if step in {"switched", "old_runs_dropped"} else live)
    assert publish_run(history, run, expected_live=live), "the killed night, resumed"
    assert seen_by_readers(history) == run
    assert history.runs_with_tables() == {live, run}
    assert history.leftovers() == []


@pytest.mark.parametrize("step", ["block", "loaded", "before_switch"])
def test_a_killed_night_is_removed_by_the_next_run(history: Serving, step: str) -> None:
    live = seen_by_readers(history)
    killed, run = live + 1, live + 2
    child = run_child(publish_and_die, history, killed, live, step)
    child.join(WAIT)
    assert child.exitcode == -signal.SIGKILL
    assert publish_run(history, run)
    assert seen_by_readers(history) == run
    assert history.runs_with_tables() == {live, run}


def test_a_run_killed_after_its_switch_can_be_rolled_back_to(serving: Serving) -> None:
    publish_run(serving, 1)
    run_child(publish_and_die, serving, 2, 1, "switched").join(WAIT)
    assert publish_run(serving, 3, keep_runs=3)
    assert seen_by_readers(serving) == 3
    with serving.opened() as target:
        assert [(run.run_id, run.switched) for run in target.published_runs()] == [
            (3, True), (2, True), (1, True),
        ]  # fmt: skip
        assert rollback(target) == 2
    assert seen_by_readers(serving) == 2


def publish_and_signal(serving: Serving, run: int, begun: Event) -> None:
    publish_run(serving, run, on_step=lambda _: begun.set())


def start_publisher(serving: Serving, run: int) -> multiprocessing.process.BaseProcess:
    make_lists(serving.folder / f"lists-{run}", run)
    begun = processes.Event()
    child = run_child(publish_and_signal, serving, run, begun)
    assert begun.wait(WAIT)
    return child


@pytest.mark.slow
def test_200_nights_killed_at_random_instants(serving: Serving) -> None:
    """After each, readers see one complete run, and the next night succeeds and leaves nothing behind."""
    publish_run(serving, 1)
    child, started = start_publisher(serving, 2), time.monotonic()
    child.join(WAIT)
    usual = time.monotonic() - started
    run, instants, killed, live = 2, random.Random(5), 0, 2
    while killed < 200:
        run += 1
        assert run < 1600, "too few children were killed before they had finished"
        child = start_publisher(serving, run)
        child.join(instants.uniform(0, usual))
        child.kill()
        child.join(WAIT)
        killed += child.exitcode != 0
        assert seen_by_readers(serving) in {live, run}
        run += 1
        assert publish_run(serving, run)
        assert seen_by_readers(serving) == run
        assert len(serving.runs_with_tables()) == 2
        assert serving.leftovers() == []
        live = run
