"""Warnings of data that the settings do not fit, one sentence each, and none for data that they do."""

from __future__ import annotations

import duckdb
import pytest

from tasks.config.data_settings import DataSettings
from tasks.config.settings import Settings, Signal, UtilitySettings
from tasks.errors import UsageError
from tasks.ingestion.input_warnings import warn_of_input
from tests.tasks.logs import Log, make_clean_tables

USUAL = [(user, item, 1.0 + (user + item) % 5, 1) for user in range(10) for item in range(10)]


def warnings(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture, log: Log, **settings: object
) -> list[str]:
    make_clean_tables(con, log)
    caplog.clear()
    warn_of_input(con, Settings.model_validate(settings))
    return [record.getMessage() for record in caplog.records]


def test_usual_data_are_not_warned_of(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    items = [(item, f"Film {item}", ["Drama", "Film-Noir"]) for item in range(10)]
    assert warnings(con, caplog, Log(ratings=USUAL, items=items, events=[(1, 1, "watch", 1, 1)])) == []


def scaled(*values: float) -> Log:
    return Log(ratings=[(user, 1, value, 1) for user, value in enumerate(values)])


@pytest.mark.parametrize(
    ("values", "scale", "relevant", "warning"),
    [
        (
            (2, 4, 6, 8, 9, 10), (1, 10), 3.0,
            "83.3% of 6 ratings are likes: they reach from 2 to 10, and utility.relevant_rating is 3.",
        ),
        ((1, 1, 1), (0.5, 5), 3.5, "0.0% of 3 ratings are likes: they reach from 1 to 1"),
        ((4, 5, 5), (0.5, 5), 3.5, "100.0% of 3 ratings are likes"),
        (
            (0, 0, 7, 4), (0, 10), 7,
            "50.0% of 4 ratings are 0: if that means that there is no rating, write [data.ratings] not_rated = [0].",
        ),
        ((1, 1, 1), (0, 1), 1, None),
        ((0, 0, 1), (0, 1), 1, None),
        (
            (0.29, 0.5, 0.6, 0.97), (0, 1), 1,
            "0.0% of 4 ratings are likes: they reach from 0.29 to 0.97, and utility.relevant_rating is 1. Set it to "
            "the least rating that is a like, such as 0.74.",
        ),
    ],
    ids=["low threshold", "none", "all", "zeros", "only ones", "thumbs", "shares"],
)  # fmt: skip
def test_extreme_shares_of_ratings_are_warned_of(
    con: duckdb.DuckDBPyConnection,
    caplog: pytest.LogCaptureFixture,
    values: tuple[float, ...],
    scale: tuple[float, float],
    relevant: float,
    warning: str | None,
) -> None:
    data = DataSettings(rating_min=scale[0], rating_max=scale[1])
    found = warnings(
        con, caplog, scaled(*values), data=data, utility=UtilitySettings(relevant_rating=relevant)
    )
    assert [each[: len(warning or "")] for each in found] == ([] if warning is None else [warning])


@pytest.mark.parametrize("source", ["ratings", "tags", "events"])
def test_times_of_1970_are_warned_of(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    """Hours since 1970 are read as seconds: the newest would lie in 1970."""
    early = [(1, 1, *{"ratings": (3.0,), "tags": ("noir",), "events": ("watch", 1)}[source], -20_450.5)]
    rated = [*USUAL[:50], *early] if source == "ratings" else USUAL
    log = Log(**{"ratings": rated, source: rated if source == "ratings" else early})
    n = len(rated if source == "ratings" else early)
    [warning] = [each for each in warnings(con, caplog, log) if "1970" in each]
    assert warning == (
        f"1 of {n} times of {source} lie before 1973, the newest of these is 1970-01-04 12:00:00: are they hours, "
        "minutes or a counter? Write seconds since 1970 or 2026-01-31T20:00:00, or, to do without times, "
        f'[data.{source}] timestamp = "" into pipeline.toml.'
    )
    without = {"data": {source: {"timestamp": ""}}}
    assert not [each for each in warnings(con, caplog, log, **without) if "1970" in each]


def test_genres_that_are_several_are_warned_of(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    items = [(item, "", ["Action, School"] if item < 6 else []) for item in range(10)]
    assert warnings(con, caplog, Log(ratings=USUAL, items=items)) == [
        "No item has more than one genre, and 100% of the items have one like 'Action, School': if these are several, "
        'write [data.items] genre_separator = ",".'
    ]


@pytest.mark.parametrize("between", [", ", "/", ";"])
def test_genres_made_of_other_genres_are_warned_of(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture, between: str
) -> None:
    """Even if few items have such, and others have several genres."""
    several = [between.join(("Sci-Fi", "Comedy")), between.join(("Comedy", "Drama"))]
    genres = [["Drama", "Noir"], ["Comedy"], ["Sci-Fi"], *[[each] for each in several], *27 * [["Drama"]]]
    items = [(item, "", genres[item]) for item in range(32)]
    [warning] = warnings(con, caplog, Log(ratings=USUAL, items=items))
    assert warning.startswith(f"2 genres are like {several[0]!r}, whose parts are genres of other items: ")
    assert warning.endswith(f'genre_separator = "{between.strip()}".')


def test_one_genre_with_a_slash_may_be_meant(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    genres = [["Sci-Fi/Fantasy"], ["Sci-Fi"], ["Fantasy"], ["Action & Adventure"], *16 * [["Drama", "Noir"]]]
    items = [(item, "", genres[item]) for item in range(20)]
    assert warnings(con, caplog, Log(ratings=USUAL, items=items)) == []


@pytest.mark.parametrize(
    "genre", ["{Drama", "[Drama][Noir", "<Drama><Noir>", "('Drama'", '"Drama"', "'Drama', 'Noir'"]
)
def test_genres_in_brackets_or_quotes_are_warned_of(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture, genre: str
) -> None:
    items = [(item, "", [genre] if item == 3 else ["Drama"]) for item in range(10)]
    [warning] = warnings(con, caplog, Log(ratings=USUAL, items=items))
    assert warning.startswith(f"The genre {genre!r} looks like a part of a list that was not read: ")


@pytest.mark.parametrize("genres", [[f"g{n}" for n in range(201)], ["x" * 61]], ids=["many", "long"])
def test_texts_that_are_no_genres_are_warned_of(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture, genres: list[str]
) -> None:
    items = [(item, "", genres) for item in range(10)]
    [warning] = warnings(con, caplog, Log(ratings=USUAL, items=items))
    assert warning.startswith(
        f"The catalogue has {len(genres)} different genres, such as {max(genres, key=len)[:3]!r}"[:50]
    )


def test_a_catalogue_of_other_items_is_warned_of(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    items = [(item, "", []) for item in (0, 1, 77)]
    assert warnings(con, caplog, Log(ratings=USUAL, items=items)) == [
        "The catalogue has 2 of the 10 items with an interaction (20.0%): '2' is not in it, and '77' in the "
        "catalogue has no interaction. Are these the same ids?"
    ]


VIEWS = Log(events=[(user, item, "page view", 1, 1) for user in range(3) for item in range(3)])


def test_events_without_a_threshold_are_refused(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UsageError, match=r"none of the events has a threshold: page view \(9\)") as caught:
        warnings(con, caplog, VIEWS)
    assert caught.value.hint == (
        'Write into pipeline.toml what a like is, such as [utility.positive_events] with "page view" = 1, and what '
        'weighs, such as [utility.signals."page view"] with source = "events" and event = "page view".'
    )


def test_a_signal_that_is_set_is_not_suggested(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    weighed = UtilitySettings(signals={"view": Signal(source="events", event="page view")})
    with pytest.raises(UsageError, match="none of the events has a threshold") as caught:
        warnings(con, caplog, VIEWS, utility=weighed)
    assert caught.value.hint.endswith('[utility.positive_events] with "page view" = 1.')


def test_events_without_a_signal_are_warned_of(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    liked = UtilitySettings(positive_events={"page view": 1})
    [warning] = warnings(con, caplog, VIEWS, utility=liked)
    assert warning.startswith("None of the events has a signal: page view (9).")
    weighed = UtilitySettings(
        positive_events={"page view": 1}, signals={"view": Signal(source="events", event="page view")}
    )
    assert warnings(con, caplog, VIEWS, utility=weighed) == []


def test_descriptions_of_other_ids_are_warned_of(
    con: duckdb.DuckDBPyConnection, caplog: pytest.LogCaptureFixture
) -> None:
    log = Log(
        ratings=USUAL,
        users=[(100, {}), (101, {})],
        links=[(200, 201, 1.0, 1)],
        relations=[(300, None, "by", None, "Ada")],
    )
    assert warnings(con, caplog, log) == [
        "None of the 2 users that the links name has an interaction, such as '200'. Are these the same ids?",
        "None of the 1 items that the relations name has an interaction, such as '300'. Are these the same ids?",
        "None of the 2 users that the users name has an interaction, such as '100'. Are these the same ids?",
    ]
    one_each = Log(
        ratings=USUAL,
        users=[(1, {}), (101, {})],
        links=[(1, 201, 1.0, 1)],
        relations=[(300, None, "like", 1, None)],
    )
    assert warnings(con, caplog, one_each) == []
    assert (
        warnings(con, caplog, Log(ratings=USUAL, relations=[(None, "Ada", "born_in", None, "Paris")])) == []
    )
