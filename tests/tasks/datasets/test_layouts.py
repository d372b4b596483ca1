"""Layouts of public data sets: a made sample in each set's own format lands, and becomes the expected clean rows."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pytest

from tasks.config.load import load_settings
from tasks.datasets.layouts import layout_file, layout_names, settings_file
from tasks.errors import NightError, UsageError
from tests.tasks.inputs import counts, land_and_clean, rows

Rows = list[tuple[Any, ...]]


def _lines(path: Path, *objects: dict[str, Any], also: str = "") -> None:
    text = "".join(json.dumps(each) + "\n" for each in objects) + also
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def _amazon(folder: Path) -> None:
    review = {
        "title": 'So "good"',
        "text": "a\nb",
        "images": [],
        "asin": "B1",
        "parent_asin": "B0",
        "user_id": "AE",
    }
    _lines(folder / "Video_Games.jsonl.gz", review | {"rating": 5.0, "timestamp": 1_588_687_728_923})
    meta = {
        "main_category": "Video Games",
        "title": "Pad",
        "parent_asin": "B0",
        "categories": ["Games", "PC"],
    }
    _lines(folder / "meta_Video_Games.jsonl.gz", meta | {"store": "Acme"})


def _amazon_2018(folder: Path) -> None:
    review = {
        "overall": 4.0,
        "reviewerID": "A2",
        "asin": "0001",
        "reviewText": "x",
        "unixReviewTime": 1_252_800_000,
    }
    _lines(folder / "Video_Games_5.json.gz", review)
    _lines(
        folder / "meta_Video_Games.json.gz",
        {"asin": "0001", "title": "Pad", "category": ["Games"], "brand": "B"},
    )


def _book_crossing(folder: Path) -> None:
    (folder / "BX-Book-Ratings.csv").write_bytes(
        b'"User-ID";"ISBN";"Book-Rating"\r\n"276725";"034545104X";"0"\r\n"276726";"0155061224";"5"\r\n'
    )
    (folder / "BX-Books.csv").write_bytes(
        '"ISBN";"Book-Title";"Book-Author"\r\n"0155061224";"Déjà; vu";"Ada"\r\n'.encode("latin-1")
    )
    (folder / "BX-Users.csv").write_bytes(b'"User-ID";"Location";"Age"\r\n"276726";"seattle, usa";NULL\r\n')


def _goodreads(folder: Path) -> None:
    shelf = {
        "user_id": "8842",
        "is_read": True,
        "date_added": "Sun Jul 30 07:44:10 -0700 2017",
        "read_at": "",
    }
    path = folder / "goodreads_interactions_poetry.json.gz"
    _lines(path, shelf | {"book_id": "24", "rating": 4}, shelf | {"book_id": "25", "rating": 0})
    _lines(folder / "goodreads_books_poetry.json.gz", {"book_id": "24", "title": "Odes", "publisher": "P"})


def _hm(folder: Path) -> None:
    (folder / "transactions_train.csv").write_text(
        "t_dat,customer_id,article_id,price,sales_channel_id\n"
        "2018-09-20,000058a1,0663713001,0.0508,2\n2018-09-20,000058a1,0663713001,0.0508,2\n"
    )
    (folder / "articles.csv").write_text(
        "article_id,prod_name,product_type_name,colour_group_name,department_name\n0663713001,Atlanta,Bra,Black,L\n"
    )
    (folder / "customers.csv").write_text("customer_id,FN,age,club_member_status\n000058a1,,24.0,ACTIVE\n")


def _lastfm(folder: Path) -> None:
    (folder / "user_artists.dat").write_bytes(b"userID\tartistID\tweight\r\n2\t51\t13883\r\n2\t52\t7\r\n")
    (folder / "artists.dat").write_bytes(
        b'id\tname\turl\tpictureURL\r\n51\t"Weird Al" Yankovic\thttp://a\thttp://b\r\n'
    )
    (folder / "user_friends.dat").write_bytes(b"userID\tfriendID\r\n2\t275\r\n275\t2\r\n")


def _retailrocket(folder: Path) -> None:
    (folder / "events.csv").write_text(
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n1433222276276,257597,transaction,356475,4000\n"
    )


def _steam(folder: Path) -> None:
    (folder / "steam-200k.csv").write_text(
        '151603712,"The Elder Scrolls V, Skyrim",purchase,1.0,0\n'
        '151603712,"The Elder Scrolls V, Skyrim",play,273.0,0\n'
    )


def _yelp(folder: Path) -> None:
    review = {
        "review_id": "r",
        "user_id": "_u",
        "business_id": "-b",
        "stars": 3.0,
        "date": "2018-07-07 22:09:11",
    }
    _lines(folder / "yelp_academic_dataset_review.json", review)
    business = {"business_id": "-b", "name": "Café", "city": "Reno", "categories": "Mexican, Burgers"}
    _lines(folder / "yelp_academic_dataset_business.json", business)


RATED = "select user_id, item_id, rating, rated_at::text from ratings order by all"
DONE = "select user_id, item_id, event, value, happened_at::text from events order by all"
NO_TIME = "select user_id, item_id, event, value from events order by all"
UNTIMED = "select user_id, item_id, rating from ratings order by all"

SAMPLES: dict[str, tuple[Callable[[Path], None], str, Rows, Rows]] = {
    "amazon": (
        _amazon, RATED, [("AE", "B0", 5.0, "2020-05-05 14:08:48.923")], [("B0", "Pad", ["Games", "PC"])],
    ),
    "amazon-2018": (
        _amazon_2018, RATED, [("A2", "0001", 4.0, "2009-09-13 00:00:00")], [("0001", "Pad", ["Games"])],
    ),
    "book-crossing": (
        _book_crossing, UNTIMED, [(276725, "034545104X", None), (276726, "0155061224", 5.0)],
        [("0155061224", "Déjà; vu", [])],
    ),
    "goodreads": (
        _goodreads, RATED, [(8842, 24, 4.0, "2017-07-30 14:44:10"), (8842, 25, None, "2017-07-30 14:44:10")],
        [(24, "Odes", [])],
    ),
    "hm": (
        _hm, DONE, [("000058a1", "0663713001", "purchase", 1.0, "2018-09-20 00:00:00")] * 2,
        [("0663713001", "Atlanta", ["Bra"])],
    ),
    "lastfm": (
        _lastfm, NO_TIME, [(2, 51, "listen", 13_883.0), (2, 52, "listen", 7.0)],
        [(51, '"Weird Al" Yankovic', [])],
    ),
    "retailrocket": (
        _retailrocket, DONE,
        [
            (257_597, 355_908, "view", 1.0, "2015-06-02 05:02:12.117"),
            (257_597, 356_475, "transaction", 1.0, "2015-06-02 05:17:56.276"),
        ],
        [],
    ),
    "steam": (
        _steam, NO_TIME,
        [(151_603_712, "The Elder Scrolls V, Skyrim", e, v) for e, v in (("play", 273.0), ("purchase", 1.0))],
        [],
    ),
    "yelp": (
        _yelp, RATED, [("_u", "-b", 3.0, "2018-07-07 22:09:11")], [("-b", "Café", ["Mexican", "Burgers"])],
    ),
}  # fmt: skip


def test_every_layout_has_a_sample() -> None:
    assert set(SAMPLES) == set(layout_names())


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_becomes_clean_rows(name: str, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    make, query, expected, items = SAMPLES[name]
    make(folder)
    data = land_and_clean(con, folder, load_settings(layout_file(name)).data)
    assert rows(con, query) == expected
    assert rows(con, "select item_id, title, genres from items") == items
    assert all(quarantined == 0 for *_, quarantined in counts(data).values())


@pytest.mark.parametrize("name", SAMPLES)
def test_files_that_describe_may_be_absent(name: str, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    SAMPLES[name][0](folder)
    settings = load_settings(layout_file(name)).data
    for source in ("items", "users", "links"):
        section = getattr(settings, source)
        for path in folder.glob(section.file) if section.optional else ():
            path.unlink()
    land_and_clean(con, folder, settings)
    assert rows(con, SAMPLES[name][1]) == SAMPLES[name][2]


def test_an_absent_file_is_named_beside_those_present(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    _hm(folder)
    with pytest.raises(UsageError, match=r"no events under the name .*: steam-200k\.csv") as caught:
        land_and_clean(con, folder, load_settings(layout_file("steam")).data)
    assert "Files there: articles.csv, customers.csv, transactions_train.csv." in caught.value.hint


def test_an_unknown_layout_gives_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        layout_file("steem")
    assert "Did you mean 'steam'? Known: amazon, " in caught.value.hint


def test_layout_and_config_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="both given"):
        settings_file(Path("my.toml"), "steam")
    assert settings_file(Path("my.toml"), None) == Path("my.toml")
    assert settings_file(None, None) is None


class TestBadJson:
    """Files of JSON lines that are damaged, or something else."""

    review: ClassVar[dict[str, Any]] = {
        "user_id": "u",
        "business_id": "b",
        "stars": 3.0,
        "date": "2018-07-07 22:09:11",
    }
    name = "yelp_academic_dataset_review.json"

    def _land(self, con: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, tuple[int, int, int, int]]:
        settings = load_settings(layout_file("yelp"), ("data.max_reject_share=1",)).data
        return counts(land_and_clean(con, folder, settings))

    def test_bad_lines_are_rejected(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        _lines(folder / self.name, self.review, also='{"user_id": "v",\n[1]\n\n')
        _lines(folder / "yelp_academic_dataset_review.json.gz", self.review | {"user_id": "w"})
        assert self._land(con, folder) == {"ratings": (4, 2, 0, 2)}

    def test_a_cut_last_line_stops_the_night(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        _lines(folder / self.name, self.review, also='{"user_id": "v", "bus')
        with pytest.raises(NightError, match="looks truncated: line 2, its last"):
            self._land(con, folder)

    def test_a_truncated_gzip_stops_the_night(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        path = folder / f"{self.name}.gz"
        _lines(path, *(self.review | {"user_id": f"{n * 7919 % 9973}"} for n in range(5000)))
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(NightError, match="looks truncated: its gzip content breaks off"):
            self._land(con, folder)

    def test_another_encoding_stops_the_night(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / self.name).write_bytes(json.dumps(self.review).encode() + b'\n{"user_id": "\xe9"}\n')
        with pytest.raises(NightError, match="not UTF-8"):
            self._land(con, folder)

    def test_python_literals_get_a_command(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / self.name).write_text("{'user_id': 'u'}\n")
        with pytest.raises(NightError, match="no JSON object a line") as caught:
            self._land(con, folder)
        assert "ast.literal_eval" in caught.value.hint

    def test_absent_keys_are_named(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        _lines(folder / self.name, {"user_id": "u", "business_id": "b", "star": 1, "date": "2020-01-01"})
        with pytest.raises(UsageError, match=r"has no column 'stars'\. The nearest is 'star'"):
            self._land(con, folder)
