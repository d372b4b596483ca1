"""Deletions: what they take away, from when on, and that the rows still add up."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts import SourceCounts
from tasks.config.data_settings import DataSettings, RatingsColumns
from tasks.errors import NightError
from tasks.storage.warehouse import run_file
from tests.examples import examples
from tests.tasks.ingestion.test_increments import deliver
from tests.tasks.inputs import EVENTS, LENIENT, RATINGS, TAGS, land_and_clean, rows

T = 100_000_000
WITH = "userId,movieId,rating,timestamp,deleted\n"


def moment(seconds: int) -> datetime:
    return datetime(1970, 1, 1) + timedelta(seconds=seconds)


def tally(con: duckdb.DuckDBPyConnection, folder: Path, source: str = "ratings") -> tuple[int, ...]:
    """Land and clean; return rows in, clean, duplicates, quarantined, deleted, deletions."""
    [found] = [count for count in land_and_clean(con, folder).counts if count.source == source]
    return (
        found.rows_in, found.clean, found.duplicates, found.quarantined, found.deleted, found.deletions,
    )  # fmt: skip


def visible(con: duckdb.DuckDBPyConnection, table: str, at: int) -> set[tuple[int, ...]]:
    """Return the pairs that are visible just after a moment, by the rule of sql/warehouse/schema.sql."""
    time = {"ratings": "rated_at", "tags": "tagged_at", "events": "happened_at"}[table]
    query = f"select user_id, item_id from {table} where {time} < $t and (superseded_at is null or superseded_at >= $t)"
    return set(con.execute(query, {"t": moment(at + 1)}).fetchall())


class TestColumn:
    @pytest.mark.parametrize("yes", ["1", "true", "True", "YES", "t", "deleted", " y "])
    def test_a_truthy_value_deletes_from_its_time_on(
        self, con: duckdb.DuckDBPyConnection, folder: Path, yes: str
    ) -> None:
        (folder / "ratings.csv").write_text(f"{WITH}1,1,3,{T},\n1,2,3,{T},0\n1,1,,{T + 9},{yes}\n")
        assert tally(con, folder) == (3, 1, 0, 0, 1, 1)
        assert visible(con, "ratings", T + 8) == {(1, 1), (1, 2)}
        assert visible(con, "ratings", T + 9) == {(1, 2)}

    @pytest.mark.parametrize("no", ["", "0", "false", "No", "NULL", "f", "0.0"])
    def test_any_other_word_deletes_nothing(
        self, con: duckdb.DuckDBPyConnection, folder: Path, no: str
    ) -> None:
        (folder / "ratings.csv").write_text(f"{WITH}1,1,3,{T},{no}\n")
        assert tally(con, folder) == (1, 1, 0, 0, 0, 0)

    def test_a_word_that_is_neither_is_rejected(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(f"{WITH}1,1,3,{T},maybe\n1,2,3,{T},\n")
        assert tally(con, folder) == (2, 1, 0, 1, 0, 0)
        assert rows(con, "select reasons from quarantine") == [(["deleted says neither yes nor no"],)]

    def test_the_column_may_have_another_name(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(f"{WITH.replace('deleted', 'gone')}1,1,3,{T},1\n1,2,3,{T},\n")
        mapped = DataSettings(max_reject_share=1, ratings=RatingsColumns(deleted="gone"))
        [count] = land_and_clean(con, folder, mapped).counts
        assert (count.clean, count.deletions) == (1, 1)

    def test_a_flagged_row_with_its_own_time_was_never_there(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(f"{RATINGS}1,1,3,{T}\n1,2,3,{T + 5}\n")
        deliver(folder, "ratings-1.csv", f"{WITH}1,1,3,{T},1\n")
        assert tally(con, folder) == (3, 1, 0, 0, 1, 1)
        assert visible(con, "ratings", T) == set()

    def test_a_later_rating_of_the_same_pair_counts_again(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(f"{WITH}1,1,3,{T},\n1,1,,{T + 5},1\n1,1,5,{T + 9},\n")
        assert tally(con, folder) == (3, 1, 0, 0, 1, 1)
        assert visible(con, "ratings", T + 6) == set()
        assert visible(con, "ratings", T + 9) == {(1, 1)}

    def test_as_of_lies_behind_the_newest_deletion(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(f"{WITH}1,1,3,{T},\n1,2,3,{T},\n1,1,,{T + 999},1\n")
        data = land_and_clean(con, folder)
        assert data.until == moment(T + 1000)
        assert (data.n_users, data.n_items) == (1, 1)


class TestLists:
    def test_a_list_without_times_deletes_what_landed_before(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(f"{RATINGS}1,1,3,{T}\n1,1,4,{T + 5}\n1,2,3,{T}\n")
        deliver(folder, "deleted_ratings-1.csv", "userId,movieId\n1,1\n9,9\n")
        assert tally(con, folder) == (5, 1, 0, 0, 2, 2)
        assert visible(con, "ratings", T) == {(1, 2)}

    def test_a_list_of_tags_deletes_one_tag_or_all(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        text = "".join(f"{user},1,{tag},{T}\n" for user in (1, 2) for tag in ("noir", "slow"))
        (folder / "tags.csv").write_text(TAGS + text)
        deliver(folder, "deleted_tags.csv", f"userId,movieId,tag,timestamp\n1,1,NOIR,{T + 1}\n2,1,,{T + 1}\n")
        assert tally(con, folder, "tags") == (6, 1, 0, 0, 3, 2)
        assert rows(con, "select user_id, tag from tags where superseded_at is null") == [(1, "slow")]

    def test_a_list_of_events_deletes_one_kind_or_all(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        text = "".join(
            f"{user},1,{event},1,{T + n}\n" for user in (1, 2) for n, event in enumerate(("like", "view"))
        )
        (folder / "events.csv").write_text(EVENTS + text + f"1,1,like,1,{T + 50}\n")
        deliver(
            folder, "deleted_events.csv", f"userId,itemId,event,timestamp\n1,1,like,{T + 9}\n2,1,,{T + 9}\n"
        )
        assert tally(con, folder, "events") == (7, 2, 0, 0, 3, 2)
        kept = rows(
            con, "select user_id, event, happened_at from events where superseded_at is null order by all"
        )
        assert kept == [(1, "like", moment(T + 50)), (1, "view", moment(T + 1))]

    def test_a_deletion_with_a_faulty_id_or_time_is_rejected(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(f"{RATINGS}1,1,3,{T}\n1,2,3,{T}\n")
        deliver(folder, "deleted_ratings.csv", f"userId,movieId,timestamp\n,1,{T}\n1,1,soon\n1,2,{T + 1}\n")
        assert tally(con, folder) == (5, 1, 0, 2, 1, 1)

    def test_nothing_left_stops_the_night(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(f"{RATINGS}1,1,3,{T}\n")
        deliver(folder, "deleted_ratings.csv", "userId,movieId\n1,1\n")
        with pytest.raises(NightError, match="is left after cleaning"):
            land_and_clean(con, folder)


action = st.tuples(
    st.integers(1, 2),
    st.integers(1, 2),
    st.integers(1, 5),
    st.integers(0, 6),
    st.sampled_from(["", "", "", "1"]),
)


@settings(max_examples=examples(10), deadline=None)
@given(st.lists(action, min_size=1, max_size=14))
def test_visible_ratings_equal_a_plain_replay(actions: list[tuple[int, int, int, int, str]]) -> None:
    """Of one pair, up to any moment: the last rating not later, unless a deletion is not earlier than it."""
    with tempfile.TemporaryDirectory() as where, duckdb.connect() as con:
        run_file(con, "warehouse/schema.sql")
        folder = Path(where)
        lines = "".join(f"{u},{i},{r},{T + t},{gone}\n" for u, i, r, t, gone in actions)
        (folder / "ratings.csv").write_text(WITH + f"9,9,3,{T},\n" + lines)
        data = land_and_clean(con, folder, LENIENT)
        [count] = data.counts
        assert isinstance(count, SourceCounts)
        for at in range(-1, 8):
            expected = set() if at < 0 else {(9, 9, 3.0)}
            for pair in {action[:2] for action in actions}:
                rated = [
                    (t, n, r) for n, (u, i, r, t, gone) in enumerate(actions) if (u, i) == pair and not gone
                ]
                past = [each for each in rated if each[0] <= at]
                ends = [t for u, i, _, t, gone in actions if (u, i) == pair and gone and t <= at]
                if past and not any(end >= max(past)[0] for end in ends):
                    expected.add((*pair, float(max(past)[2])))
            query = (
                "select user_id, item_id, rating from ratings where rated_at < $t "
                "and (superseded_at is null or superseded_at >= $t)"
            )
            assert set(con.execute(query, {"t": moment(T + at + 1)}).fetchall()) == expected
