"""The warehouse loses the rows of forgotten ids and their bytes; its counts still add up."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from tasks.errors import NightError
from tasks.forgetting import warehouse as under_test
from tasks.forgetting.subject import Subject, subject_of
from tasks.forgetting.warehouse import (
    count_raw_rows,
    quarantined,
    read_files_again,
    remove_from_warehouse,
    typed_columns,
)
from tasks.ingestion import numeric_file
from tasks.ingestion.clean import clean
from tasks.ingestion.land import land
from tasks.storage.forgotten import new_list, write_forgotten
from tasks.storage.warehouse import open_warehouse
from tests.tasks.inputs import EVENTS, LENIENT, LINKS, MOVIES, RATINGS, RELATIONS, TAGS, USERS, counts, rows

AT = "100000000"
ANNA = "anna-lovelace-1815"


@pytest.fixture
def path(tmp_path: Path, folder: Path) -> Path:
    """A warehouse of all sources in which Anna is everywhere, also in quarantine and in a rejected line."""
    people = "".join(f"u{n},{n % 3 + 1},3,{AT}\n" for n in range(300))
    folder.joinpath("ratings.csv").write_text(
        f"{RATINGS}{ANNA},1,3,{AT}\n{people}{ANNA},2,bad,{AT}\n{ANNA},3\nu1,2,worse,{AT}\nu2,1\n"
    )
    folder.joinpath("tags.csv").write_text(f"{TAGS} {ANNA} ,1,dark,{AT}\nu1,1,dark,{AT}\n")
    folder.joinpath("events.csv").write_text(f"{EVENTS}{ANNA},1,view,,{AT}\nu1,1,view,,{AT}\n")
    folder.joinpath("movies.csv").write_text(f"{MOVIES}1,One,Drama\n2,Two,Drama\n3,Three,Drama\n")
    folder.joinpath("users.csv").write_text(f"{USERS}{ANNA},30,f\nu1,31,m\n")
    folder.joinpath("links.csv").write_text(f"{LINKS}u1,{ANNA},1,{AT}\nu1,u2,1,{AT}\n")
    folder.joinpath("relations.csv").write_text(
        f"{RELATIONS}item:1,by,{ANNA}\nitem:2,by,Ada\nitem:3,by,Ada\n"
    )
    made = tmp_path / "warehouse.duckdb"
    take_in(made, folder)
    return made


def take_in(path: Path, folder: Path, forgotten: Path | None = None) -> dict[str, tuple[int, int, int, int]]:
    with open_warehouse(path) as con:
        intake = land(con, folder, LENIENT, landed_at=datetime(2027, 1, 1), forgotten=forgotten)
        data = clean(con, intake, LENIENT, id_types=("TEXT", "BIGINT"))
        assert all(c.clean + c.duplicates + c.quarantined + c.forgotten == c.rows_in for c in data.counts)
        return counts(data)


def subject(users: list[str] = (), items: list[int] = ()) -> Subject:
    return subject_of(users, items, ("TEXT", "BIGINT"), LENIENT)


def all_tables(path: Path) -> dict[str, list[tuple]]:
    with duckdb.connect(path, read_only=True) as con:
        names = [name for (name,) in con.execute("select table_name from duckdb_tables()").fetchall()]
        return {name: con.table(name).fetchall() for name in names}


def test_a_user_leaves_all_tables_and_the_bytes(path: Path) -> None:
    before = all_tables(path)
    assert sum(ANNA in repr(rows) for rows in before.values()) >= 13
    assert ANNA.encode() in path.read_bytes()
    remove_from_warehouse(path, subject([ANNA]))
    after = all_tables(path)
    assert before.keys() == after.keys()
    assert ANNA.encode() not in path.read_bytes()
    for name in before.keys() - {"landed_files", "clean_state"}:
        assert after[name] == [row for row in before[name] if ANNA not in repr(row)], name
    assert after["clean_state"] == []
    with open_warehouse(path) as con:
        assert count_raw_rows(con, subject([ANNA])) == 0
        assert quarantined(con, subject([ANNA])) == []
    assert [each.name for each in path.parent.glob("*warehouse*")] == ["warehouse.duckdb"]


def test_a_user_leaves_rows_that_landed_as_numbers(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numeric_file, "MIN_SIZE", 0)
    moments = "".join(f"{n % 3 + 1},{n},{{}},{AT}\n" for n in range(300))
    folder.joinpath("ratings.csv").write_text(RATINGS + moments.format(*["3"] * 300))
    folder.joinpath("tags.csv").write_text(TAGS + moments.format(*["dark"] * 300))
    folder.joinpath("events.csv").write_text(EVENTS + moments.format(*["view,1"] * 300))
    made = tmp_path / "numbers.duckdb"
    take_in(made, folder)
    remove_from_warehouse(made, subject(["1"], [2]))
    with open_warehouse(made) as con:
        for name in ("ratings", "tags", "events"):
            assert rows(con, f"select count(*) from landed_{name}") == [(200 - 1,)]
            assert rows(con, f"select count(*) from raw_numeric_{name}") == [(200 - 1,)]
            assert rows(con, f"select count(*) from {name}") == [(200 - 1,)]
        assert count_raw_rows(con, subject(["1"], [2])) == 0
    assert take_in(made, folder)["ratings"] == (300, 199, 0, 0)


def test_the_counts_add_up_in_the_next_night(path: Path, folder: Path, tmp_path: Path) -> None:
    listed = new_list(("TEXT", "BIGINT"))
    listed.add("user", [ANNA])
    write_forgotten(tmp_path / "forgotten.json", listed)
    remove_from_warehouse(path, subject([ANNA]))
    found = take_in(path, folder, tmp_path / "forgotten.json")
    assert found["ratings"] == (305, 300, 0, 2)
    assert found["links"] == (2, 1, 0, 0)
    with open_warehouse(path) as con:
        forgotten = dict(con.execute("select source, forgotten from landed_files").fetchall())
    assert forgotten == {
        "ratings": 3, "tags": 1, "events": 1, "items": 0, "users": 1, "links": 1, "relations": 1,
    }  # fmt: skip


def test_files_are_read_again_once_somebody_is_remembered(path: Path, folder: Path) -> None:
    remove_from_warehouse(path, subject([ANNA]))
    before = take_in(path, folder)
    assert before["users"] == (2, 1, 0, 0)
    read_files_again(path)
    assert take_in(path, folder)["users"] == (2, 2, 0, 0)


def test_an_item_leaves_interactions_catalogue_and_relations(path: Path) -> None:
    remove_from_warehouse(path, subject(items=[2]))
    tables = all_tables(path)
    assert {row[1] for row in tables["ratings"]} == {1, 3}
    assert {row[0] for row in tables["items"]} == {1, 3}
    assert {row[0] for row in tables["relations"]} == {1, 3}
    assert "item:2" not in repr(tables["raw_relations"])


def test_whole_numbers_are_no_entities(path: Path) -> None:
    who = subject_of([7], [], ("BIGINT", "BIGINT"), LENIENT)
    with open_warehouse(path) as con:
        assert "head_entity" not in repr(typed_columns(con, who))
        assert '"friend_id"' in repr(typed_columns(con, who))


def test_a_second_call_changes_nothing(path: Path) -> None:
    remove_from_warehouse(path, subject([ANNA]))
    once = all_tables(path)
    remove_from_warehouse(path, subject([ANNA]))
    assert all_tables(path) == once


@pytest.mark.parametrize("step", ["rows_removed", "warehouse_copied"])
def test_a_broken_call_is_finished_by_the_next(path: Path, step: str) -> None:
    def fail(reached: str) -> None:
        if reached == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove_from_warehouse(path, subject([ANNA]), fail)
    assert "u1" in repr(all_tables(path)["ratings"])
    remove_from_warehouse(path, subject([ANNA]))
    assert ANNA.encode() not in path.read_bytes()
    assert [each.name for each in path.parent.glob("*warehouse*")] == ["warehouse.duckdb"]


def test_a_full_disk_is_named_before_anything_is_copied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(NightError, match="too little to write") as caught:
        remove_from_warehouse(path, subject([ANNA]))
    assert "same command again" in caught.value.hint


def test_a_home_without_a_warehouse_has_nothing_to_remove(tmp_path: Path) -> None:
    remove_from_warehouse(tmp_path / "warehouse.duckdb", subject([ANNA]))
    read_files_again(tmp_path / "warehouse.duckdb")
    assert list(tmp_path.iterdir()) == []
