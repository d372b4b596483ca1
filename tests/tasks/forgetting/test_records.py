"""Users leave records, pages, logs and Parquet files; everything else there stays."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jinja2 import Environment, PackageLoader

from tasks.errors import TransientError
from tasks.forgetting.caches import KEPT, count_in_parquet, remove_caches, rewrite_exports, rewrite_lists
from tasks.forgetting.records import clean_records, remove_partial_files, shows_in_page, without_users
from tasks.forgetting.side_databases import clean_database, count_in_database, side_databases
from tasks.forgetting.subject import Subject, subject_of
from tasks.publication.targets.base import PublishedRun
from tasks.storage.artifact_store import Store
from tasks.storage.health import Untold, changing_health
from tests.tasks.inputs import LENIENT
from tests.tasks.publication.published_lists import make_lists


def numbers(*users: int, items: tuple[int, ...] = ()) -> Subject:
    return subject_of(users, items, ("BIGINT", "BIGINT"), LENIENT)


def texts(*users: str) -> Subject:
    return subject_of(users, (), ("TEXT", "TEXT"), LENIENT)


def page_of(*users: int | str) -> str:
    """Return a page with samples and dots of users, written by the page's own templates where they write users."""
    environment = Environment(loader=PackageLoader("tasks.reporting.page"), autoescape=True)
    title = environment.from_string("{{ title|tojson }}")
    samples = "".join(
        f'<details class="user"><summary>{environment.from_string("<strong>User {{ u }}</strong>").render(u=user)}'
        f" <span>9 items known</span></summary><ol><li>Film of {at}</li></ol>"
        f'<details class="other"><summary>By als</summary>Choice of {at}</details></details>\n'
        for at, user in enumerate(users)
    )
    dots = ",".join(f'[{title.render(title=f"User {user}")},"gender: f; 9 items"]' for user in users)
    return f'<h1>Night</h1>{samples}<script type="application/json">[[{dots}]]</script><p>42 items</p>'


def test_a_page_loses_samples_and_dots_of_a_user_only() -> None:
    page = page_of(4, 42, 421)
    cleaned = without_users(page, numbers(42))
    assert shows_in_page(page, numbers(42))
    assert not shows_in_page(cleaned, numbers(42))
    assert "User 42<" not in cleaned
    assert '"User 42"' not in cleaned
    assert "Film of 1" not in cleaned
    assert "Film of 0" in cleaned
    assert [f"Choice of {at}" in cleaned for at in range(3)] == [True, False, True]
    assert cleaned.count("<details") == cleaned.count("</details>")
    assert "User 421<" in cleaned
    assert "<p>42 items</p>" in cleaned
    dots = json.loads(cleaned.partition('json">')[2].partition("</script>")[0])
    assert dots == [
        [["User 4", "gender: f; 9 items"], ["(forgotten)", ""], ["User 421", "gender: f; 9 items"]]
    ]
    assert without_users(page, numbers(2)) == page


@pytest.mark.parametrize("user", ["anna-lovelace", "o'neil & <ann>", 'quote"d-id', "zoë-müller"])
def test_a_page_loses_ids_however_they_are_escaped(user: str) -> None:
    cleaned = without_users(page_of("somebody", user), texts(user))
    assert "Film of 1" not in cleaned
    assert "somebody" in cleaned
    for part in ("lovelace", "neil", "quote", "müller"):
        assert part not in cleaned


def test_records_lose_the_example_and_take_the_new_rows(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "7"
    folder.mkdir(parents=True)
    about = {
        "run_id": 7,
        "rows": 300,
        "reason": "said person-0042",
        "summary": {"example_user": "person-0042"},
    }
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "report.html").write_text(page_of("person-0042", "x"))
    (folder / ".run.json.partial").write_text("person-0042")
    (folder / "report.partial").write_text("person-0042")
    published = (PublishedRun(7, 290, "k", True, None, None),)
    assert clean_records(tmp_path, texts("person-0042"), published) == 2
    assert clean_records(tmp_path, texts("person-0042"), published) == 0
    assert json.loads((folder / "run.json").read_text()) == {
        "run_id": 7, "rows": 290, "reason": "said (forgotten)", "summary": {"example_user": None},
    }  # fmt: skip
    remove_partial_files(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "run.json"]


def test_messages_that_wait_lose_a_user(tmp_path: Path) -> None:
    known = replace(texts("person-0042"), longer=("person-00421",))
    at = datetime(2026, 11, 28)
    with changing_health(tmp_path) as health:
        health.good_at = at
        health.untold = [
            Untold("failed", "the title", "Cause: said person-0042, not person-00421.", "failure", at)
        ]
    assert clean_records(tmp_path, texts("person-0043"), ()) == 0
    assert clean_records(tmp_path, known, ()) == 1
    with changing_health(tmp_path) as health:
        assert [each.text for each in health.untold] == ["Cause: said (forgotten), not person-00421."]
        assert health.good_at == at
    assert clean_records(tmp_path, known, ()) == 0


def logs(path: Path, *rows: tuple[str, str]) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.execute("create table log (message text)")
        con.execute("create table state (message text)")
        for table, text in rows:
            con.execute(f"insert into {table} values (?)", (text,))
        con.commit()


def messages(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as con:
        return {t: [m for (m,) in con.execute(f"select message from {t}")] for t in ("log", "state")}


def test_logs_lose_lines_that_name_a_user(tmp_path: Path) -> None:
    path = tmp_path / "prefect.db"
    logs(path, ("log", "rejected 42,1,x"), ("log", "rejected 421,142,x"), ("state", "42 rows"))
    assert count_in_database(path, numbers(42)) == 1
    assert clean_database(path, numbers(42)) == 1
    assert messages(path) == {"log": ["rejected 421,142,x"], "state": ["42 rows"]}


def test_text_ids_leave_other_tables_and_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "prefect.db"
    logs(
        path, ("log", "rejected person-0042"), ("state", '{"seen": "person-0042"}'), ("state", "person-0043")
    )
    assert side_databases(tmp_path, None) == [path]
    assert side_databases(tmp_path, path.resolve()) == []
    assert clean_database(path, texts("person-0042")) == 2
    assert messages(path) == {"log": [], "state": ['{"seen": "(forgotten)"}', "person-0043"]}
    assert b"person-0042" not in path.read_bytes()


def test_a_database_in_use_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prefect.db"
    logs(path, ("log", "rejected 42,1,x"))
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **o: connect(*a, **o | {"timeout": 0.1}))
    with closing(connect(path)) as writer:
        writer.execute("begin immediate")
        with pytest.raises(TransientError, match="open in another program"):
            clean_database(path, numbers(42))


def test_lists_are_rewritten_and_other_artifacts_go(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.make("recommend", "a" * 32, lambda folder: make_lists(folder / "x", 1) and _moved(folder))
    for stage in ("fit", "utility", "choose", "later_stage"):
        (tmp_path / stage / "k").mkdir(parents=True)
    (tmp_path / "fit" / ".checkpoint-k").mkdir()
    record = tmp_path / "runs" / "1" / "run.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"artifacts": ["fit/k", f"recommend/{'a' * 32}"]}))
    assert rewrite_lists(store, tmp_path / "runs", numbers(7, items=(5,))) == 1
    assert rewrite_lists(store, tmp_path / "runs", numbers(7, items=(5,))) == 0
    [folder] = (tmp_path / "recommend").iterdir()
    assert folder.name != "a" * 32, "a night with the old inputs would take the lists for its own"
    assert json.loads(record.read_text())["artifacts"] == ["fit/k", f"recommend/{folder.name}"]
    record.unlink()
    record.parent.rmdir()
    record.parent.parent.rmdir()
    for name in ("recommendations", "similar_items", "fallback_recommendations", "items"):
        assert count_in_parquet(folder / f"{name}.parquet", numbers(7, items=(5,))) == 0
    table = pq.read_table(folder / "recommendations.parquet")
    assert table.num_rows == 300 - 10 - _lists_with(5)
    ranks: dict[int, list[int]] = {}
    for user, rank in zip(table["user_id"].to_pylist(), table["rank"].to_pylist(), strict=True):
        ranks.setdefault(user, []).append(rank)
    assert all(each == list(range(1, len(each) + 1)) for each in ranks.values())
    assert remove_caches(store) == 4
    assert sorted(path.parent.name for path in tmp_path.glob("*/*")) == ["choose", "recommend"]
    assert set(KEPT) == {"choose", "trade_off", "recommend"}


def _moved(folder: Path):
    """Move the files of `make_lists` up, where the store expects them, and return their reference."""
    for path in (folder / "x").iterdir():
        path.rename(folder / path.name)
    (folder / "x").rmdir()
    from tasks.artifacts import Lists  # noqa: PLC0415

    return Lists("a" * 32, folder, 30, 300, 200, 20, 40)


def _lists_with(item: int) -> int:
    """How many rows of users but 7 hold an item in the lists of `make_lists`."""
    return sum((u + r + 1) % 40 + 1 == item for u in range(1, 31) if u != 7 for r in range(1, 11))


def test_parquet_is_searched_by_its_columns_of_ids(tmp_path: Path) -> None:
    path = tmp_path / "users.parquet"
    pq.write_table(pa.table({"user_idx": [42], "user_id": [7]}), path)
    assert count_in_parquet(path, numbers(42)) == 0
    assert count_in_parquet(path, numbers(7)) == 1
    assert count_in_parquet(path, numbers(items=(7,))) == 0


def test_exports_in_the_home_lose_their_rows(tmp_path: Path) -> None:
    export, artifact = tmp_path / "exports" / "users.parquet", tmp_path / "artifacts" / "users.parquet"
    table = pa.table({"user_id": [7, None, 8], "vector": [[1.0], [2.0], [3.0]]})
    for path in (export, artifact):
        path.parent.mkdir()
        pq.write_table(table, path)
    assert rewrite_exports(tmp_path, numbers(7)) == 1
    assert rewrite_exports(tmp_path, numbers(7)) == 0
    assert pq.read_table(export).to_pylist() == table.take([1, 2]).to_pylist()
    assert pq.read_table(artifact).num_rows == 3
