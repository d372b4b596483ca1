"""Cleaning: the typed values, the reasons for rejecting rows, which of several rows wins, and that counts add up."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.config.data_settings import DataSettings
from tasks.errors import NightError, UsageError
from tasks.ingestion.clean import clean
from tasks.storage.warehouse import open_warehouse
from tests.examples import examples
from tests.tasks.inputs import (
    EVENTS,
    LENIENT,
    MOVIES,
    RATINGS,
    TAGS,
    counts,
    land_and_clean,
    land_now,
    rows,
)

ML_SMALL = Path(__file__).resolve().parents[4] / "shared/data/ml-latest-small"
DAY = 86_400


@pytest.mark.skipif(not ML_SMALL.is_dir(), reason="needs ../shared/data/ml-latest-small")
def test_movielens_counts_add_up(con: duckdb.DuckDBPyConnection) -> None:
    data = land_and_clean(con, ML_SMALL, DataSettings())
    assert counts(data) == {
        "ratings": (100_836, 100_836, 0, 0),
        "tags": (3_683, 3_683, 0, 0),
        "items": (9_742, 9_742, 0, 0),
    }
    assert (data.n_users, data.user_id_type, data.item_id_type) == (610, "BIGINT", "BIGINT")
    assert rows(con, "select item_id, title, genres from items where item_id = 1") == [
        (1, "Toy Story (1995)", ["Adventure", "Animation", "Children", "Comedy", "Fantasy"])
    ]
    assert rows(con, "select count(*) from items where genres = []") == [(34,)]


def test_counts_hold_the_distinct_pairs_of_each_source(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings.csv").write_text(f"{RATINGS}1,1,3,100000001\n1,1,4,100000002\n1,2,5,100000003\n")
    (folder / "tags.csv").write_text(f"{TAGS}1,1,noir,100000001\n1,1,slow,100000001\n2,1,noir,100000001\n")
    (folder / "events.csv").write_text(
        f"{EVENTS}1,1,view,1,100000001\n1,1,view,1,100000002\n1,1,like,1,100000003\n"
    )
    (folder / "movies.csv").write_text(f"{MOVIES}1,Heat,Crime\n")
    data = land_and_clean(con, folder)
    found = {count.source: (count.clean, count.pairs) for count in data.counts}
    assert found == {"ratings": (2, 2), "tags": (3, 2), "events": (3, 1), "items": (1, None)}


class TestIds:
    def _types(
        self, con: duckdb.DuckDBPyConnection, folder: Path, users: list[str], setting: str = "auto"
    ) -> tuple[str, set[object]]:
        lines = "".join(f'"{user}",1,3,{DAY * 9}\n' for user in users)
        (folder / "ratings.csv").write_text(RATINGS + lines, encoding="utf-8")
        data = land_and_clean(con, folder, LENIENT.model_copy(update={"user_id": setting}))
        return data.user_id_type, {row[0] for row in rows(con, "select user_id from ratings")}

    def test_integer_ids_may_have_63_bits(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        users = ["2147483648", " 9223372036854775807\t", "-5", "0"]
        assert self._types(con, folder, users) == ("BIGINT", {2**31, 2**63 - 1, -5, 0})

    @pytest.mark.parametrize("odd", ["007", "9223372036854775808", "1.5", "+1", "1_0", "-0", "0x1f", "a"])
    def test_ids_become_text_when_not_plain_integers(
        self, con: duckdb.DuckDBPyConnection, folder: Path, odd: str
    ) -> None:
        assert self._types(con, folder, [odd, "1"]) == ("TEXT", {odd, "1"})

    def test_one_odd_id_in_a_hundred_is_rejected(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        users = [str(n) for n in range(99)]
        assert self._types(con, folder, [*users, "007"]) == ("BIGINT", set(range(99)))
        assert rows(con, "select reasons from quarantine") == [(["user id is not an integer"],)]
        assert self._types(con, folder, [*users, "007", "008"])[0] == "TEXT"

    def test_settings_and_home_override_auto_id_types(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        assert self._types(con, folder, ["1"], "text") == ("TEXT", {"1"})
        assert self._types(con, folder, ["a", "1"], "integer") == ("BIGINT", {1})
        data = land_and_clean(con, folder, LENIENT, id_types=("TEXT", "BIGINT"))
        assert (data.user_id_type, data.item_id_type) == ("TEXT", "BIGINT")

    def test_id_types_are_refused_when_the_home_has_others(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + f"1,2,3,{DAY * 9}\n")
        text = LENIENT.model_copy(update={"item_id": "text"})
        with pytest.raises(UsageError, match=r"data\.item_id asks for text .* fixed this home's to integer"):
            land_and_clean(con, folder, text, id_types=("BIGINT", "BIGINT"))
        assert land_and_clean(con, folder, text, id_types=("BIGINT", "TEXT")).item_id_type == "TEXT"

    def test_odd_text_ids_are_kept(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        kind, ids = self._types(con, folder, ['a""b', "日本 ü", "it's; drop table x", "\u00a0 x,y "])
        assert (kind, ids) == ("TEXT", {'a"b', "日本 ü", "it's; drop table x", "x,y"})

    def test_user_and_item_id_types_are_independent(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + f"1,a,3,{DAY * 9}\n")
        data = land_and_clean(con, folder)
        assert (data.user_id_type, data.item_id_type) == ("BIGINT", "TEXT")
        assert rows(con, "select user_id, item_id from ratings") == [(1, "a")]


REJECTED = {
    "1,2,five,900000": ["rating is not a number"],
    "1,2,NaN,900000": ["rating is missing: it says NaN"],
    "1,2,-inf,900000": ["rating is not finite"],
    "1,2,,900000": ["rating is missing"],
    "1,2,5.5,900000": ["rating is outside the scale"],
    "1,2,0.4,900000": ["rating is outside the scale"],
    "a\0b,2,3,900000": ["user id holds a NUL character"],
    '" ",2,3,900000': ["user id is missing"],
    ",x,11,never": [
        "user id is missing",
        "item id is not an integer",
        "rating is outside the scale",
        "timestamp is not a time",
    ],
}


class TestQuarantine:
    def test_a_rating_is_rejected_with_all_its_reasons(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "7,8,3,900000\n" + "\n".join(REJECTED))
        data = land_and_clean(con, folder, id_types=("TEXT", "BIGINT"))
        assert counts(data) == {"ratings": (10, 1, 0, 9)}
        found = rows(con, "select source, path, line, reasons from quarantine order by line")
        assert found == [
            ("ratings", "ratings.csv", line, reasons)
            for line, reasons in enumerate(REJECTED.values(), start=3)
        ]
        assert data.counts[0].reasons == Counter(
            reason for reasons in REJECTED.values() for reason in reasons
        )

    def test_quarantine_gives_the_line_of_the_file(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        lines = ["1,2", "1,2,3,4,5", "1,2,3,900000", "1,3,9,900000", "1", "1,4,3,900000", "1,5,9,900000", "x"]
        (folder / "ratings.csv").write_text(RATINGS + "\n".join(lines) + "\n")
        data = land_and_clean(con, folder)
        assert counts(data) == {"ratings": (8, 2, 0, 6)}
        found = rows(con, "select line, raw from quarantine order by line")
        assert [line for line, _ in found] == [2, 3, 5, 6, 8, 9]
        assert dict(found)[5] == '{"user":"1","item":"3","rating":"9","timestamp":"900000"}'
        assert dict(found)[6] == "1"

    def test_tags_events_and_items_are_rejected_with_reason(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        long_tag = "x" * 1001
        (folder / "tags.csv").write_text(TAGS + f"1,2, ,900000\n1,2,{long_tag},900000\n1,2, Noir ,900000\n")
        (folder / "events.csv").write_text(
            EVENTS + "1,2,watch,,900000\n1,2,watch,-1,900000\n1,2,watch,inf,900000\n1,2,,2,900000\n"
            "1,2,watch,1e15,900000\n1,2,watch,1.1e15,900000\n"
        )
        (folder / "movies.csv").write_text(MOVIES + ",A,Drama\n2,,Drama| Noir ||Drama|(no genres listed)\n")
        data = land_and_clean(con, folder)
        assert counts(data) == {"events": (6, 2, 0, 4), "items": (2, 1, 0, 1), "tags": (3, 1, 0, 2)}
        assert rows(con, "select tag from tags") == [("noir",)]
        assert rows(con, "select event, value from events order by value") == [
            ("watch", 1.0),
            ("watch", 1e15),
        ]
        assert rows(con, "select item_id, title, genres from items") == [(2, None, ["Drama", "Noir"])]
        assert [row[0] for row in rows(con, "select reasons from quarantine order by source, line")] == [
            ["value is negative"],
            ["value is not finite"],
            ["event is missing"],
            ["value is too large"],
            ["item id is missing"],
            ["tag is missing"],
            ["tag is longer than 1000 characters"],
        ]

    def test_items_with_nul_characters_are_rejected(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        """A PostgreSQL table could not hold them."""
        (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n")
        (folder / "movies.csv").write_text(MOVIES + "2,A,Drama\n3,A\0B,Drama\n4,A,Dra\0ma\n")
        land_and_clean(con, folder)
        assert rows(con, "select item_id, title, genres from items") == [(2, "A", ["Drama"])]
        assert rows(con, "select reasons from quarantine order by line") == [
            (["title holds a NUL character"],),
            (["genres hold a NUL character"],),
        ]

    def test_too_many_rejects_stop_and_keep_the_clean_tables(self, folder: Path, tmp_path: Path) -> None:
        with open_warehouse(tmp_path / "warehouse.duckdb") as con:
            (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n")
            land_and_clean(con, folder)
            before = rows(con, "from ratings")
            (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n4,2,99,900000\n5,2,no,900000\n")
            intake = land_now(con, folder)
            with pytest.raises(
                NightError, match=r"2 of 3 rows of ratings were rejected, 66\.7%, more than the 5"
            ) as caught:
                clean(con, intake, DataSettings())
            assert "rating is not a number (1)" in str(caught.value)
            assert "quarantine where source = 'ratings'" in caught.value.hint
            assert rows(con, "from ratings") == before
            assert rows(con, "select line from quarantine order by line") == [(3,), (4,)]
            assert counts(clean(con, intake, LENIENT)) == {"ratings": (3, 1, 0, 2)}
            program = caught.value.hint.partition('python -c "')[2].removesuffix('"')
        shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert "rating is not a number" in shown.stdout

    def test_no_clean_interaction_stops_the_night(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "1,2,9,900000\n")
        with pytest.raises(NightError, match="No rating, tag or event is left"):
            land_and_clean(con, folder)


class TestRepeats:
    def test_the_latest_rating_wins_as_of_any_moment(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(
            RATINGS + "1,2,3,900000\n1,2,5,800000\n1,2,4,900000\n1,2,1,990000\n1,2,1,990000\n"
        )
        data = land_and_clean(con, folder)
        assert counts(data) == {"ratings": (5, 1, 4, 0)}
        seconds = "select rating, epoch(rated_at), epoch(superseded_at) from ratings order by rated_at"
        assert rows(con, seconds) == [(5, 800_000, 900_000), (4, 900_000, 990_000), (1, 990_000, None)]

    def test_a_tie_goes_to_the_later_file(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        append = LENIENT.model_copy(update={"kind": "append"})
        (folder / "ratings").mkdir()
        (folder / "ratings/2.csv").write_text(RATINGS + "1,2,2,900000\n")
        land_now(con, folder, append)
        (folder / "ratings/1.csv").write_text(RATINGS + "1,2,1,900000\n1,2,1.5,900000\n")
        land_and_clean(con, folder, append)
        assert rows(con, "select rating from ratings") == [(2,)]

    def test_a_file_appended_twice_changes_nothing(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        append = LENIENT.model_copy(update={"kind": "append"})
        (folder / "ratings").mkdir()
        (folder / "ratings/1.csv").write_text(RATINGS + "1,2,3,900000\n")
        first = land_and_clean(con, folder, append)
        (folder / "ratings/1-again.csv").write_text(RATINGS + "1,2,3,900000\n")
        assert land_and_clean(con, folder, append) == first
        (folder / "ratings/1-again.csv").write_text(RATINGS + "1,2,3,900000\n9,2,3,900000\n")
        assert counts(land_and_clean(con, folder, append)) == {"ratings": (3, 2, 1, 0)}

    def test_duplicates_of_tags_ignore_case_of_events_do_not(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "tags.csv").write_text(TAGS + "1,2,Noir,900000\n1,2, noir,950000\n1,2,drama,900000\n")
        (folder / "events.csv").write_text(
            EVENTS + "1,2,watch,1,900007\n1,2,watch,1,900007\n1,2,watch,2,900007\n1,2,watch,1,900001\n"
        )
        (folder / "movies.csv").write_text(MOVIES + "2,Old,Drama\n2,New,Noir\n")
        data = land_and_clean(con, folder)
        assert counts(data) == {"events": (4, 3, 1, 0), "items": (2, 1, 1, 0), "tags": (3, 2, 1, 0)}
        assert rows(con, "select tag, epoch(superseded_at) from tags order by tag, tagged_at") == [
            ("drama", None),
            ("noir", 950_000),
            ("noir", None),
        ]
        assert rows(con, "select title from items") == [("New",)]

    @settings(max_examples=examples(6), suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.tuples(
                st.integers(1, 5), st.integers(1, 2), st.sampled_from(["1", "2", "x"]), st.integers(1, 4)
            ),
            min_size=1,
            max_size=60,
        )
    )
    def test_the_newest_valid_row_is_visible_at_any_moment(
        self, con: duckdb.DuckDBPyConnection, folder: Path, table: list[tuple[int, int, str, int]]
    ) -> None:
        table = [*table, (9, 9, "1", 1)]
        lines = "".join(f"{u},{i},{r},{DAY * (1 + day)}\n" for u, i, r, day in table)
        (folder / "ratings.csv").write_text(RATINGS + lines)
        (count,) = land_and_clean(con, folder).counts
        assert count.rows_in == len(table) == count.clean + count.duplicates + count.quarantined
        for day in range(1, 6):
            newest: dict[tuple[int, int], tuple[int, float]] = {}
            for user, item, rating, rated in table:
                if rating != "x" and rated < day and rated >= newest.get((user, item), (0, 0))[0]:
                    newest[user, item] = (rated, float(rating))
            moment = datetime.fromtimestamp(DAY * (1 + day), UTC).replace(tzinfo=None)
            visible = con.execute(
                "select user_id, item_id, rating from ratings "
                "where rated_at < $t and (superseded_at is null or superseded_at >= $t)",
                {"t": moment},
            ).fetchall()
            assert sorted(visible) == sorted((*pair, rating) for pair, (_, rating) in newest.items())


class TestState:
    def test_the_same_input_is_cleaned_once(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n")
        first = land_and_clean(con, folder)
        con.execute("delete from ratings")
        assert land_and_clean(con, folder) == first
        assert rows(con, "from ratings") == []
        patient = LENIENT.model_copy(update={"settle_seconds": 5.0, "max_set_aside_share": 0.5})
        assert land_and_clean(con, folder, patient) == first
        wider = LENIENT.model_copy(update={"rating_max": 10.0})
        assert land_and_clean(con, folder, wider).key != first.key
        assert len(rows(con, "from ratings")) == 1

    def test_an_intake_is_refused_when_not_landed(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n")
        with open_warehouse(Path(":memory:")) as other:
            intake = land_now(other, folder)
        with pytest.raises(ValueError, match="not landed"):
            clean(con, intake, LENIENT)

    def test_clean_tables_have_the_documented_columns(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "events.csv").write_text("userId,itemId,event,timestamp\na,2,like,900000\n")
        data = land_and_clean(con, folder)
        assert data.newest_interaction == datetime(1970, 1, 1) + timedelta(seconds=900_000)
        assert (data.n_users, data.n_items) == (1, 1)
        schema = {
            table: [(name, kind) for name, kind, *_ in rows(con, f"describe {table}")]
            for table in ("ratings", "tags", "events")
        }
        ids = [("user_id", "VARCHAR"), ("item_id", "BIGINT")]
        past = [("superseded_at", "TIMESTAMP")]
        assert schema == {
            "ratings": [*ids, ("rating", "DOUBLE"), ("rated_at", "TIMESTAMP"), *past],
            "tags": [*ids, ("tag", "VARCHAR"), ("tagged_at", "TIMESTAMP"), *past],
            "events": [*ids, ("event", "VARCHAR"), ("value", "DOUBLE"), ("happened_at", "TIMESTAMP"), *past],
        }

    def test_rows_do_not_depend_on_threads(self, folder: Path) -> None:
        repeating = [
            f"{n * 7919 % 997},{n * 31 % 53},{1 + n % 5},{DAY * (2 + n % 11)}\n" for n in range(150_000)
        ]  # two of DuckDB's row groups
        single = [f"{1000 + n * 7919 % 250_007},7,{1 + n % 5},{DAY * 3}\n" for n in range(250_000)]
        lines = [line for pair in zip(single, repeating, strict=False) for line in pair] + single[150_000:]
        (folder / "ratings.csv").write_text(RATINGS + "".join(lines))
        tables = []
        for threads in (1, 4):
            with open_warehouse(Path(":memory:")) as con:
                con.execute(f"set threads = {threads}")
                land_and_clean(con, folder)
                tables.append(con.execute("from ratings order by all").df())
        assert len(tables[0]) > 250_000
        assert tables[0].equals(tables[1])


def test_another_version_of_duckdb_makes_another_key(
    con: duckdb.DuckDBPyConnection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "ratings.csv").write_text(f"{RATINGS}1,2,3,{DAY * 9}\n")
    before = land_and_clean(con, folder)
    assert land_and_clean(con, folder) == before
    monkeypatch.setattr(duckdb, "__version__", "0.0.1")
    assert land_and_clean(con, folder).key != before.key
