"""Withdrawing users and items: at once for all readers, from all runs, and nothing else changes."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tasks.errors import CheckFailedError, TransientError
from tasks.publication.maintenance import verify
from tasks.publication.publish import publish, rollback
from tasks.publication.targets.sqlite import SQLiteTarget
from tasks.publication.withdrawal import Withdrawn, withdraw
from tests.tasks.publication.published_lists import TEXTS, write_lists
from tests.tasks.publication.test_publish import WAIT, publish_run, run_child
from tests.tasks.serving import Serving

STEPS = ("leftovers_removed", "removed", "before_commit", "withdrawn", "erased")
VIEWS = ("recommendations", "similar_items", "fallback_recommendations", "previous_recommendations", "items")


def withdrawn(serving: Serving, users: list = (), items: list = (), **options: object) -> Withdrawn:
    with serving.opened() as target:
        return withdraw(target, users, items, **options)


def everything(serving: Serving) -> dict[str, list[tuple]]:
    """Return the rows of every view in the order of its first columns."""
    return {view: sorted(serving.query(f"select * from {view}")) for view in VIEWS}


def expected(before: list[tuple], owner: int, item: int, users: set, items: set) -> list[tuple]:
    """Return rows without users and items, with ranks closed up; computed row by row, in Python.

    Args:
        before: rows of a view; the rank is their second column.
        owner: the place of the list's owner in a row.
        item: the place of the listed item.
        users: owners to leave out.
        items: listed items to leave out.
    """
    rows, ranks = [], {}
    for row in sorted(before, key=lambda row: (row[owner], row[1])):
        if row[owner] not in users and row[item] not in items:
            ranks[row[owner]] = ranks.get(row[owner], 0) + 1
            rows.append((*row[:1], ranks[row[owner]], *row[2:]))
    return sorted(rows)


def test_a_user_leaves_all_runs_at_once_and_others_stay(serving: Serving) -> None:
    for run in (1, 2):
        publish_run(serving, run)
    serving.execute("insert into seen_since (user_id, item_id) values (7, 1), (8, 1)")
    before = everything(serving)
    assert withdrawn(serving, users=[7, 999]) == Withdrawn((1, 2), 20, ())
    after = everything(serving)
    for view in ("recommendations", "previous_recommendations"):
        assert after[view] == [row for row in before[view] if row[0] != 7]
        assert len(after[view]) == 290
    assert {view: after[view] for view in VIEWS[1:3]} == {view: before[view] for view in VIEWS[1:3]}
    assert serving.query("select user_id from seen_since") == [(8,)]
    with serving.opened() as target:
        assert [verify(target, run).rows for run in (1, 2)] == [290, 290]
        assert rollback(target) == 1
    assert withdrawn(serving, users=[7]) == Withdrawn((), 0, ())


def test_an_item_leaves_all_lists_and_ranks_close_up(serving: Serving) -> None:
    for run in (1, 2):
        publish_run(serving, run)
    serving.execute("insert into item_rules (rule, item_id) values ('block', 5)")
    before = everything(serving)
    assert withdrawn(serving, items=[5, 17]).runs == (1, 2)
    after, gone = everything(serving), {5, 17}
    assert after["recommendations"] == expected(before["recommendations"], 0, 2, set(), gone)
    assert after["similar_items"] == expected(before["similar_items"], 0, 2, gone, gone)
    assert after["fallback_recommendations"] == expected(
        before["fallback_recommendations"], 0, 2, set(), gone
    )
    assert after["items"] == [row for row in before["items"] if row[0] not in gone]
    assert serving.query("select item_id from item_rules") == [(5,)]
    with serving.opened() as target:
        verify(target, 1), verify(target, 2)


def test_a_withdrawn_item_explains_no_other(serving: Serving) -> None:
    rows = [(u, r, i, 1.0, "als", None, reason) for u, r, i, reason in ((1, 1, 3, 9), (1, 2, 4, 8))]
    lists = write_lists(
        serving.folder, recommendations=rows, similar_items=[], fallback_recommendations=[("all", 1, 3, 1.0)],
        items=[(i, f"Film {i}", None) for i in (3, 4, 8, 9)],
    )  # fmt: skip
    publish_run(serving, 1)
    with serving.opened() as target:
        publish(target, 2, lists, expected_live=1, keep_runs=2)
    withdrawn(serving, items=[9])
    assert serving.query("select rank, item_id, reason_item_id from recommendations order by rank") == [
        (1, 3, None), (2, 4, 8),
    ]  # fmt: skip
    with serving.opened() as target:
        verify(target)


@pytest.mark.parametrize("seed", range(4))
def test_lists_of_others_never_change(serving: Serving, seed: int) -> None:
    """For users and items drawn at random, every row is as a plain computation in Python has it."""
    draw = random.Random(seed)
    publish_run(serving, 1)
    users, items = set(draw.sample(range(1, 31), 5)), set(draw.sample(range(1, 41), draw.randint(0, 6)))
    before = everything(serving)
    withdrawn(serving, users=list(users), items=list(items))
    after = everything(serving)
    assert after["recommendations"] == expected(before["recommendations"], 0, 2, users, items)
    assert after["similar_items"] == expected(before["similar_items"], 0, 2, items, items)
    untouched = [
        u for u in range(1, 31) if not items & {r[2] for r in before["recommendations"] if r[0] == u}
    ]
    for user in set(untouched) - users:
        assert [r for r in after["recommendations"] if r[0] == user] == [
            r for r in before["recommendations"] if r[0] == user
        ]
    with serving.opened() as target:
        verify(target)


def test_lists_that_were_changed_before_stay_recognisable(serving: Serving) -> None:
    publish_run(serving, 1)
    serving.execute("update recommendations_1 set score = 5 where user_id = 3 and rank = 1")
    assert withdrawn(serving, users=[7]).unlike_published == (1,)
    with serving.opened() as target, pytest.raises(CheckFailedError):
        verify(target)


def texts(folder: Path) -> dict[str, list[tuple]]:
    return {
        "recommendations": [
            (user, rank, f"item-{rank}", 1.0 - rank, "als", None, None)
            for user in ("grace-hopper-1906", "zoe")
            for rank in range(1, 200)
        ],
        "similar_items": [],
        "fallback_recommendations": [("all", 1, "item-1", 1.0)],
        "items": [(f"item-{rank}", f"Film {rank}", None) for rank in range(1, 200)],
    }


def test_no_byte_of_a_withdrawn_user_stays_in_a_sqlite_file(tmp_path: Path) -> None:
    serving = Serving(f"sqlite:///{tmp_path}/lists.db", tmp_path)
    with serving.opened() as target:
        target.ensure_schema(TEXTS)
        publish(target, 1, write_lists(tmp_path, **texts(tmp_path)), expected_live=None, keep_runs=2)

    def files_with(text: bytes) -> set[str]:
        return {path.name for path in tmp_path.glob("lists.db*") if text in path.read_bytes()}

    with closing(sqlite3.connect(tmp_path / "lists.db", isolation_level=None)) as application:
        application.execute("pragma secure_delete = off")
        rows = [("ada-lovelace-1815", f"item-{n}") for n in range(500)]
        application.executemany("insert into seen_since (user_id, item_id) values (?, ?)", rows)
        application.execute("delete from seen_since")  # free pages keep the bytes
    assert files_with(b"grace-hopper-1906")
    assert files_with(b"ada-lovelace-1815")
    with serving.opened() as target:
        withdraw(target, ["grace-hopper-1906"], [])
        assert files_with(b"grace-hopper-1906") == files_with(b"ada-lovelace-1815") == set()
    assert files_with(b"zoe")
    assert serving.query("select count(*) from recommendations") == [(199,)]


def test_a_reader_that_keeps_old_rows_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SQLiteTarget, "busy_seconds", 0.1)
    serving = Serving(f"sqlite:///{tmp_path}/lists.db", tmp_path)
    publish_run(serving, 1)
    with closing(sqlite3.connect(tmp_path / "lists.db", isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from recommendations").fetchone()
        with pytest.raises(TransientError, match="open transaction keeps deleted rows"):
            withdrawn(serving, users=[7])
        assert reader.execute("select count(*) from recommendations").fetchone() == (300,)
    assert withdrawn(serving, users=[7]) == Withdrawn((), 0, ())


def withdraw_and_die(serving: Serving, user: int, step: str) -> None:
    def die(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    withdrawn(serving, users=[user], items=[user], on_step=die)


@pytest.fixture(scope="module")
def kept(shared_serving: Serving) -> Serving:
    """A serving database of which two runs are kept; each test withdraws another user from it."""
    for run in (1, 2):
        publish_run(shared_serving, run)
    return shared_serving


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_readers_see_all_or_nothing(kept: Serving, step: str) -> None:
    user = 3 + 5 * STEPS.index(step)
    before = everything(kept)
    child = run_child(withdraw_and_die, kept, user, step)
    child.join(WAIT)
    assert child.exitcode == -signal.SIGKILL
    seen = everything(kept)
    after = expected(before["recommendations"], 0, 2, {user}, {user})
    assert seen["recommendations"] == (after if STEPS.index(step) >= 3 else before["recommendations"])
    withdrawn(kept, users=[user], items=[user])
    assert everything(kept)["recommendations"] == after
    with kept.opened() as target:
        verify(target, 1), verify(target, 2)
    assert not [
        row for row in kept.leftovers() if row[0] not in ("recommendations.db-shm", "recommendations.db-wal")
    ]
