"""The cutoff that counts hours first, against a plain statement that counts every timestamp."""

from __future__ import annotations

from datetime import datetime

import duckdb
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.storage.warehouse import run_file
from tests.examples import examples

PLAIN = """
    with moments as (
        select happened_at, count(*) as interactions
        from interactions_before($as_of)
        group by happened_at
    ),
    held_out_from_each_moment as (
        select
            happened_at,
            sum(interactions) over (order by happened_at desc) as held_out,
            sum(interactions) over () as total
        from moments
    )
    select coalesce(
        max(happened_at) filter (where held_out >= $share::decimal(18, 9) * total and held_out < total),
        min(happened_at) filter (where held_out < total)
    ) as cutoff
    from held_out_from_each_moment
"""
AS_OF = datetime(2026, 1, 1)
HOUR = 3600
seconds = st.one_of(
    st.integers(-5, 5),  # on both sides of 1970, where hours begin to count
    st.sampled_from([HOUR - 1, HOUR, HOUR + 1, 2 * HOUR]),
    st.integers(0, 10 * HOUR),
)


@given(st.lists(seconds, max_size=25), st.sampled_from([0.0, 0.05, 0.1, 1 / 3, 0.5, 0.9, 1.0]))
@settings(max_examples=examples(60), deadline=None)
def test_cutoff_agrees_with_the_plain_statement(moments: list[int], share: float) -> None:
    with duckdb.connect() as con:
        con.execute(
            "create table log as select to_timestamp(unnest($1::bigint[]))::timestamp as happened_at",
            [moments],
        )
        con.execute(
            "create temp macro interactions_before(moment) as table from log where happened_at < moment::timestamp"
        )
        parameters = {"as_of": AS_OF, "share": share}
        expected = con.execute(PLAIN, parameters).fetchall()
        assert run_file(con, "warehouse/split/temporal_cutoff.sql", **parameters).fetchall() == expected
