"""Files that bear the name of a source and hold something else are left out; all others are read."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.config.data_settings import DataSettings
from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.ingestion.first_look import check_input
from tasks.ingestion.foreign_files import why_foreign
from tasks.ingestion.input_files import find_input_files, left_out
from tests.tasks.inputs import GOOD, LENIENT, LINKS

USERS_1M = "1::F::1::10::48067\n"


def found(folder: Path, settings: DataSettings = LENIENT) -> list[str]:
    return [file.path for file in find_input_files(folder, settings)]


@pytest.mark.parametrize(
    "header",
    ["movieId,imdbId,tmdbId", "itemId;tmdbId", '"movieId"\t"imdbId"', "MOVIEID|IMDBID", "userId,movieId,url"],
)
def test_links_of_items_are_left_out(folder: Path, header: str) -> None:
    (folder / "ratings.csv").write_text(GOOD)
    (folder / "links.csv").write_text(header + "\n1,2,3\n")
    assert found(folder) == ["ratings.csv"]
    said = left_out(folder, LENIENT, {file.location for file in find_input_files(folder, LENIENT)})
    named = "links.csv (it links items, not users: it has no column 'friendId')"
    assert said == ("" if header == "movieId,imdbId,tmdbId" else f"{folder}: 1 file is not read: {named}.")


def test_links_of_items_are_recognised_when_packed(folder: Path) -> None:
    (folder / "links").mkdir()
    (folder / "links/a.csv.gz").write_bytes(gzip.compress(b"movieId,imdbId\n1,2\n"))
    pq.write_table(pa.table({"movieId": [1], "tmdbId": [2]}), folder / "links/b.parquet")
    (folder / "links/c.csv").write_text(LINKS + "1,2,1,900000\n")
    assert found(folder) == ["links/c.csv"]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        (LINKS, {}),
        ("movieId,friendId\n", {}),
        ("movieId,to\n", {"friend": "to"}),
        ("movieId,imdbId\n", {"file": "links.csv"}),
        ("movieId,imdbId\n", {"columns": ["userId", "friendId"]}),
        ("who,whom\n", {}),
    ],
)
def test_other_links_are_read(folder: Path, text: str, links: dict[str, object]) -> None:
    path = folder / "links.csv"
    path.write_text(text + "1,2\n")
    assert why_foreign(path, "links", DataSettings.model_validate({"links": links})) == ""


def test_links_without_the_columns_are_an_error(folder: Path) -> None:
    (folder / "ratings.csv").write_text(GOOD)
    (folder / "links.csv").write_text("who,whom\n1,2\n")
    with pytest.raises(UsageError, match="no columns 'friendId' and 'userId'") as caught:
        check_input(folder, Settings())
    assert caught.value.hint.endswith('[data.links]\nuser = "who"\nfriend = "whom"')


def test_users_of_movielens_1m_are_read_if_settings_name_columns(folder: Path) -> None:
    (folder / "ratings.csv").write_text(GOOD)
    (folder / "users.dat").write_text(USERS_1M)
    assert found(folder) == ["ratings.csv"]
    said = left_out(folder, LENIENT, {file.location for file in find_input_files(folder, LENIENT)})
    assert 'users.dat (it has no header: name its columns, [data.users] columns = ["userId"' in said
    named = DataSettings.model_validate({"users": {"columns": ["userId", "gender", "..."]}})
    assert found(folder, named) == ["ratings.csv", "users.dat"]
