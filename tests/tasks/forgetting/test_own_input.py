"""Input files in the home lose a user's rows and name; what was landed from them lands no second time."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import zipfile
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from tasks.forgetting.own_input import remove_from_own_input
from tasks.forgetting.subject import subject_of
from tasks.forgetting.warehouse import read_files_again, remove_from_warehouse
from tasks.ingestion.clean import clean
from tasks.ingestion.file_digest import forget_digests
from tasks.ingestion.land import land
from tasks.storage.forgotten import new_list, write_forgotten
from tasks.storage.home import Home, open_home
from tasks.storage.warehouse import open_warehouse
from tests.tasks.inputs import LENIENT, MOVIES, RATINGS
from tests.tasks.publication.test_publish import WAIT, run_child

ANNA = "anna-lovelace"
BERT = "bertrand-1872"
AT = 100_000_000
SUBJECT = subject_of([ANNA], [], ("TEXT", "BIGINT"), LENIENT)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with text ids; Anna and Bert are in two increments, one of them packed."""
    made = open_home("demo", tmp_path / "home")
    made.fix_id_types("TEXT", "BIGINT")
    incoming = made.input / "incoming"
    incoming.mkdir(parents=True)
    others = "".join(f"u{n},{n % 3 + 1},3,{AT}\n" for n in range(30))
    (made.input / "ratings.csv").write_text(f"{RATINGS}{ANNA},1,3,{AT}\n{others}")
    (made.input / "movies.csv").write_text(f"{MOVIES}1,One,Drama\n2,Two,Drama\n3,Three,Drama\n")
    both = f"{RATINGS}{ANNA},2,4,{AT + 1}\n{BERT},1,5,{AT + 1}\n{BERT},1,5,{AT + 1}\n"
    (incoming / f"ratings-{ANNA}.csv").write_text(both)
    (incoming / "ratings-2.csv.gz").write_bytes(gzip.compress(f"{both}u1,3,2,{AT + 2}\n".encode()))
    for path in made.input.rglob("*.*"):
        os.utime(path, (0, 0))  # no delivery that is still under way
    night(made)
    return made


def night(home: Home) -> dict[str, tuple[int, int, int, int]]:
    """Land and clean; return rows in, clean, duplicates and forgotten by source, and the number of new files."""
    forget_digests()
    with open_warehouse(home.warehouse) as con:
        intake = land(con, home.input, LENIENT, landed_at=datetime(2027, 1, 1), forgotten=home.forgotten)
        data = clean(con, intake, LENIENT, id_types=("TEXT", "BIGINT"))
    counts = {c.source: (c.rows_in, c.clean, c.duplicates, c.forgotten) for c in data.counts}
    return counts | {"new": (intake.deliveries.new, 0, 0, 0)}


def forget(home: Home, *users: str, die_at: str = "") -> None:
    """Do what the command does to the warehouse and the input; die at a step, at `raw_file` after an increment."""
    subject = subject_of(users, [], ("TEXT", "BIGINT"), LENIENT)
    listed = new_list(("TEXT", "BIGINT"))
    listed.add("user", users)
    write_forgotten(home.forgotten, listed)

    reached = []

    def die(step: str) -> None:
        reached.append(step)
        if step == die_at and (step != "raw_file" or "rewriting_noted" in reached):
            os.kill(os.getpid(), signal.SIGKILL)

    remove_from_warehouse(home.warehouse, subject, die)
    remove_from_own_input(home, LENIENT, subject, die)


def forget_and_die(path: Path, step: str) -> None:
    forget(open_home("demo", path), ANNA, die_at=step)


def landed(home: Home) -> list[tuple[str, int]]:
    with duckdb.connect(home.warehouse, read_only=True) as con:
        query = "select sha256, size from landed_files where kind = 'increment' order by all"
        return con.execute(query).fetchall()


def test_a_rewritten_increment_lands_no_second_time(home: Home) -> None:
    before = landed(home)
    assert night(home)["ratings"] == (38, 34, 4, 0)
    forget(home, ANNA)
    assert landed(home) != before
    sizes = sorted(path.stat().st_size for path in (home.input / "incoming").iterdir())
    assert sorted(size for _, size in landed(home)) == sizes
    # The snapshot is read anew and has a row less; the increments stay as they landed, but for the removed rows.
    assert night(home) == {"ratings": (37, 32, 3, 2), "items": (3, 3, 0, 0), "new": (0, 0, 0, 0)}
    with open_warehouse(home.warehouse) as con:
        assert con.execute("select count(*) from raw_ratings").fetchone() == (35,)
    assert night(home)["ratings"] == (37, 32, 3, 2)


@pytest.mark.parametrize("step", ["rows_removed", "rewriting_noted", "raw_file", "rewritings_settled"])
def test_a_kill_on_the_way_leads_to_no_second_landing(home: Home, step: str) -> None:
    child = run_child(forget_and_die, home.path, step)
    child.join(WAIT)
    assert child.exitcode == -signal.SIGKILL
    for partial in home.input.rglob("*.partial"):
        partial.unlink()
    found = night(home)
    assert found["new"] == (0, 0, 0, 0)
    assert found["ratings"][1:3] == (32, 3)
    with duckdb.connect(home.warehouse, read_only=True) as con:
        assert con.execute("select count(*) from raw_ratings").fetchone() == (35,)
    forget(home, ANNA)
    found = night(home)
    assert (found["new"], found["ratings"]) == ((0, 0, 0, 0), (37, 32, 3, 2))
    assert landed(home)[0][0] != landed(home)[1][0]
    assert not [path for path in home.input.rglob("*") if ANNA in path.name]


def test_a_kill_before_another_user_leads_to_no_second_landing(home: Home) -> None:
    child = run_child(forget_and_die, home.path, "raw_file")
    child.join(WAIT)
    assert child.exitcode == -signal.SIGKILL
    forget(home, ANNA, BERT)  # rewrites what the killed call had replaced and not yet settled
    assert night(home)["new"] == (0, 0, 0, 0)


def test_a_second_user_and_a_repeated_delivery_do_not_land_again(home: Home) -> None:
    first = home.input / "incoming" / f"ratings-{ANNA}.csv"
    repeated = first.read_text()
    forget(home, ANNA)
    night(home)
    forget(home, ANNA, BERT)
    assert [path.name for path in (home.input / "incoming").iterdir()] == ["ratings-2.csv.gz"]
    (home.input / "incoming" / "ratings-sent-again.csv").write_text(repeated)
    os.utime(home.input / "incoming" / "ratings-sent-again.csv", (0, 0))
    found = night(home)
    assert found["ratings"][1:3] == (31, 0)
    assert found["new"] == (0, 0, 0, 0)


def test_an_increment_is_read_again_once_somebody_is_remembered(home: Home) -> None:
    forget(home, ANNA)
    night(home)
    home.forgotten.unlink()
    read_files_again(home.warehouse)
    assert night(home)["ratings"] == (35, 32, 3, 0)


def test_names_of_files_and_folders_lose_an_id(home: Home) -> None:
    incoming = home.input / "incoming"
    text = f"{RATINGS}u9,2,2,{AT}\n"
    for name in (f"ratings/of-{ANNA}/1.csv", f"ratings/of-{ANNA}/2.csv", f"ratings/userId={ANNA}/1.csv"):
        (incoming / name).parent.mkdir(parents=True, exist_ok=True)
        (incoming / name).write_text(text.replace("u9", f"u9{name[-5]}"))
    (incoming / "ratings-(forgotten).csv").write_text(text)
    (incoming / f"{ANNA}.csv").write_text("of no source")
    remove_from_own_input(home, LENIENT, SUBJECT)
    names = sorted(path.relative_to(incoming).as_posix() for path in incoming.rglob("*"))
    assert names == [
        "(forgotten).csv", "ratings", "ratings-(forgotten 2).csv", "ratings-(forgotten).csv", "ratings-2.csv.gz",
        "ratings/of-(forgotten)", "ratings/of-(forgotten)/1.csv", "ratings/of-(forgotten)/2.csv",
    ]  # fmt: skip
    remove_from_own_input(home, LENIENT, SUBJECT)
    assert sorted(path.relative_to(incoming).as_posix() for path in incoming.rglob("*")) == names


def test_names_within_packed_files_lose_an_id(home: Home) -> None:
    """A gzip and a zip keep the name of what was packed; these hold rows of others only."""
    incoming = home.input / "incoming"
    text = f"{RATINGS}u9,2,2,{AT}\n"
    with gzip.GzipFile(incoming / f"ratings-{ANNA}.csv.gz", "wb") as packed:
        packed.write(text.encode())
    with zipfile.ZipFile(incoming / "ratings-3.zip", "w") as archive:
        archive.writestr(f"{ANNA}.csv", text)
    for path in incoming.iterdir():
        os.utime(path, (0, 0))
    before = night(home)["ratings"]
    forget(home, ANNA)
    for path in incoming.iterdir():
        assert ANNA.encode() not in path.read_bytes()
        assert path.stat().st_mtime == 0
    assert gzip.decompress((incoming / "ratings-(forgotten).csv.gz").read_bytes()).decode() == text
    assert night(home) == {"ratings": (before[0] - 1, before[1] - 2, before[2] - 1, 2)} | {
        "items": (3, 3, 0, 0), "new": (0, 0, 0, 0),
    }  # fmt: skip


def test_files_elsewhere_stay_as_they_are(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    shutil.move(home.input, folder)
    home.input.symlink_to(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    remove_from_own_input(home, LENIENT, SUBJECT)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_a_home_without_a_warehouse_loses_the_rows_too(home: Home) -> None:
    home.warehouse.unlink()
    with zipfile.ZipFile(home.input / "incoming" / "ratings-3.zip", "w") as archive:
        archive.writestr("a.csv", f"{RATINGS}{ANNA},2,4,{AT}\nu1,1,1,{AT}\n")
    remove_from_own_input(home, LENIENT, SUBJECT)
    assert not home.warehouse.exists()
    with zipfile.ZipFile(home.input / "incoming" / "ratings-3.zip") as archive:
        assert archive.read("a.csv").decode() == f"{RATINGS}u1,1,1,{AT}\n"
