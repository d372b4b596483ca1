"""Own files are recognised by the names of their columns, and a night could read them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.config.load import load_settings
from tasks.config.new_file import write_settings_file
from tasks.errors import UsageError
from tasks.ingestion.first_look import check_input
from tasks.ingestion.guess_columns import PURCHASE, guess_files, values_of


def made(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def test_ratings_and_items_are_recognised(tmp_path: Path) -> None:
    made(
        tmp_path,
        reviews="Review_ID;User-ID;ISBN;Book-Rating\n1;7;x;5\n",
        books="ISBN;Book-Title;Publisher\nx;Dune;Ace\n",
        notes="a,b\n1,2\n",
    )
    found = {guess.source: guess for guess in guess_files(tmp_path)}
    assert found["ratings"].columns == {"user": "User-ID", "item": "ISBN", "rating": "Book-Rating"}
    assert found["items"].columns == {"item": "ISBN", "title": "Book-Title"}
    values = values_of(found.values())
    assert values["data.ratings"]["timestamp"] == ""
    settings = load_settings(write_settings_file(tmp_path / "new", values))
    check_input(tmp_path, settings)
    assert settings.data.items.file == "books.csv"


def test_orders_without_ratings_count_as_purchases(tmp_path: Path) -> None:
    table = pa.table({"customer_id": ["a"], "sku": ["x"], "ordered_at": ["2024-01-01"]})
    pq.write_table(table, tmp_path / "orders.parquet")
    values = values_of(guess_files(tmp_path))
    assert values == {
        "data.events": {
            "file": "orders.parquet",
            "user": "customer_id",
            "item": "sku",
            "timestamp": "ordered_at",
            "event": "",
            "constant_event": PURCHASE,
        }
    }
    check_input(tmp_path, load_settings(write_settings_file(tmp_path / "new", values)))


def test_a_column_of_events_is_taken(tmp_path: Path) -> None:
    made(tmp_path, log="ts,visitorid,event,itemid\n1,2,view,3\n")
    (guess,) = guess_files(tmp_path)
    assert guess.columns == {"user": "visitorid", "item": "itemid", "event": "event", "timestamp": "ts"}


def test_one_file_a_source_in_the_order_of_names(tmp_path: Path) -> None:
    made(tmp_path, b="user,item,rating\n1,1,1\n", a="user,item,stars\n1,1,1\n")
    assert [guess.path.name for guess in guess_files(tmp_path)] == ["a.csv"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no CSV or Parquet file"),
        ({"x": "foo,bar\n1,2\n"}, r"x\.csv: foo, bar"),
        ({"films": "movie,title\n1,A\n"}, r"films\.csv: movie, title"),
    ],
)
def test_a_folder_without_users_and_items_is_refused(tmp_path: Path, files: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        guess_files(made(tmp_path, **files))


def test_an_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        guess_files(tmp_path / "none")
