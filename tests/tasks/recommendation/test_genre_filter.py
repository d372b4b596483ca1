"""Misspelt genres are reported before anything is fitted."""

import logging

import duckdb
import pytest

from tasks.config.settings import RecommendSettings
from tasks.errors import UsageError
from tasks.recommendation.genre_filter import check_genres


@pytest.fixture
def catalogue(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    con.execute("create table items as select unnest([['Comedy', 'Drama'], ['Drama', 'Sci-Fi']]) as genres")
    return con


def check(con: duckdb.DuckDBPyConnection, **settings: tuple[str, ...]) -> None:
    check_genres(con, RecommendSettings(**settings))


def test_genres_of_the_catalogue_raise_no_warning(catalogue, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        check(catalogue)
        check(catalogue, genres=("Drama", "Sci-Fi"), without_genres=("Comedy",))
    assert not caplog.records


def test_a_misspelt_genre_is_warned_of_with_a_suggestion(catalogue, caplog) -> None:
    check(catalogue, genres=("Drama", "SciFi"), without_genres=("Western",))
    assert [record.getMessage() for record in caplog.records] == [
        "No item has the genre 'SciFi' of recommend.genres. Did you mean 'Sci-Fi'?",
        "No item has the genre 'Western' of recommend.without_genres.",
    ]


def test_genres_that_no_item_has_are_refused(catalogue, con, caplog) -> None:
    with pytest.raises(
        UsageError, match=r"No item has a genre of recommend\.genres \('Dramma', 'x'\)"
    ) as caught:
        check(catalogue, genres=("Dramma", "x"))
    assert caught.value.hint == "Did you mean 'Drama'? There are: Comedy, Drama, Sci-Fi."
    assert not caplog.records, "one error says it all"
    con.execute("update items set genres = []")
    with pytest.raises(UsageError) as caught:
        check(catalogue, genres=("Drama",))
    assert caught.value.hint == "There are: none."
