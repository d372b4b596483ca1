"""The health of a home: each change is whole, whichever processes make changes at the same time."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from tasks.storage import health
from tasks.storage.health import (
    Health,
    Kill,
    Untold,
    changing_health,
    read_health,
    settle,
    utc_now,
)
from tasks.storage.home import Home, make_home
from tests.tasks.storage.kept_health import write_health

AT = datetime(2026, 11, 28, 2, 0)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home", "demo")


def message(at: datetime = AT, **fields: object) -> Untold:
    return Untold("failed", "title", "text", "failure", at, **fields)  # type: ignore[arg-type]


_CHANGES = """
import sys
from pathlib import Path
from tasks.storage.health import changing_health
print("ready", flush=True)
sys.stdin.readline()
for _ in range(40):
    with changing_health(Path(sys.argv[1])) as health:
        health.bad += sys.argv[2]
"""


def test_two_processes_lose_no_change(home: Home) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _CHANGES, str(home.path), letter],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for letter in "ab"
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait(60) for process in processes] == [0, 0]
    bad = read_health(home).bad
    assert (bad.count("a"), bad.count("b")) == (40, 40)


def test_health_is_read_back_and_that_of_earlier_versions_too(home: Home) -> None:
    found = Health(good_at=AT, bad="killed", kill_seen=Kill(7, 2), told_at=AT, untold=[message()])
    write_health(home, found)
    assert read_health(home) == found
    (home.path / "health.json").write_text(
        '{"good_at": "2026-11-28T02:00:00", "bad": "", "told_at": null, "killed_told": 7, "overdue_told": true}'
    )
    assert read_health(home) == Health(good_at=AT, overdue_told=True)


def test_health_that_cannot_be_locked_stays_with_a_warning(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "_LOCK_SECONDS", 0.2)
    with FileLock(home.path / "health.lock"), changing_health(home.path) as found:
        found.bad = "failed"
    assert read_health(home).bad == ""
    assert "cannot be locked, so it stays as it is" in caplog.text


def test_an_error_in_a_change_changes_nothing_and_frees_the_lock(home: Home) -> None:
    def fails() -> None:
        with changing_health(home.path) as found:
            found.bad = "failed"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with changing_health(home.path) as found:
        assert found.bad == ""


def test_of_many_untold_messages_the_newest_are_kept(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    found = Health()
    for day in range(21):
        found.add_untold(message(AT + timedelta(days=day)))
    assert (len(found.untold), found.untold[0].at) == (20, AT + timedelta(days=1))
    [line] = caplog.records
    assert (line.levelno, "2026-11-28" in line.getMessage()) == (logging.WARNING, True)


def test_an_untold_message_is_settled_by_its_number(home: Home) -> None:
    first, second = message(sending_until=AT), message(AT + timedelta(days=1), sending_until=AT)
    write_health(home, Health(untold=[first, second]))
    settle(home.path, first.number, arrived=False)
    settle(home.path, second.number, arrived=True)
    settle(home.path, "of no message", arrived=True)
    found = read_health(home)
    assert [(each.number, each.sending_until) for each in found.untold] == [(first.number, None)]
    assert found.told_at == second.at


def test_only_the_newest_message_on_a_bad_night_counts() -> None:
    found, now = Health(), utc_now()
    found.note_told("recovered", now)
    assert found.told_at is None
    for at, expected in ((now - timedelta(1), now - timedelta(1)), (now - timedelta(2), now - timedelta(1))):
        found.note_told("failed", at)
        assert found.told_at == expected
    found.told_at = now + timedelta(days=9)
    found.note_told("failed", now)
    assert found.told_at == now, "the clock was wrong before"


def test_a_message_is_being_sent_for_minutes_only() -> None:
    for until, expected in ((AT, False), (AT + timedelta(minutes=1), True), (AT + timedelta(days=1), False)):
        assert message(sending_until=until).is_being_sent(AT) == expected
    assert not message().is_being_sent(AT)
