"""Forgetting in a real home: nothing of a user is found, everybody else's lists stay, the next night runs without."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import signal
import sqlite3
import stat
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from flows.cli import app as cli
from tasks.config.load import load_settings
from tasks.errors import LockedError, UsageError
from tasks.forgetting.forget import Outcome, forget, remember
from tasks.monitoring.events import SilentWatcher
from tasks.publication.maintenance import verify
from tasks.publication.publish import publish
from tasks.publication.targets.connect import address_of, open_target
from tasks.publication.targets.schema import IdTypes
from tasks.replay.history import copy_history
from tasks.replay.plan import BASE, Variant, make_plan
from tasks.reporting.after_night import write_index
from tasks.reporting.run_artifacts import find_lists
from tasks.run.dag import nightly
from tasks.storage.artifact_place import place_artifacts
from tasks.storage.artifact_store import Store
from tasks.storage.home import Home, existing_home, locked, open_home
from tasks.storage.run_records import Runs
from tests.flows.cli.invoke import invoke
from tests.flows.conftest import run_small_night
from tests.flows.killed_forgetting import forget_and_die
from tests.tasks.postgres_server import new_schema
from tests.tasks.publication.test_publish import WAIT, run_child
from tests.tasks.serving import Serving

QUICK = ("models.shelf=popularity,als",)
STEPS = (
    "listed", "leftovers_removed", "removed", "before_commit", "withdrawn", "erased", "rows_removed",
    "warehouse_copied", "warehouse_replaced", "rewriting_noted", "raw_file", "rewritings_settled",
    "lists_rewritten", "records_cleaned", "caches_removed", "databases_cleaned", "searched",
)  # fmt: skip
SETTINGS = load_settings(None, QUICK)


def person(number: str) -> str:
    return f"person-{int(number):04d}"


def with_text_ids(source: Path, target: Path) -> None:
    """Copy the data set with users whose ids are text; events packed, tags as Parquet."""
    target.mkdir(exist_ok=True)
    for path in sorted(source.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        people = [at for at, name in enumerate(header) if name in ("userId", "friendId")]
        rows = [[person(value) if at in people else value for at, value in enumerate(row)] for row in rows]
        if path.stem == "tags":
            pq.write_table(
                pa.table(dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))),
                target / "tags.parquet",
            )
            continue
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        if path.stem == "events":
            (target / "events.csv.gz").write_bytes(gzip.compress(text.getvalue().encode()))
        else:
            (target / path.name).write_text(text.getvalue(), encoding="utf-8")


@pytest.fixture(scope="module")
def two_nights(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with text ids in which two nights have published. Tests copy it."""
    path = tmp_path_factory.mktemp("forgetting") / "home"
    home = open_home("demo", path)
    with_text_ids(dataset, path / "raw")
    deliver_increments(path / "raw")
    for n in (20, 19):
        assert run_small_night(home, *QUICK, f"recommend.n={n}", flow=nightly).exit_code == 0
    return path


def deliver_increments(folder: Path) -> None:
    """Write the first rating of every user once more, packed, and delete the tags of the first item."""
    incoming = folder / "incoming"
    incoming.mkdir()
    with (folder / "ratings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    first = {row["userId"]: row for row in reversed(rows)}
    text = io.StringIO()
    lines = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    lines.writeheader()
    lines.writerows(first.values())
    (incoming / "ratings-again.csv.gz").write_bytes(gzip.compress(text.getvalue().encode()))
    gone = "".join(f"{user},1\n" for user in first)
    (incoming / "deleted_tags.csv").write_text(f"userId,movieId\n{gone}", encoding="utf-8")
    for path in incoming.iterdir():
        os.utime(path, (0, 0))  # no delivery that is still under way


@pytest.fixture
def home(two_nights: Path, tmp_path: Path) -> Home:
    shutil.copytree(two_nights, tmp_path / "home")
    return existing_home(tmp_path / "home")


@pytest.fixture
def user(home: Home) -> str:
    """A user with tags who is on a page as a sample, so that every place holds the id."""
    page = next(home.path.glob("runs/*/report.html")).read_text(encoding="utf-8")
    tagged = set(pq.read_table(home.path / "raw" / "tags.parquet")["userId"].to_pylist())
    shown = [part.partition("<")[0] for part in page.split("<summary><strong>User ")[1:]]
    return next(each for each in shown if each in tagged)


def forgotten(home: Home, users: list[str], items: list[str] = (), **options: object) -> Outcome:
    done = forget(home, SETTINGS, users, items, lambda _: True, **options)
    assert done is not None
    return done


def lists(home: Home) -> dict[str, list[tuple]]:
    """Return the rows of every run's tables and of the views."""
    con = sqlite3.connect(home.path / "recommendations.db")
    names = [
        name
        for (name,) in con.execute(
            "select name from sqlite_master where type in ('table', 'view') order by name"
        )
        if "recommendations" in name or "similar" in name
    ]
    found = {name: sorted(con.execute(f"select * from {name}").fetchall()) for name in names}
    con.close()
    return found


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def without(rows: dict[str, list[tuple]], user: str) -> dict[str, list[tuple]]:
    return {name: [row for row in each if row[0] != user] for name, each in rows.items()}


def files_with(home: Home, text: str, folder: Path | None = None) -> list[str]:
    """Return the files whose bytes, as they are or unpacked, hold a text: independent of the code under test."""
    found, folder = [], folder or home.path
    for path in sorted(folder.rglob("*")):
        if text in path.name:
            found.append(f"{path.relative_to(folder).as_posix()} by its name")
        if path.is_file():
            data = path.read_bytes()
            if path.suffix == ".gz":
                data += gzip.decompress(data)
            elif path.suffix == ".parquet":
                data += repr(pq.read_table(path).to_pydict()).encode()
            elif path.name == "warehouse.duckdb":
                with duckdb.connect(path, read_only=True) as con:
                    for (table,) in con.execute("select table_name from duckdb_tables()").fetchall():
                        data += repr(con.table(table).fetchall()).encode()
            if text.encode() in data:
                found.append(path.relative_to(folder).as_posix())
    return found


def test_nothing_of_a_user_is_left_anywhere(home: Home, user: str) -> None:
    before = lists(home)
    for name in (
        "tuning/scores/als/1.npz",
        "artifacts/fit/.checkpoint-a/state.npz",
    ):  # of a search, of a killed fit
        (home.path / name).parent.mkdir(parents=True)
        np.savez_compressed(home.path / name, users=np.array([user]))
    shutil.copytree(next(home.path.glob("runs/[0-9]*")), home.path / "mlflow-artifacts" / "1")
    a_run = next(home.path.glob("runs/[0-9]*"))
    pq.write_table(pa.table({"user_id": [user], "variant": ["trial"]}), a_run / "trial_users.parquet")
    replayed = home.replays / "key" / "days"
    replayed.mkdir(parents=True)
    pq.write_table(pa.table({"unit": [user]}), replayed / "2020-01-01.parquet")
    (home.replays / "key" / "replay.csv").write_text("date,variant\n")
    places = files_with(home, user)
    assert {"recommendations.db", "warehouse.duckdb", "raw/events.csv.gz", "raw/tags.parquet"} <= {*places}
    assert {f"raw/incoming/{name}" for name in ("ratings-again.csv.gz", "deleted_tags.csv")} <= {*places}
    assert any(place.endswith("report.html") for place in places)
    done = forgotten(home, [user])
    assert done.left.traces == []
    assert files_with(home, user) == []
    assert [path.name for path in home.replays.glob("*/*")] == ["replay.csv"]
    assert lists(home) == without(before, user)
    assert sum(map(len, before.values())) > sum(map(len, lists(home).values()))
    assert stat.S_IMODE(home.forgotten.stat().st_mode) == 0o600
    assert list(json.loads(home.forgotten.read_text())["users"].values()) == [True]


@pytest.mark.parametrize("protocol", ["", "file://"])
def test_a_user_leaves_artifacts_elsewhere(home: Home, user: str, protocol: str, tmp_path: Path) -> None:
    place_artifacts(home, f"{protocol}{tmp_path}")
    [ours] = tmp_path.glob("demo-*")
    shutil.copytree(next(ours.glob("recommend/*")), ours / "fit/.making-killed")
    if protocol:
        shutil.rmtree(home.path / "artifacts")  # as where the home was brought to another machine
    assert any(path.startswith("recommend/") for path in files_with(home, user, ours))
    assert forgotten(home, [user]).left.traces == files_with(home, user, ours) == files_with(home, user) == []
    assert {path.name for path in ours.iterdir()} >= {"choose", "recommend"}


def name_everywhere(home: Home, user: str) -> None:
    """Let a file's name, and so the reason of a night and what the warehouse knows of files, hold a user's id."""
    file = f"incoming/ratings-{user}.csv.gz"
    (home.input / "incoming" / "ratings-again.csv.gz").rename(home.input / file)
    record = next(home.path.glob("runs/[0-9]*/run.json"))
    about = json.loads(record.read_text()) | {"status": "failed", "reason": f"{file} breaks off."}
    record.write_text(json.dumps(about))
    write_index(home)
    with sqlite3.connect(home.path / "recommendations.db") as con:
        con.execute(
            "update pipeline_runs set reason = ? where run_id = ?", (about["reason"], about["run_id"])
        )
    con.close()
    with duckdb.connect(home.warehouse) as warehouse:
        warehouse.execute("update landed_files set path = ? where path like '%-again.csv.gz'", [file])
        warehouse.execute("update known_files set path = ? where path like '%-again.csv.gz'", [file])
        warehouse.execute(
            "insert into set_aside_files values ($file, 'hash', '', 'not ' || $file)", {"file": file}
        )
        warehouse.execute("insert into quarantine values ('ratings', $file, 1, '{}', [])", {"file": file})


def test_names_of_files_and_reasons_lose_an_id(home: Home, user: str) -> None:
    name_everywhere(home, user)
    places = files_with(home, user)
    assert {"runs/index.html", f"raw/incoming/ratings-{user}.csv.gz by its name"} <= {*places}
    hashes = "select sha256 from landed_files union all select sha256 from set_aside_files order by all"
    with duckdb.connect(home.warehouse, read_only=True) as con:
        before = con.execute(hashes).fetchall()
    done = forgotten(home, [user])
    assert done.left.traces == []
    assert files_with(home, user) == []
    assert "ratings-(forgotten).csv.gz breaks off." in (home.runs / "index.html").read_text()
    with sqlite3.connect(home.path / "recommendations.db") as lists_db:
        [reason] = lists_db.execute(
            "select reason from pipeline_runs where reason like '%breaks off%'"
        ).fetchone()
    lists_db.close()
    assert reason == "incoming/ratings-(forgotten).csv.gz breaks off."
    with duckdb.connect(home.warehouse, read_only=True) as con:
        [why] = con.execute("select why from set_aside_files").fetchone()
        assert len(con.execute(hashes).fetchall()) == len(before)
    assert why == "not incoming/ratings-(forgotten).csv.gz"
    assert forgotten(home, [user]).left.traces == []
    outcome = run_small_night(home, *QUICK, flow=nightly)
    assert (outcome.exit_code, outcome.run.summary.deliveries.new) == (0, 0)
    assert user not in {row[0] for row in lists(home)["recommendations"]}


def test_a_user_whose_id_begins_that_of_others_is_proved_gone(home: Home) -> None:
    """`person-001` is a part of `person-0010`, whose rows stay."""
    remaining = lists(home)["recommendations"]
    assert any(row[0].startswith("person-001") for row in remaining)
    (home.path / "raw" / "incoming" / "ratings-person-001.csv").write_text(
        "userId,movieId,rating,timestamp\nperson-001,1,4,1500000000\n"
    )
    done = forgotten(home, ["person-001"], unseen=True)
    assert done.left.traces == []
    assert lists(home)["recommendations"] == remaining
    assert not list((home.path / "raw" / "incoming").glob("*person*"))


def test_commands_work_for_others_before_the_next_night(home: Home, user: str) -> None:
    forgotten(home, [user])
    other = lists(home)["recommendations"][0][0]
    assert "Recommended in run" in invoke("show", other, "--home", home.path)
    assert "There is no list for user" in invoke("show", user, "--home", home.path)
    item = lists(home)["similar_items"][0][0]
    assert "Most like" in invoke("similar", item, "--home", home.path)
    runs = sorted(run.run_id for run in Runs(home.runs).all())
    for run in runs:
        assert "as they were published" in in_one_line(invoke("verify", run, "--home", home.path))
        assert "Lists" in invoke("report", run, "--home", home.path)
    assert str(runs[0]) in invoke("runs", "--home", home.path)
    assert "recommend.n" in invoke("compare", *runs, "--home", home.path)
    assert invoke("rollback", "--home", home.path) == f"Run {runs[0]} is live.\n"
    page = next(home.path.glob("runs/*/report.html")).read_text(encoding="utf-8")
    assert page.count("<details") == page.count("</details>")
    assert "<summary><strong>User " in page


def test_the_next_night_runs_without_and_refuses_a_delivery(home: Home, user: str, dataset: Path) -> None:
    forgotten(home, [user])
    outcome = run_small_night(home, *QUICK, flow=nightly)
    assert (outcome.exit_code, outcome.nothing_new) == (0, "")
    refused = {count.source: count.forgotten for count in outcome.run.summary.intake}
    increments = {
        "ratings": 1,
        "tags": 1,
    }  # their contents stay as they landed, but for the row that was removed
    assert refused == dict.fromkeys(refused, 0) | increments
    with_text_ids(dataset, home.path / "raw")  # delivered again
    outcome = run_small_night(home, *QUICK, flow=nightly)
    assert outcome.exit_code == 0
    refused = {count.source: count.forgotten for count in outcome.run.summary.intake}
    assert refused["ratings"] > 0
    assert refused["users"] == 1
    assert user not in {row[0] for row in lists(home)["recommendations"]}
    assert forgotten(home, [user]).left.traces == []  # out of the delivered files, too
    assert files_with(home, user) == []


def test_a_remembered_user_comes_back_from_the_users_own_folder(
    home: Home, user: str, tmp_path: Path
) -> None:
    """The folder is not changed; its rows are refused, and read again once the user is remembered."""
    folder = tmp_path / "theirs"
    shutil.move(home.path / "raw", folder)
    (home.path / "raw").mkdir()
    about = json.loads((home.path / "home.json").read_text())
    (home.path / "home.json").write_text(json.dumps(about | {"dataset": "theirs", "input": str(folder)}))
    home = existing_home(home.path)
    with open_target(home.default_url, owner="*") as target:
        target.take_over(home.owner)
    bytes_before = {path.name: path.read_bytes() for path in folder.rglob("*.*")}
    done = forgotten(home, [user])
    assert done.left.left == []
    assert {Path(trace.place).name for trace in done.left.foreign} >= {"ratings.csv", "tags.parquet"}
    assert {path.name: path.read_bytes() for path in folder.rglob("*.*")} == bytes_before
    outcome = run_small_night(home, *QUICK, flow=nightly)
    assert {count.source: count.forgotten for count in outcome.run.summary.intake}["ratings"] > 0
    assert user not in {row[0] for row in lists(home)["recommendations"]}
    remember(home, SETTINGS, [user], [])
    outcome = run_small_night(home, *QUICK, flow=nightly)
    assert {count.forgotten for count in outcome.run.summary.intake} == {0}
    assert user in {row[0] for row in lists(home)["recommendations"]}
    with pytest.raises(UsageError, match="is not forgotten"):
        remember(home, SETTINGS, [user], [])


def test_an_item_leaves_catalogue_and_lists_and_is_refused(home: Home) -> None:
    item = lists(home)["fallback_recommendations"][0][2]
    assert forgotten(home, [], [str(item)]).left.traces == []
    after = lists(home)
    assert item not in {row[2] for row in after["recommendations"]}
    assert item not in {value for row in after["similar_items"] for value in (row[0], row[2])}
    with open_target(home.default_url, owner=home.owner) as target:
        for run in target.published_runs():
            verify(target, run.run_id)
    ranks: dict[str, list[int]] = {}
    for row in after["recommendations"]:
        ranks.setdefault(row[0], []).append(row[1])
    assert all(sorted(each) == list(range(1, len(each) + 1)) for each in ranks.values())


def test_lists_on_postgresql_lose_a_user_too(
    home: Home, user: str, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = Serving(new_schema(postgres), home.path)
    monkeypatch.setenv("RECS_PUBLISH__URL", serving.url)
    (home.path / "recommendations.db").unlink()
    home.remember_target(address_of(serving.url))
    with open_target(serving.url, owner=home.owner) as target:
        target.ensure_schema(IdTypes("TEXT", "BIGINT"))
        for run in reversed(Runs(home.runs).all()):
            published = find_lists(Store(home.artifacts), run)
            assert published is not None
            publish(target, run.run_id, published, expected_live=target.live_run(), keep_runs=2)
    before = serving.query("select user_id, rank, item_id, score from recommendations")
    done = forget(home, load_settings(None, QUICK), [user], [], lambda _: True)
    assert done is not None
    assert done.left.traces == []
    assert [trace for trace in done.plan.found.traces if trace.place.startswith("postgresql:")]
    after = serving.query("select user_id, rank, item_id, score from recommendations")
    assert sorted(after) == sorted(row for row in before if row[0] != user)
    assert len(after) < len(before)
    for run in Runs(home.runs).all():
        assert "as they were published" in in_one_line(invoke("verify", run.run_id, "--home", home.path))


def kill_one_after_another(home: Home, user: str, steps: tuple[str, ...]) -> None:
    """Kill a call at each step in turn, on what the one before has left; at each, others' lists are whole."""
    before = lists(home)
    for step in steps:
        child = run_child(forget_and_die, home.path, user, step)
        child.join(WAIT)
        if child.exitcode == 0:  # it got through: lists are withdrawn, so that this step is no longer reached
            assert step == "removed"
        else:
            assert child.exitcode == -signal.SIGKILL
        assert without(lists(home), user) == without(before, user)
        kept = {
            name: any(row[0] == user for row in rows) for name, rows in lists(home).items() if "rec" in name
        }
        assert len({has for name, has in kept.items() if name.startswith("recommendations")}) == 1
    assert forgotten(home, [user]).left.traces == []
    assert files_with(home, user) == []


def test_a_killed_call_is_finished_by_the_same_call(home: Home, user: str) -> None:
    kill_one_after_another(home, user, ("before_commit", "withdrawn", "warehouse_copied", "raw_file"))


@pytest.mark.slow
def test_killed_at_every_step_in_turn(home: Home, user: str) -> None:
    kill_one_after_another(home, user, STEPS)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_once_at_each_step_of_a_fresh_home(home: Home, user: str, step: str) -> None:
    kill_one_after_another(home, user, (step,))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["nobody-at-all"], "There is no user 'nobody-at-all' in"),
        ([" "], "' ' is no user id"),
    ],
)
def test_a_wrong_id_changes_nothing(home: Home, ids: list[str], message: str) -> None:
    before = fingerprint(home)
    with pytest.raises(UsageError, match=message) as caught:
        forgotten(home, ids)
    assert caught.value.hint
    assert fingerprint(home) == before


def fingerprint(home: Home) -> dict[str, bytes]:
    """Return the contents of all files but those that a look changes: locks, and write-ahead logs."""
    left_out = ("lock", "-wal", "-shm", ".wal", "warehouse.duckdb")
    return {
        str(path): path.read_bytes()
        for path in home.path.rglob("*")
        if path.is_file() and not path.name.endswith(left_out)
    }


def test_a_damaged_increment_is_named_and_the_rest_goes(home: Home, user: str) -> None:
    """A night sets such a file aside."""
    rows = "".join(f"{user},{item},3,{item}\n" for item in range(500))
    whole = gzip.compress(f"userId,movieId,rating,timestamp\n{rows}".encode())
    damaged = home.path / "raw" / "incoming" / "ratings-bad.csv.gz"
    damaged.write_bytes(whole[:200] + bytes(50) + whole[250:])
    done = forgotten(home, [user])
    assert [each for each in done.left.unread if "ratings-bad.csv.gz" in each]
    assert done.left.traces == []
    assert user not in {row[0] for row in lists(home)["recommendations"]}


def test_a_replay_refuses_forgotten_users_too(home: Home, user: str, dataset: Path, tmp_path: Path) -> None:
    forgotten(home, [user])
    with_text_ids(dataset, home.path / "raw")  # delivered again
    base = Variant(BASE, SETTINGS, timedelta(days=28))
    day = datetime(2022, 1, 1)
    plan = make_plan(day, day + timedelta(days=28), timedelta(days=28), timedelta(days=28), (base,))
    copy_history(home, SETTINGS, plan, tmp_path / "history.duckdb", SilentWatcher())
    with duckdb.connect(tmp_path / "history.duckdb", read_only=True) as con:
        assert con.execute("select count(*) from ratings where user_id = ?", [user]).fetchone() == (0,)
        assert con.execute("select count(*) from ratings").fetchone() != (0,)


def test_a_running_night_is_not_disturbed(home: Home, user: str) -> None:
    before = fingerprint(home)
    with locked(home), pytest.raises(LockedError):
        forgotten(home, [user])
    assert fingerprint(home) == before


def test_the_command_asks_and_a_dry_run_changes_nothing(home: Home, user: str) -> None:
    before = fingerprint(home)
    for options, code in ((["--dry-run"], 0), ([], 1)):
        result = CliRunner().invoke(
            cli.app, ["forget", user, "--home", str(home.path), *options], input="n\n"
        )
        assert result.exit_code == code, result.output
        assert "warehouse.duckdb" in result.output
        assert result.output.endswith("Nothing was changed.\n")
        assert fingerprint(home) == before
    said = invoke("forget", user, "--home", home.path, "--yes")
    assert f"Nothing is left of user {user}." in said
    assert "byte by byte" in said


def test_an_id_in_a_foreign_place_is_reported(home: Home, user: str) -> None:
    (home.path / "notes.txt").write_text(f"Ask {user} for consent\n")
    result = CliRunner().invoke(cli.app, ["forget", user, "--home", str(home.path), "--yes"])
    assert result.exit_code == 1
    assert "notes.txt" in result.output.partition("Left")[2]
    assert list(json.loads(home.forgotten.read_text())["users"].values()) == [False]
