"""Cleaning of what describes users and items: users, links, relations, and attributes of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from duckdb.value.constant import LongValue
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts import CleanData
from tasks.config.data_settings import DataSettings
from tasks.errors import NightError, UsageError
from tasks.storage.warehouse import open_warehouse, run_file, transaction
from tests.examples import examples
from tests.tasks.inputs import (
    LINKS,
    MOVIES,
    RATINGS,
    RELATIONS,
    USERS,
    counts,
    land_and_clean,
    land_now,
    rows,
)

SECONDS_OF_DAY = 86_400
INTEGERS = ("BIGINT", "BIGINT")

LINK_FAULTS = {
    "1,1,1,900000": ["user and friend are the same"],
    "1,,1,900000": ["friend id is missing"],
    "1,2,0,900000": ["weight is not above 0"],
    "1,2,-1,900000": ["weight is not above 0"],
    "1,2,1e-60,900000": ["weight is not above 0"],
    "1,2,inf,900000": ["weight is not finite"],
    "1,2,1e16,900000": ["weight is too large"],
    "1,2,much,900000": ["weight is not a number"],
    "1,2,1,never": ["timestamp is not a time"],
    "1,2,1,": ["timestamp is missing"],
    "x,1,0,4000000000": [
        "user id is not an integer",
        "weight is not above 0",
        "timestamp lies in the future",
    ],
}
RELATION_FAULTS = {
    ",,": ["head is missing", "relation is missing", "tail is missing"],
    "item:x,by,Ada": ["head id is not an integer"],
    "item:,by,NULL": ["head id is missing", "tail is missing: it says NULL"],
    "A\0,by,item:2": ["head holds a NUL character"],
}
USER_FAULTS = {
    ",31,F": ["user id is missing"],
    "x,32,F": ["user id is not an integer"],
    "3,3\0,F": ["features hold a NUL character"],
    "4": ["too few columns"],
}


def with_sections(**sections: dict[str, object]) -> DataSettings:
    return DataSettings.model_validate({"max_reject_share": 1, **sections})


@dataclass(frozen=True)
class Cleaned:
    """A warehouse whose clean tables are made of a folder with every source, and with faults in each."""

    con: duckdb.DuckDBPyConnection
    data: CleanData

    def rows(self, query: str) -> list[tuple[object, ...]]:
        return rows(self.con, query)

    def reasons(self, source: str) -> list[list[str]]:
        found = self.con.execute("select reasons from quarantine where source = ? order by line", [source])
        return [reasons for (reasons,) in found.fetchall()]


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cleaned]:
    folder = tmp_path_factory.mktemp("in")
    entities = (
        "item:2,by, Ada Lang",
        "Ada Lang,born_in,Item:2",
        "item: 3 ,sequel_of,item:2",
        "item:2,by,Ada Lang",
    )
    texts = {
        "ratings": RATINGS + "1,2,3,900000\n",
        "users": USERS + "\n".join(("1, 30 ,F", "2,,NULL", "1,31,", *USER_FAULTS, "")),
        "links": LINKS + "\n".join(("1,2,,900000", "2,1,7,950000", *LINK_FAULTS)),
        "relations": RELATIONS + "\n".join((*entities, *RELATION_FAULTS)),
        "movies": "movieId,title,genres,director,year,studio\n"
        '1,A,Drama, Lang | Varda|Lang|None,1931,X\n2,B,,"[""Ozu"", ""Lang""]",,X\n3,C,,,,X\n',
    }
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text)
    with open_warehouse(Path(":memory:")) as con:
        attributes = with_sections(items={"attributes": ["director", "year"]})
        yield Cleaned(con, land_and_clean(con, folder, attributes, id_types=INTEGERS))


def test_rows_of_every_source_add_up(cleaned: Cleaned) -> None:
    assert counts(cleaned.data) == {
        "items": (3, 3, 0, 0),
        "links": (13, 1, 1, 11),
        "ratings": (1, 1, 0, 0),
        "relations": (8, 3, 1, 4),
        "users": (7, 2, 1, 4),
    }
    assert {count.source for count in cleaned.data.counts if count.pairs is not None} == {"ratings"}


def test_the_last_row_of_a_user_counts(cleaned: Cleaned) -> None:
    assert cleaned.rows("from users") == [(1, {"age": "31"}), (2, {})]


def test_users_without_a_valid_id_are_rejected(cleaned: Cleaned) -> None:
    assert cleaned.reasons("users") == list(USER_FAULTS.values())
    raw = cleaned.rows("select raw from quarantine where source = 'users' and line = 5")
    assert raw == [('{"user":null,"features":{"age":"31","gender":"F"}}',)]


def test_a_link_is_rejected_with_all_its_reasons(cleaned: Cleaned) -> None:
    assert cleaned.reasons("links") == list(LINK_FAULTS.values())


def test_the_latest_of_a_mutual_link_counts(cleaned: Cleaned) -> None:
    first, second = (datetime.fromtimestamp(at, UTC).replace(tzinfo=None) for at in (900_000, 950_000))
    assert cleaned.rows("from links") == [(1, 2, 1.0, first, second, True), (1, 2, 7.0, second, None, True)]


def test_items_and_entities_are_told_apart(cleaned: Cleaned) -> None:
    assert cleaned.rows("from relations order by relation") == [
        (None, "Ada Lang", "born_in", None, "Item:2"),
        (2, None, "by", None, "Ada Lang"),
        (3, None, "sequel_of", 2, None),
    ]


def test_a_relation_is_rejected_with_all_its_reasons(cleaned: Cleaned) -> None:
    assert cleaned.reasons("relations") == list(RELATION_FAULTS.values())


def test_attributes_are_split_like_genres(cleaned: Cleaned) -> None:
    assert cleaned.rows("select item_id, attributes from items") == [
        (1, {"director": ["Lang", "Varda"], "year": ["1931"]}),
        (2, {"director": ["Ozu", "Lang"]}),
        (3, {}),
    ]


def test_clean_tables_have_the_documented_columns(cleaned: Cleaned) -> None:
    schema = {
        table: [(name, kind) for name, kind, *_ in cleaned.rows(f"describe {table}")]
        for table in ("items", "users", "links", "relations")
    }
    assert schema == {
        "items": [
            ("item_id", "BIGINT"), ("title", "VARCHAR"), ("genres", "VARCHAR[]"),
            ("attributes", "MAP(VARCHAR, VARCHAR[])"),
        ],
        "users": [("user_id", "BIGINT"), ("features", "MAP(VARCHAR, VARCHAR)")],
        "links": [
            ("user_id", "BIGINT"), ("friend_id", "BIGINT"), ("weight", "DOUBLE"), ("linked_at", "TIMESTAMP"),
            ("superseded_at", "TIMESTAMP"), ("is_mutual", "BOOLEAN"),
        ],
        "relations": [
            ("head_item", "BIGINT"), ("head_entity", "VARCHAR"), ("relation", "VARCHAR"),
            ("tail_item", "BIGINT"), ("tail_entity", "VARCHAR"),
        ],
    }  # fmt: skip


def test_sources_that_leave_the_folder_leave_empty_tables(folder: Path, tmp_path: Path) -> None:
    """Also in a warehouse of an earlier version, which has none of the tables."""
    (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n")
    further = {
        "users": USERS + "ann,30,F\n",
        "links": LINKS + "1,2,1,900000\n",
        "relations": "head,relation,tail\na,b,c\n",
    }
    with open_warehouse(tmp_path / "warehouse.duckdb") as old:
        land_and_clean(old, folder)
        for name in further:
            old.execute(f"drop table {name}")
            old.execute(f"drop table raw_{name}")
        old.execute("alter table raw_items drop column described_by")
        old.execute("update landed_files set reader = 'earlier'")
    for name, text in further.items():
        (folder / f"{name}.csv").write_text(text)
    with open_warehouse(tmp_path / "warehouse.duckdb") as con:
        data = land_and_clean(con, folder)
        assert counts(data) == dict.fromkeys(("links", "ratings", "relations", "users"), (1, 1, 0, 0))
        assert data.user_id_type == "TEXT", "the ids of users.csv count"
        for name in further:
            (folder / f"{name}.csv").unlink()
        assert counts(land_and_clean(con, folder)) == {"ratings": (1, 1, 0, 0)}
        assert [rows(con, f"from {name}") for name in further] == [[], [], []]


def test_links_may_lack_times_and_weights(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """A file whose time column is empty has no times, and lies before one that has some."""
    (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n")
    (folder / "links").mkdir()
    (folder / "links/3.csv").write_text("userId,friendId\n3,1\n")
    (folder / "links/2.csv").write_text(LINKS + '1,2,1,\n1,2,"0,5",\n')
    (folder / "links/1.csv").write_text(LINKS + "2,1,3,900000\n")
    data = land_and_clean(con, folder)
    assert counts(data)["links"] == (4, 2, 2, 0)
    at = datetime.fromtimestamp(900_000, UTC).replace(tzinfo=None)
    assert rows(con, "select user_id, friend_id, weight, linked_at, superseded_at from links") == [
        (1, 2, 0.5, None, at), (1, 2, 3, at, None), (1, 3, 1, None, None),
    ]  # fmt: skip
    assert data.notes == ("weights of links/2.csv have decimal commas",)


def typed_links() -> duckdb.DuckDBPyConnection:
    """Return a database with the temporary tables that clean_links.sql reads, without any link."""
    con = duckdb.connect()
    con.execute("create temp table file_order as select 1 as file_id, 1 as position")
    con.execute("create temp table repeat_counts (source text, duplicates bigint)")
    con.execute(
        "create temp table read_links (file_id integer, line bigint, user_id bigint, friend_id bigint, weight double, "
        "has_time boolean, linked_at timestamp)"
    )
    return con


def test_no_row_of_a_large_table_is_lost() -> None:
    """A sorted insert into the emptied table would lose all rows, from DuckDB's second row group on."""
    con = typed_links()
    n = 130_000
    con.execute(f"insert into read_links select 1, range, range, -1, 1, false, null from range({n})")
    with transaction(con):
        ids = {"user_example": LongValue(0), "item_example": LongValue(0)}
        run_file(con, "warehouse/clean/no_further_sources.sql", **ids)
        run_file(con, "warehouse/clean/clean_links.sql", directed=False)
        assert rows(con, "select count(*), max(friend_id) from links") == [(n, n - 1)]


@settings(max_examples=examples(25))
@given(
    st.lists(
        st.tuples(
            st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.sampled_from([None, 1, 2, 3, 4])
        ).filter(lambda row: row[0] != row[1]),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
)
def test_the_newest_link_is_visible_at_any_moment(
    table: list[tuple[int, int, int, int | None]], directed: bool
) -> None:
    con = typed_links()
    con.execute(
        "insert into read_links select 1, line, user_id, friend_id, weight, day is not null, "
        "make_timestamp(day * 86400000000) from (select unnest(range(len($rows))) as line, "
        "unnest($rows, recursive := true))",
        {"rows": [dict(zip(("user_id", "friend_id", "weight", "day"), row, strict=True)) for row in table]},
    )
    run_file(con, "warehouse/clean/clean_links.sql", directed=directed)
    [(duplicates,)] = rows(con, "select duplicates from repeat_counts")
    [(clean,)] = rows(con, "select count(*) from links where superseded_at is null")
    assert clean + duplicates == len(table)
    assert (
        rows(con, "select user_id from links group by user_id, friend_id, linked_at having count(*) > 1")
        == []
    )
    for moment in range(1, 6):
        newest: dict[tuple[int, int], tuple[int, int]] = {}
        for user, friend, weight, day in table:
            pair = (user, friend) if directed else (min(user, friend), max(user, friend))
            if (day or 0) < moment and (day or 0) >= newest.get(pair, (0, 0))[0]:
                newest[pair] = day or 0, weight
        visible = con.execute(
            "select user_id, friend_id, weight from links where (linked_at is null or linked_at < $t) "
            "and (superseded_at is null or superseded_at >= $t)",
            {"t": datetime.fromtimestamp(SECONDS_OF_DAY * moment, UTC).replace(tzinfo=None)},
        ).fetchall()
        assert sorted(visible) == sorted((*pair, weight) for pair, (_, weight) in newest.items())


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("1,2,1,2019", '[data.links] timestamp = "" into pipeline.toml. Then all links count at any moment.'),
        ("1,ann,1,900000", "Such an id is 'ann'. The first night fixed this home's user ids to integers"),
        ("1,2,0,900000", "Write weights as numbers above 0"),
    ],
)
def test_the_error_for_many_rejected_links_says_what_to_do(
    con: duckdb.DuckDBPyConnection, folder: Path, line: str, advice: str
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n")
    (folder / "links.csv").write_text(LINKS + line)
    with pytest.raises(NightError, match=r"1 of 1 rows of links were rejected") as caught:
        land_and_clean(con, folder, DataSettings(), id_types=INTEGERS)
    assert advice in f"{caught.value} {caught.value.hint}"


class TestLanding:
    """What is read of the files, before it is cleaned."""

    @pytest.fixture
    def folder(self, folder: Path) -> Path:
        (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n")
        return folder

    @pytest.mark.parametrize(
        ("features", "found"), [([], {"age": "30", "gender": "F"}), (["gender"], {"gender": "F"})]
    )
    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_features_are_the_columns_of_the_users(
        self,
        con: duckdb.DuckDBPyConnection,
        folder: Path,
        kind: str,
        features: list[str],
        found: dict[str, str],
    ) -> None:
        """A column without a name, as pandas writes its index, is none."""
        (folder / "users.csv").write_text(",userId,age,gender\n0,1,30,F\n")
        if kind == "parquet":
            users = con.read_csv(str(folder / "users.csv"), all_varchar=True).select(
                "userId", "age", "gender"
            )
            users.write_parquet(str(folder / "users.parquet"))
            (folder / "users.csv").unlink()
        land_now(con, folder, with_sections(users={"features": features}))
        assert rows(con, "select user_id, described_by from raw_users") == [("1", found)]

    def test_other_attributes_make_the_file_be_read_again(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "movies.csv").write_text("movieId,title,director\n1,A,Lang\n")
        land_now(con, folder)
        assert rows(con, "select described_by from raw_items") == [(None,)]
        land_now(con, folder, with_sections(items={"attributes": ["director"]}))
        assert rows(con, "select described_by from raw_items") == [({"director": "Lang"},)]

    def test_an_attribute_that_is_not_there_is_an_error(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "movies.csv").write_text("movieId,title,genres,Director\n1,A,Drama,Lang\n")
        with pytest.raises(UsageError) as caught:
            land_now(con, folder, with_sections(items={"attributes": ["director", "year"]}))
        assert "no columns 'director' and 'year' of data.items.attributes" in str(caught.value)
        assert "The nearest is 'Director'. Its columns: movieId, title, genres, Director." in str(
            caught.value
        )

    def test_a_column_that_is_there_twice_is_an_error(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "users.csv").write_text("userId,age,age\n1,30,31\n")
        with pytest.raises(UsageError, match=r"users\.csv has the column 'age' twice"):
            land_now(con, folder)

    def test_a_column_cannot_be_title_and_attribute(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "movies.csv").write_text(MOVIES + "1,A,Drama\n")
        with pytest.raises(UsageError, match="use the column 'title' of the items twice"):
            land_now(con, folder, with_sections(items={"attributes": ["title"]}))

    @pytest.mark.parametrize("name", ["genre", "tag", "tag:x"])
    def test_an_attribute_cannot_be_named_like_other_features(self, name: str) -> None:
        with pytest.raises(ValueError, match="features named genre:… and tag:…"):
            with_sections(items={"attributes": [name]})
