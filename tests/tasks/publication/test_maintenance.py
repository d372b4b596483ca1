"""Checksums find changed lists; pruning drops old runs."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import CheckFailedError, UsageError
from tasks.publication.checksum import Digest
from tasks.publication.maintenance import prune, verify
from tests.tasks.publication.published_lists import BIGINTS
from tests.tasks.publication.test_publish import publish_run, seen_by_readers
from tests.tasks.serving import Serving

COLUMNS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1), st.none() | st.floats(allow_nan=False), st.none() | st.text(max_size=5)
    )
)  # fmt: skip
SCHEMA = pa.schema({"n": pa.int64(), "x": pa.float64(), "s": pa.string()})


def digest(rows: list[tuple], cuts: list[int], schema: pa.Schema = SCHEMA) -> str:
    found = Digest()
    table = pa.Table.from_arrays(
        [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), schema.types, strict=True)]
        if rows
        else [pa.array([], kind) for kind in schema.types],
        schema=schema,
    )
    bounds = sorted({0, len(rows), *(cut % (len(rows) + 1) for cut in cuts)})
    for low, high in itertools.pairwise(bounds):
        for block in table.slice(low, high - low).to_batches():
            found.add("t", block)
    return found.hexdigest()


@given(COLUMNS, st.lists(st.integers(0, 50)))
def test_a_digest_does_not_depend_on_block_boundaries(rows: list[tuple], cuts: list[int]) -> None:
    assert digest(rows, cuts) == digest(rows, [])


@given(COLUMNS.filter(bool), COLUMNS.filter(bool))
def test_different_rows_have_different_digests(some: list[tuple], others: list[tuple]) -> None:
    def normal(rows: list[tuple]) -> str:  # without the sign of zero, which SQLite does not store
        return repr([(n, None if x is None else x + 0.0, s) for n, x, s in rows])

    assert (digest(some, []) == digest(others, [])) == (normal(some) == normal(others))


def test_a_digest_ignores_the_sign_of_zero() -> None:
    assert digest([(1, -0.0, "a")], []) == digest([(1, 0.0, "a")], [])


def test_a_digest_distinguishes_null_zero_and_empty_text() -> None:
    rows = [(1, None, None), (1, 0.0, None), (1, None, ""), (1, None, "a")]
    assert len({digest([row], []) for row in rows}) == 4
    assert digest([(1, None, "ab"), (1, None, "c")], []) != digest([(1, None, "a"), (1, None, "bc")], [])


def test_a_digest_ignores_the_width_of_integers() -> None:
    rows = [(1, 0.5, "a"), (2, None, None)]
    assert digest(rows, []) == digest(rows, [], SCHEMA.set(0, pa.field("n", pa.int32())))


def test_verify_finds_a_changed_score_reason_or_row_count(serving: Serving) -> None:
    for run in (1, 2):
        publish_run(serving, run)
    with serving.opened() as target:
        assert verify(target).run_id == 2
        assert verify(target, 1).rows == 300
        for change, undo in (
            (
                "score = score - 1 where user_id = 7 and rank = 3",
                "score = score + 1 where user_id = 7 and rank = 3",
            ),
            (
                "reason_item_id = 5 where user_id = 30 and rank = 10",
                "reason_item_id = null where user_id = 30",
            ),
        ):
            serving.execute(f"update recommendations_2 set {change}")
            with pytest.raises(CheckFailedError, match="not those that were published"):
                verify(target)
            serving.execute(f"update recommendations_2 set {undo}")
            assert verify(target).run_id == 2
        serving.execute("delete from similar_items_1 where item_id = 40 and rank = 5")
        with pytest.raises(CheckFailedError):
            verify(target, 1)


def test_verify_is_refused_without_a_run_or_a_digest(serving: Serving) -> None:
    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
        with pytest.raises(UsageError, match="There are no lists in"):
            verify(target)
    publish_run(serving, 1)
    serving.execute("update published_runs set digest = null")
    with serving.opened() as target:
        with pytest.raises(UsageError, match="older nightly-recs"):
            verify(target)
        with pytest.raises(UsageError, match="no lists of run 9"):
            verify(target, 9)


def test_prune_drops_old_runs_and_leftovers_but_not_the_live_run(serving: Serving) -> None:
    for run in (1, 2, 3):
        publish_run(serving, run, keep_runs=5)
    with serving.opened() as target:
        target.load(4, "recommendations", [], str)
        sizes = {run.run_id: run.bytes for run in target.published_runs()}
        done = prune(target, 2)
        assert (done.runs, done.bytes) == ((1,), sizes[1])
        assert prune(target, 2).runs == ()
        assert target.loaded_runs() == {2, 3}
        assert prune(target, 1).runs == (2,)
    assert seen_by_readers(serving) == 3
