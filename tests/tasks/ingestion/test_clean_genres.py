"""Cleaning of genres: separators, and lists as JSON, Python, PostgreSQL and Parquet write them."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.config.data_settings import DataSettings, ItemsColumns
from tests.tasks.inputs import LENIENT, MOVIES, RATINGS, land_and_clean, rows


def genres(con: duckdb.DuckDBPyConnection, folder: Path, text: str, separator: str = "|") -> list[str]:
    with (folder / "movies.csv").open("w", newline="") as file:
        file.write(MOVIES)
        csv.writer(file).writerow(["2", "A", text])
    (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n")
    settings = DataSettings(max_reject_share=1, items=ItemsColumns(genre_separator=separator))
    land_and_clean(con, folder, settings)
    return list(rows(con, "select genres from items")[0][0])


@pytest.mark.parametrize(
    "text",
    [
        "Drama| Children's ||Drama",
        '["Drama", "Children\'s"]',
        """['Drama', "Children's"]""",
        """['Drama', 'Children\\'s']""",
        '[{"id": 18, "name": "Drama"}, {"id": 7, "name": "Children\'s"}]',
        """[{'id': 18, 'name': 'Drama'}, {'id': 7, 'name': "Children's"}]""",
        """[{'name': 'Drama', 'id': 18}, {'name': "Children's", 'id': None}]""",
        "{Drama,Children's}",
        """{Drama,"Children's",NULL}""",
        """{'Drama', "Children's"}""",
        """('Drama', "Children's")""",
        "(Drama, Children's)",
        """['Drama' "Children's"]""",
        """['Drama', None, "Children's"]""",
        '{"/m/07s9rl0": "Drama", "/m/01": "Children\'s"}',
        """{'Drama': 5426, "Children's": 17}""",
    ],
)
def test_lists_of_genres_are_read(con: duckdb.DuckDBPyConnection, folder: Path, text: str) -> None:
    assert genres(con, folder, text) == ["Drama", "Children's"]


@pytest.mark.parametrize(
    ("text", "separator", "expected"),
    [
        ("Action, School", "|", ["Action, School"]),
        ("Action, School", ",", ["Action", "School"]),
        ("Action / School", "/", ["Action", "School"]),
        ("[Action, School]", ";", ["Action", "School"]),
        ('["Sci|Fi"]', "|", ["Sci|Fi"]),
        ('["Caf\\u00e9", null]', "|", ["Caf\u00e9"]),
        ("(no genres listed)", ",", []),
        ("[]", "|", []),
        ("{}", "|", []),
        ("()", "|", []),
        ("set()", "|", []),
        ("{NULL}", "|", []),
        ("{Drama}", ",", ["Drama"]),
        ("('Drama',)", "|", ["Drama"]),
        ('{Drama,"Film-Noir x"}', ",", ["Drama", "Film-Noir x"]),
        ('{"Noir, French","Say \\"A\\""}', "|", ["Noir, French", 'Say "A"']),
        ("[ 'Noir, French' ]", "|", ["Noir, French"]),
        ('{"name": "Drama"}', "|", ["Drama"]),
        ("{'id': 18, 'name': 'Drama'}", "|", ["Drama"]),
        ('{"name": "Caf\\u00e9", "id": {"a": 1}}', "|", ["Caf\u00e9"]),
        ('[{"genre": {"name": "Drama"}}]', "|", ["Drama"]),
        ("(Post-)Punk|Rock (UK)", "|", ["(Post-)Punk", "Rock (UK)"]),
        ("(Post-)Punk (UK)", "|", ["(Post-)Punk (UK)"]),
        ("(Drama)", "|", ["(Drama)"]),
        ("nan", "|", []),
        ("[NULL]", "|", []),
        ("N/A|Drama", "|", ["Drama"]),
        ("[None, 'Drama', 'None']", "|", ["Drama"]),
        ("", "|", []),
    ],
)
def test_genres_are_split_at_the_separator(
    con: duckdb.DuckDBPyConnection, folder: Path, text: str, separator: str, expected: list[str]
) -> None:
    assert genres(con, folder, text, separator) == expected


def test_parquet_lists_need_no_separator(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    listed = [["Drama", "Sci|Fi"], None]
    described = [[{"id": 1, "name": "Noir"}], []]
    for name, column in (("a", listed), ("b", described)):
        path = folder / "movies" / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"movieId": [f"{name}1", f"{name}2"], "genres": column}), path)
    (folder / "ratings.csv").write_text(RATINGS + "1,a1,3,900000\n")
    settings = LENIENT.model_copy(update={"items": ItemsColumns(genre_separator=",")})
    land_and_clean(con, folder, settings)
    assert dict(rows(con, "from (select item_id, genres from items)")) == {
        "a1": ["Drama", "Sci|Fi"], "a2": [], "b1": ["Noir"], "b2": [],
    }  # fmt: skip
