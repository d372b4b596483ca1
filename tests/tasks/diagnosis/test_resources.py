"""Disk, memory, locks and clock: each is OK, and bad when its fault is planted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tasks.diagnosis.resources import (
    available_memory,
    examine_clock,
    examine_disk,
    examine_disk_use,
    examine_locks,
    examine_memory,
    holders,
)
from tasks.storage.home import Home, locked, make_home
from tests.tasks.reporting.nights import BEGAN, night

MB = 2**20


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home", "tiny")


def test_disk_must_hold_another_night(home: Home) -> None:
    for name, n in (("fit/a", 40), ("recommend/b", 10)):
        (home.artifacts / name).mkdir(parents=True)
        (home.artifacts / name / "data").write_bytes(b"0" * n * MB)
    runs = [night(2, status="failed"), night(1, artifacts=["fit/a", "recommend/b"])]
    assert examine_disk(home, runs, free=300 * MB).verdict == "OK"
    assert examine_disk(home, runs, free=100 * MB).verdict == "look"
    found = examine_disk(home, runs, free=69 * MB)  # less than 50 MB and the lists twice
    assert (found.verdict, found.seen) == ("bad", "69 MB free, the last night took 50 MB")
    assert "publish.keep_runs" in found.advice
    assert examine_disk(home, [], free=31 * MB).verdict == "bad"
    assert examine_disk(home, []).verdict in ("OK", "look", "bad")


def test_disk_use_names_the_parts_of_the_home(home: Home) -> None:
    sizes = {
        "artifacts/fit/a/data": 3,
        "artifacts/b": 1,
        "recommendations.db": 1,
        "recommendations.db-wal": 1,
    }
    for name, n in (sizes | {"prefect/prefect.db": 2, "notes.txt": 1, "raw/ratings.csv": 0}).items():
        (home.path / name).parent.mkdir(parents=True, exist_ok=True)
        (home.path / name).write_bytes(b"0" * n * MB)
    (home.path / "raw/big.csv").symlink_to(home.path / "artifacts/b")
    (home.path / "artifacts/gone").symlink_to(home.path / "nothing")
    found = examine_disk_use(home)
    seen = f"9 MB in {home.path}: artifacts 4 MB, lists 2 MB, Prefect 2 MB, other 1 MB"
    assert (found.verdict, found.seen) == ("OK", seen)


def test_memory_must_hold_the_last_peak() -> None:
    runs = [night()]  # at most 820 MB
    assert examine_memory(runs, available=2000 * MB).verdict == "OK"
    assert examine_memory(runs, available=1000 * MB).verdict == "look"
    found = examine_memory(runs, available=800 * MB)
    assert (found.verdict, found.seen) == ("bad", "800 MB available, at most 820 MB in the last nights")
    assert examine_memory([], available=1).verdict == "OK"


def test_available_memory_is_that_of_the_tighter_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 900 kB\nMemAvailable: 500 kB\n")
    monkeypatch.setattr("tasks.diagnosis.resources._MEMINFO", meminfo)
    monkeypatch.setattr("tasks.diagnosis.resources._CGROUP", tmp_path)
    assert available_memory() == 500 * 1024
    (tmp_path / "memory.max").write_text("300000\n")
    (tmp_path / "memory.current").write_text("100000\n")
    assert available_memory() == 200_000
    meminfo.unlink()
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory() is None
    assert examine_memory([night()]).verdict == "look"


@pytest.mark.skipif(not Path("/proc/locks").is_file(), reason="locks are listed by Linux alone")
def test_running_night_is_worth_a_look_and_is_not_disturbed(home: Home) -> None:
    assert examine_locks(home).verdict == "OK"
    with locked(home):
        found = examine_locks(home)
        assert found.verdict == "look"
        assert f"a night is running: process {os.getpid()}" in found.seen
        assert holders(home.path / "lock") == [os.getpid()]
    for activity in ("tune", "replay"):
        with locked(home, activity):
            found = examine_locks(home)
            assert (found.verdict, f"recs {activity} is running: process" in found.seen) == ("look", True)
    assert examine_locks(home).verdict == "OK"


_HOLDS = (
    "import duckdb, sys, time; con = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(60)"
)


@pytest.mark.skipif(not Path("/proc/locks").is_file(), reason="locks are listed by Linux alone")
def test_open_warehouse_is_bad(home: Home) -> None:
    command = [sys.executable, "-c", _HOLDS, str(home.warehouse)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        found = examine_locks(home)
        process.kill()
    assert found.verdict == "bad"
    assert f"warehouse.duckdb is open in process {process.pid}" in found.seen


def test_unwritable_home_is_bad(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = examine_locks(home)
    assert found.verdict == "bad"
    assert "cannot be written" in found.seen


def test_clock_must_be_later_than_runs_and_files(home: Home) -> None:
    now = BEGAN + timedelta(days=1)
    assert examine_clock(home, [], now).verdict == "OK"
    assert examine_clock(home, [night()], now).verdict == "OK"
    late = examine_clock(home, [night()], BEGAN + timedelta(days=8))
    assert (late.verdict, late.seen) == ("look", "2026-11-29 05:00 UTC, 7 days after the last night")
    behind = examine_clock(home, [night()], BEGAN - timedelta(days=1))
    assert behind.verdict == "bad"
    assert "but run 20261121050000 is of 2026-11-21 05:00" in behind.seen
    file = home.input / "ratings.csv"
    file.write_text("1")
    assert examine_clock(home, []).verdict == "OK"
    ahead = time.time() + 7200
    os.utime(file, (ahead, ahead))
    found = examine_clock(home, [])
    assert found.verdict == "bad"
    assert "but ratings.csv is of" in found.seen
    assert datetime.now().astimezone().year >= 2024, "the clock of this machine"
