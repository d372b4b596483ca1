"""Rows of lists out of place, found through suspect lists, are those that sorting every list would find."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.storage.warehouse import run_file

PLAIN = """
select
    kind, owner, rank, item_id, score,
    rank = row_number() over by_rank as is_in_place,
    score > lag(score) over by_rank as is_above_better_rank,
    item_id = lag(item_id) over by_item as is_repeated
from published_lists
window
    by_rank as (partition by kind, owner order by rank),
    by_item as (partition by kind, owner order by item_id)
"""
COUNTS = """
count(*), count(*) filter (not is_in_place), count(*) filter (is_above_better_rank), count(*) filter (is_repeated)
"""
KINDS = ("recommendations", "similar_items", "fallback_recommendations")
scores = st.sampled_from([0.5, 1.0, 2.0, float("nan"), float("inf"), None])
rows = st.tuples(
    st.sampled_from(KINDS), st.sampled_from(["1", "2"]), st.integers(1, 4), st.integers(1, 4), scores
)


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("create table published_lists (kind text, owner text, owner_item_id bigint, rank integer, "
                     "item_id bigint, score float)")  # fmt: skip
        made.execute("create table item_status as select range as item_id, true as is_allowed, false as is_pinned, "
                     "false as is_blocked from range(5)")  # fmt: skip
        yield made


def counts(con: duckdb.DuckDBPyConnection, lists: list[tuple[object, ...]]) -> tuple[object, object, int]:
    """Return the counts of faults by the view and by the plain statement, and the number of suspect lists."""
    con.execute("truncate published_lists")
    if lists:
        con.executemany("insert into published_lists values (?, ?, null, ?, ?, ?)", lists)
    run_file(con, "warehouse/checks/list_rows.sql")
    [ours] = con.execute(f"select {COUNTS} from list_rows").fetchall()
    [plain] = con.execute(f"select {COUNTS} from ({PLAIN})").fetchall()
    [(suspect,)] = con.execute("select count(*) from suspect_lists").fetchall()
    return ours, plain, suspect


@given(lists=st.lists(rows, max_size=12, unique_by=lambda row: row[:3]))
def test_faults_are_those_of_sorting_all_lists(con, lists) -> None:  # type: ignore[no-untyped-def]
    """Ranks are unique in a list, else the order of equal ones would be left to chance."""
    ours, plain, _ = counts(con, lists)
    assert ours == plain


def test_right_lists_are_not_suspect(con: duckdb.DuckDBPyConnection) -> None:
    right = [
        (kind, owner, rank, 5 - rank, 1 / rank) for kind in KINDS for owner in "12" for rank in (1, 2, 3)
    ]
    assert counts(con, right) == ((18, 0, 0, 0), (18, 0, 0, 0), 0)
    for rank, item, score in ((5, 1, 0.1), (4, 4, 0.1), (4, 1, 0.5)):
        _, plain, suspect = counts(con, [*right, ("recommendations", "2", rank, item, score)])
        assert (sum(plain[1:]), suspect) == (1, 1)


def test_a_repeated_rank_is_out_of_place(con: duckdb.DuckDBPyConnection) -> None:
    ours, plain, suspect = counts(
        con, [("similar_items", "1", rank, item, 1.0) for rank, item in ((1, 1), (1, 2))]
    )
    assert ours == plain == (2, 1, 0, 0)
    assert suspect == 1
