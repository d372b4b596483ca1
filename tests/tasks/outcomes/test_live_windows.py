"""Each run has its own period, in times of the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.artifacts import Lists
from tasks.outcomes.live_windows import PublishedLists, lists_to_judge
from tasks.storage.run_records import Run
from tests.tasks.logs import day

LISTS = Lists("k", Path("x"), 1, 1, 1, 1, 1)


def run(run_id: int, as_of: float | None, *, switched: bool = True) -> Run:
    found = Run(run_id, "", "demo", day(0), 1, None, switched=switched, champion="als")
    found.as_of = None if as_of is None else day(as_of)
    return found


def judged(*runs: Run, until: float = 40, held_back=(), gone=()) -> dict[int, PublishedLists]:
    lists = {each.run_id: LISTS for each in runs if each.switched and each.run_id not in gone}
    return {each.run_id: each for each in lists_to_judge(runs[::-1], lists, held_back, day(until))}


def ends(found: dict[int, PublishedLists], until: float = 40) -> dict[int, object]:
    return {run_id: each.live_window_end(day(until)) for run_id, each in found.items()}


def test_a_window_ends_where_the_data_of_the_next_live_run_end():
    assert ends(judged(run(1, 10), run(2, 20), run(3, 30))) == {1: day(20), 2: day(30), 3: day(40)}


def test_runs_that_did_not_go_live_end_no_window():
    assert ends(judged(run(1, 10), run(2, 20, switched=False), run(3, 30))) == {1: day(30), 3: day(40)}


def test_a_run_without_later_data_has_no_outcome_yet():
    assert ends(judged(run(1, 10), run(2, 40))) == {1: day(40)}
    assert judged(run(1, None)) == {}


def test_a_run_on_older_data_ends_no_window():
    """`--as-of --force` publishes lists of older data; the interactions after them count for the newer lists."""
    assert ends(judged(run(1, 10), run(2, 5), run(3, 30))) == {1: day(30), 2: day(30), 3: day(40)}


def test_a_run_that_was_rolled_back_has_no_window():
    found = judged(run(1, 10), run(2, 20), run(3, 30), held_back={2})
    assert ends(found) == {1: day(20), 2: None, 3: day(40)}


def test_runs_whose_lists_are_gone_still_end_windows():
    assert ends(judged(run(1, 10), run(2, 20), run(3, 30), gone={2})) == {1: day(20), 3: day(40)}


@pytest.mark.parametrize(("until", "end"), [(15, 15), (25, 20)])
def test_a_window_ends_with_tonight_at_the_latest(until, end):
    assert ends(judged(run(1, 10), run(2, 20), until=until), until)[1] == day(end)
