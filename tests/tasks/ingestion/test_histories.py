"""The order of typed rows against plain statements that sort and group all of them, not only those that repeat."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tasks.ingestion.repeats import find_repeats
from tasks.storage.warehouse import run_file

PLAIN_RATINGS = """
    select
        user_id, item_id, rating, rated_at,
        lead(rated_at) over (
            partition by user_id, item_id, is_not_rated order by rated_at, position, line
        ) as superseded_at,
        false as is_deleted
    from read_ratings
    inner join file_order using (file_id)
    where
        user_id is not null and item_id is not null and (rating is not null or is_not_rated) and rated_at is not null
        and deletion = 'no'
"""
PLAIN_EVENTS = """
    with by_file as (
        select file_id, user_id, item_id, event, value, happened_at, count(*) as rows
        from read_events
        where
            user_id is not null and item_id is not null and event is not null and value is not null
            and happened_at is not null and deletion = 'no'
        group by all
    ),
    habits as (
        select
            file_id, event,
            any_value(unit) = 'none' as has_no_times,
            sum(rows) filter (is_rounded_time(happened_at)) > 0.05 * sum(rows) as has_coarse_times
        from by_file
        inner join column_formats using (file_id)
        group by file_id, event
    )
    select
        user_id, item_id, event, value, happened_at,
        max(case when has_no_times or has_coarse_times and is_rounded_time(happened_at) then rows else 1 end) as times,
        sum(rows) - times as repeats,
        null::timestamp as superseded_at,
        false as is_deleted
    from by_file
    inner join habits using (file_id, event)
    group by user_id, item_id, event, value, happened_at
"""
ROWS = """
    select
        1 + (hash(i, 1) % 3)::integer as file_id,
        i as line,
        nullif((hash(i, 2) % $values)::bigint, 0) as user_id,
        (hash(i, 3) % 4)::bigint as item_id,
        case when hash(i, 4) % 9 > 0 then (hash(i, 4) % 5)::double end as number,
        hash(i, 4) % 9 = 0 and hash(i, 5) % 2 = 0 as is_none,
        make_timestamp(1700000000000000 + (hash(i, 6) % 5)::bigint * 30000000) as moment,
        ['like', 'view'][1 + (hash(i, 7) % 2)::bigint] as name,
        case hash(i, 8) % 20 when 0 then 'at' when 1 then 'neither' else 'no' end as deletion
    from range($rows) as numbers(i)
"""
"""Few values, so that pairs and events repeat, within a file and in several; the values of user 0 are missing."""


@pytest.fixture
def staged() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with three files, one of them without times."""
    with duckdb.connect() as con:
        con.execute("create table landed_files as from (values (1, 'increment', 'b'), (2, 'snapshot', 'c'), "
                    "(3, 'increment', 'a')) as files(file_id, kind, path)")  # fmt: skip
        con.execute("create temp table column_formats as select file_id, "
                    "case file_id when 3 then 'none' else 'second' end as unit from landed_files")  # fmt: skip
        con.execute("create temp table read_tags (file_id integer, line bigint, user_id bigint, item_id bigint, "
                    "tag text, tagged_at timestamp, deletion text)")  # fmt: skip
        yield con


def put_in_order(con: duckdb.DuckDBPyConnection, n_rows: int, n_values: int) -> None:
    """Stage `n_rows` ratings and events of `n_values` users, and run histories.sql."""
    con.execute(f"create or replace temp table staged as {ROWS}", {"rows": n_rows, "values": n_values})
    con.execute("create or replace temp table read_ratings as select file_id, line, user_id, item_id, "
                "number as rating, is_none as is_not_rated, moment as rated_at, deletion from staged")  # fmt: skip
    con.execute("create or replace temp table read_events as select file_id, line, user_id, item_id, "
                "name as event, number as value, moment as happened_at, deletion from staged")  # fmt: skip
    find_repeats(con)
    run_file(con, "warehouse/clean/histories.sql")


def sorted_rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return con.sql(f"from ({query}) order by all").fetchall()


@pytest.mark.parametrize("n_values", [3, 100, 100_000])
@pytest.mark.parametrize(
    ("table", "plain"), [("rating_history", PLAIN_RATINGS), ("event_history", PLAIN_EVENTS)]
)
def test_histories_agree_with_plain_ones(
    staged: duckdb.DuckDBPyConnection, table: str, plain: str, n_values: int
) -> None:
    put_in_order(staged, 2000, n_values)
    found = sorted_rows(staged, f"from {table}")
    assert found == sorted_rows(staged, plain)
    assert len(found) > 100


def test_single_rows_are_not_ordered(staged: duckdb.DuckDBPyConnection) -> None:
    """The test above would hold if every row were taken for a repeated one."""
    put_in_order(staged, 2000, 10**12)
    assert staged.sql("from repeated_ratings").fetchall() == []
    assert staged.sql("from repeated_events").fetchall() == []


def test_no_row_gives_empty_histories(staged: duckdb.DuckDBPyConnection) -> None:
    put_in_order(staged, 0, 3)
    assert staged.sql("from rating_history").fetchall() == staged.sql("from event_history").fetchall() == []
