"""Landing refuses the rows of forgotten users and items, whatever the file, and counts them."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.artifacts import CleanData
from tasks.ingestion.clean import clean
from tasks.ingestion.land import land, plan_intake
from tasks.ingestion.refused_rows import values_of_line
from tasks.storage.forgotten import Forgotten, new_list, write_forgotten
from tests.tasks.inputs import LENIENT, LINKS, MOVIES, RATINGS, RELATIONS, TAGS, USERS, rows

AT = "100000000"


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list that holds user 42 and item 9."""
    return write(tmp_path / "forgotten.json", new_list(("BIGINT", "BIGINT")), users=[42], items=[9])


def write(path: Path, forgotten: Forgotten, users: list = (), items: list = ()) -> Path:
    forgotten.add("user", users)
    forgotten.add("item", items)
    write_forgotten(path, forgotten)
    return path


def take_in(con: duckdb.DuckDBPyConnection, folder: Path, listed: Path) -> CleanData:
    intake = land(con, folder, LENIENT, landed_at=datetime(2027, 1, 1), forgotten=listed)
    return clean(con, intake, LENIENT)


def outcomes(data: CleanData) -> dict[str, tuple[int, int, int, int, int]]:
    return {c.source: (c.rows_in, c.clean, c.duplicates, c.quarantined, c.forgotten) for c in data.counts}


def test_every_source_loses_its_rows_of_forgotten_ids(
    con: duckdb.DuckDBPyConnection, folder: Path, listed: Path
) -> None:
    folder.joinpath("ratings.csv").write_text(
        f"{RATINGS}42,1,3,{AT}\n7,1,4,{AT}\n42.0,2,3,{AT}\n 42 ,3,3,{AT}\n7,9,4,{AT}\n8,42,4,{AT}\n"
    )
    folder.joinpath("tags.csv").write_text(f"{TAGS}42,1,dark,{AT}\n7,1,dark,{AT}\n7,9,odd,{AT}\n")
    folder.joinpath("movies.csv").write_text(f"{MOVIES}1,One,Drama\n9,Nine,Drama\n42,Many,Drama\n")
    folder.joinpath("users.csv").write_text(f"{USERS}42,30,f\n7,31,m\n")
    folder.joinpath("links.csv").write_text(f"{LINKS}42,7,1,{AT}\n7,42,1,{AT}\n7,8,1,{AT}\n")
    folder.joinpath("relations.csv").write_text(
        f"{RELATIONS}item:9,by,Ada\nitem:1,by,42\nAda,knows,item:9\nitem:42,by,Ada\n"
    )
    data = take_in(con, folder, listed)
    assert outcomes(data) == {
        "ratings": (6, 2, 0, 0, 4),
        "tags": (3, 1, 0, 0, 2),
        "items": (3, 2, 0, 0, 1),
        "users": (2, 1, 0, 0, 1),
        "links": (3, 1, 0, 0, 2),
        "relations": (4, 2, 0, 0, 2),
    }
    assert rows(con, "select user_id, item_id, line from raw_ratings order by line") == [
        ("7", "1", 3), ("8", "42", 7),
    ]  # fmt: skip
    assert rows(con, "select user_id, friend_id from raw_links") == [("7", "8")]


def test_packed_files_and_parquet_lose_them_too(
    con: duckdb.DuckDBPyConnection, folder: Path, listed: Path
) -> None:
    with gzip.open(folder / "ratings.csv.gz", "wt") as file:
        file.write(f"{RATINGS}42,1,3,{AT}\n7,1,4,{AT}\n")
    table = pa.table({"userId": [42.0, 7.0], "movieId": [1, 9], "tag": ["a", "b"], "timestamp": [10**8] * 2})
    pq.write_table(table, folder / "tags.parquet")
    assert outcomes(take_in(con, folder, listed)) == {
        "ratings": (2, 1, 0, 0, 1), "tags": (2, 0, 0, 0, 2),
    }  # fmt: skip


def test_files_that_are_read_together_lose_them_too(
    con: duckdb.DuckDBPyConnection, folder: Path, listed: Path
) -> None:
    folder.joinpath("incoming").mkdir()
    for name, users in (("a", (42, 7)), ("b", (8, 42, 42)), ("c", (9,))):
        text = "".join(f"{user},{place},3,{AT}\n" for place, user in enumerate(users, start=2))
        folder.joinpath("incoming", f"ratings-{name}.csv").write_text(RATINGS + text)
    assert outcomes(take_in(con, folder, listed)) == {"ratings": (6, 3, 0, 0, 3)}
    assert rows(con, "select path, rows, forgotten from landed_files order by path") == [
        ("incoming/ratings-a.csv", 2, 1), ("incoming/ratings-b.csv", 3, 2), ("incoming/ratings-c.csv", 1, 0),
    ]  # fmt: skip
    assert rows(con, "select user_id, item_id, line from raw_ratings order by user_id") == [
        ("7", "3", 3), ("8", "2", 2), ("9", "2", 2),
    ]  # fmt: skip


def test_rejected_lines_of_forgotten_users_are_not_kept(
    con: duckdb.DuckDBPyConnection, folder: Path, listed: Path
) -> None:
    folder.joinpath("ratings.csv").write_text(f'{RATINGS}42,1\n7,1\n"42",2\n42;1;3;{AT}\n8,1,4,{AT}\n421,5\n')
    data = take_in(con, folder, listed)
    assert outcomes(data)["ratings"] == (6, 1, 0, 2, 3)
    assert [raw for (raw,) in rows(con, "select raw from quarantine order by line")] == ["7,1", "421,5"]


def test_ids_as_text_are_refused_exactly(
    con: duckdb.DuckDBPyConnection, folder: Path, tmp_path: Path
) -> None:
    listed = write(tmp_path / "list.json", new_list(("TEXT", "TEXT")), users=["007", "Ada Lang"])
    folder.joinpath("ratings.csv").write_text(
        f"{RATINGS}007,1,3,{AT}\n7,1,4,{AT}\nada lang,2,3,{AT}\n Ada Lang,2,3,{AT}\n"
    )
    folder.joinpath("relations.csv").write_text(f"{RELATIONS}item:1,by,Ada Lang\nitem:1,by,Ada\n")
    data = take_in(con, folder, listed)
    assert outcomes(data) == {"ratings": (4, 2, 0, 0, 2), "relations": (2, 1, 0, 0, 1)}


def test_a_folder_named_after_a_forgotten_user_is_refused(
    con: duckdb.DuckDBPyConnection, folder: Path, listed: Path
) -> None:
    for user in (7, 42):
        part = folder / "ratings" / f"userId={user}" / "part-0.csv"
        part.parent.mkdir(parents=True)
        part.write_text(f"movieId,rating,timestamp\n1,3,{AT}\n2,4,{AT}\n")
    assert outcomes(take_in(con, folder, listed))["ratings"] == (4, 2, 0, 0, 2)


def test_a_change_of_the_list_is_new_input(
    con: duckdb.DuckDBPyConnection, folder: Path, tmp_path: Path
) -> None:
    folder.joinpath("ratings.csv").write_text(f"{RATINGS}42,1,3,{AT}\n7,1,4,{AT}\n")
    path = tmp_path / "forgotten.json"
    before = plan_intake(con, folder, LENIENT, forgotten=path).data_hash
    assert before == plan_intake(con, folder, LENIENT).data_hash
    listed = new_list(("BIGINT", "BIGINT"))
    write(path, listed)
    assert plan_intake(con, folder, LENIENT, forgotten=path).data_hash == before
    write(path, listed, users=[42])
    assert plan_intake(con, folder, LENIENT, forgotten=path).data_hash != before


def test_a_line_is_split_at_any_usual_separator() -> None:
    for line in ('a,"b c",d', "a;b c;d", "a\tb c\td", "a::b c::d", "a|b c|d"):
        assert {"a", "b c", "d"} <= values_of_line(line)
