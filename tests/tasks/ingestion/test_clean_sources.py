"""Cleaning of sources that lack something: ratings that are none, files without times or without an event column."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from tasks.config.data_settings import DataSettings, EventsColumns
from tasks.errors import UsageError
from tasks.storage.warehouse import run_file
from tests.tasks.inputs import EVENTS, LENIENT, RATINGS, TAGS, counts, land_and_clean, rows

LANDED = datetime(2027, 1, 1, 2)


def with_ratings(**columns: object) -> DataSettings:
    return DataSettings.model_validate({"ratings": columns})


class TestNotRated:
    @pytest.mark.parametrize(
        ("value", "text"),
        [(0, "0"), (0, "0.0"), (-1, "-1"), ("", ""), ("x", "x"), ("", "NULL"), ("nan", "nan")],
    )
    def test_an_item_without_a_rating_is_met(
        self, con: duckdb.DuckDBPyConnection, folder: Path, value: float | str, text: str
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + f"1,2,{text},900000\n1,3,4,900000\n")
        data = land_and_clean(con, folder, with_ratings(not_rated=[value]))
        assert counts(data) == {"ratings": (2, 2, 0, 0)}
        assert rows(con, "select item_id, rating from ratings order by 1") == [(2, None), (3, 4)]
        assert data.notes == ("1 of 2 ratings are none, their items count as seen",)

    def test_no_rating_supersedes_no_rating(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "1,2,4,900000\n1,2,0,950000\n1,2,0,960000\n")
        data = land_and_clean(con, folder, with_ratings(not_rated=0))
        assert counts(data) == {"ratings": (3, 2, 1, 0)}
        current = "select rating from ratings where superseded_at is null order by 1"
        assert rows(con, current) == [(4,), (None,)]


class TestNoTimes:
    def test_rows_have_the_time_of_their_landing(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text("userId,movieId,rating\n1,2,3\n1,2,5\n1,3,4\n")
        data = land_and_clean(con, folder, with_ratings(timestamp=""))
        assert counts(data) == {"ratings": (3, 2, 1, 0)}
        assert rows(con, "select item_id, rating, rated_at from ratings order by item_id") == [
            (2, 5, LANDED),
            (3, 4, LANDED),
        ]
        assert data.newest_interaction == LANDED

    def test_times_in_the_file_are_not_read(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "1,2,3,nonsense\n")
        assert land_and_clean(con, folder, with_ratings(timestamp="")).newest_interaction == LANDED

    def test_a_missing_column_names_both_ways_out(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text("userId,movieId,rating\n1,2,3\n")
        with pytest.raises(UsageError, match="no column 'timestamp'") as caught:
            land_and_clean(con, folder)
        assert caught.value.hint == (
            "Map the names in pipeline.toml, such as:\n"
            '[data.ratings]\ntimestamp = ""  # if there are no times'
        )


class TestEvents:
    def test_rows_are_all_the_constant_event(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "events.csv").write_text("userId,itemId,timestamp\n1,2,900001\n1,3,900001\n")
        columns = EventsColumns(event="", constant_event="view")
        land_and_clean(con, folder, DataSettings(events=columns))
        assert rows(con, "select item_id, event, value from events order by item_id") == [
            (2, "view", 1),
            (3, "view", 1),
        ]

    def test_what_such_rows_lack_is_no_fault(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        """Neither the event nor the value, which counts 1, is named beside the fault of the row."""
        (folder / "events.csv").write_text("userId,itemId,value,timestamp\n,2,,900001\n1,3,,900001\n")
        columns = EventsColumns(event="", constant_event="view")
        land_and_clean(con, folder, LENIENT.model_copy(update={"events": columns}))
        assert rows(con, "select reasons from quarantine") == [(["user id is missing"],)]

    def test_a_missing_event_column_names_both_ways_out(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "events.csv").write_text("userId,itemId,timestamp\n1,2,900001\n")
        with pytest.raises(UsageError, match="no column 'event'") as caught:
            land_and_clean(con, folder)
        assert 'event = ""  # if all rows are one event\nconstant_event = "view"' in (caught.value.hint or "")

    @pytest.mark.parametrize(
        "moment",
        [
            "2001-09-09", "20010909", "2001-09-09 12:00:00", "2001-09-09T00:00:00+05:30", "2001-09-09T00:00:00+05:45",
            "2001-09-09 12:34", "2001-09-09T23:59:59+05:30", "2001-09-09 23:59:59.999",
        ],
    )  # fmt: skip
    def test_repeats_count_if_times_are_coarse(
        self, con: duckdb.DuckDBPyConnection, folder: Path, moment: str
    ) -> None:
        """Two files that overlap deliver the same views again; three views on one day are three."""
        (folder / "events").mkdir()
        line = f"1,2,view,1,{moment}\n"
        (folder / "events/1.csv").write_text(EVENTS + 3 * line + f"1,3,view,1,{moment}\n")
        (folder / "events/2.csv").write_text(EVENTS + 2 * line)
        assert counts(land_and_clean(con, folder)) == {"events": (6, 4, 2, 0)}
        assert rows(con, "select item_id, count(*) from events group by 1 order by 1") == [(2, 3), (3, 1)]

    def test_repeats_count_if_there_are_no_times(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "events.csv").write_text("userId,itemId,event\n1,2,view\n1,2,view\n")
        settings = LENIENT.model_copy(update={"events": EventsColumns(timestamp="")})
        assert counts(land_and_clean(con, folder, settings)) == {"events": (2, 2, 0, 0)}

    def test_repeats_are_one_event_if_times_are_exact(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "events.csv").write_text(EVENTS + "1,2,view,1,900001\n1,2,view,1,900001\n")
        assert counts(land_and_clean(con, folder)) == {"events": (2, 1, 1, 0)}

    @pytest.mark.parametrize("exact", ["events/1.csv", "events/2.csv"])
    def test_coarse_repeats_count_beside_an_exact_time(
        self, con: duckdb.DuckDBPyConnection, folder: Path, exact: str
    ) -> None:
        (folder / "events").mkdir()
        (folder / "events/1.csv").write_text(EVENTS + 3 * "1,2,view,1,2001-09-09T00:00:00+05:30\n")
        with (folder / exact).open("a") as file:
            file.write(EVENTS if exact == "events/2.csv" else "")
            file.write(2 * "1,3,view,1,2001-09-09T10:11:12\n")
        assert counts(land_and_clean(con, folder)) == {"events": (5, 4, 1, 0)}
        assert rows(con, "select item_id, count(*) from events group by 1 order by 1") == [(2, 3), (3, 1)]

    def test_coarse_purchases_count_beside_exact_views(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        views = "".join(f"1,{n},view,1,{1_000_000_000 + 7 * n}\n" for n in range(600))
        (folder / "events.csv").write_text(EVENTS + views + 3 * "1,2,buy,1,2001-09-09\n")
        assert counts(land_and_clean(con, folder)) == {"events": (603, 603, 0, 0)}

    def test_a_file_of_exact_times_loses_every_repeat(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        """One in sixty of these times is a whole minute, by chance."""
        views = "".join(f"1,{n},view,1,{1_000_000_000 + 7 * n}\n" for n in range(600))
        (folder / "events.csv").write_text(EVENTS + 2 * views)
        assert counts(land_and_clean(con, folder)) == {"events": (1200, 600, 600, 0)}


@pytest.mark.parametrize("user", ["1", "anna"])
def test_tables_of_absent_sources_have_the_same_columns(
    con: duckdb.DuckDBPyConnection, folder: Path, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    (folder / "ratings.csv").write_text(f"{RATINGS}{user},1,3,100000001\n")
    (folder / "tags.csv").write_text(f"{TAGS}{user},1,noir,100000001\n")
    (folder / "events.csv").write_text(f"{EVENTS}{user},1,view,1,100000001\n")
    columns: dict[str, list[tuple]] = {}

    def and_described(con: duckdb.DuckDBPyConnection, name: str, **parameters: object) -> object:
        done = run_file(con, name, **parameters)
        for step in ("absent_sources", "type_events"):
            if step in name:
                columns[step] = [
                    row[:2] for table in ("tags", "events") for row in rows(con, f"describe read_{table}")
                ]
                return con
        return done

    monkeypatch.setattr("tasks.ingestion.clean.run_file", and_described)
    land_and_clean(con, folder)
    assert columns["absent_sources"] == columns["type_events"]
