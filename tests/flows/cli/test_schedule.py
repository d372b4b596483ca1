"""Schedules: what is printed can be pasted, and cron and systemd get the same schedule."""

import shutil
import subprocess
from pathlib import Path

import pytest

from flows.cli.schedule import calendar_events, schedule_text
from tasks.errors import UsageError
from tests.flows.cli.invoke import invoke

SAME = [
    ("30 2 * * *", ["*-*-* 02:30:00"]),
    ("*/5 * * * *", ["*-*-* *:00/5:00"]),
    ("0 1,13 * * *", ["*-*-* 01,13:00:00"]),
    ("0 2-5 * * *", ["*-*-* 02..05:00:00"]),
    ("0 0-12/4 * * *", ["*-*-* 00,04,08,12:00:00"]),
    ("0 0-21/3 * * *", ["*-*-* 00/3:00:00"]),
    ("0 1-21/2 * * *", ["*-*-* 01,03,05,07,09,11,13,15,17,19,21:00:00"]),  # 01/2 has 23, too
    ("0 2 * * 1-5", ["Mon,Tue,Wed,Thu,Fri *-*-* 02:00:00"]),
    ("0 2 * * sun", ["Sun *-*-* 02:00:00"]),
    ("0 2 * * 7", ["Sun *-*-* 02:00:00"]),
    ("0 2 * * 0-7", ["*-*-* 02:00:00"]),
    ("0 2 1 jan,jul *", ["*-01,07-01 02:00:00"]),
    ("0 2 1 * 1", ["*-*-01 02:00:00", "Mon *-*-* 02:00:00"]),  # the first of the month, and every Monday
    ("0 2 */2 * 1", ["Mon *-*-01/2 02:00:00"]),  # a field that starts with a star: both must hold
]


def test_schedule_prints_a_cron_line_and_a_timer() -> None:
    text = invoke("schedule", "--cron", "30 2 * * *", "--dataset", "ml-25m")
    assert "30 2 * * * cd " in text
    assert "recs run --dataset ml-25m >> recs.log" in text
    assert "OnCalendar=*-*-* 02:30:00" in text


@pytest.mark.parametrize(("cron", "events"), SAME)
def test_systemd_gets_the_same_schedule(cron: str, events: list[str]) -> None:
    assert calendar_events(cron) == events
    text = schedule_text(cron, [], Path("/srv/recs"))
    assert f"\n{cron} cd /srv/recs && " in text
    assert [line.removeprefix("OnCalendar=") for line in text.splitlines() if "OnCalendar" in line] == events


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_every_event() -> None:
    events = [event for _, events in SAME for event in events]
    subprocess.run(["systemd-analyze", "calendar", *events], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("daily", "has 1 fields, not five"),
        ("0 0 2 * * *", "has 6 fields, not five"),
        ("99 2 * * *", "its minute is wrong"),
        ("0 24 * * *", "its hour is wrong"),
        ("0 2 31 2 *", "its day-of-month is wrong"),
        ("0 2 * 13 *", "its month is wrong"),
        ("0 2 * * monday", "its day-of-week is wrong"),
        ("*/0 2 * * *", "its minute is wrong"),
        ("0 2 L * *", "which most crons do not know"),
        ("0 2 * * 5#2", "which most crons do not know"),
    ],
)
def test_an_impossible_schedule_is_refused(cron: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        schedule_text(cron, [], Path("/srv/recs"))
    assert '--cron "0 2 * * *"' in refused.value.hint


def test_odd_paths_are_quoted_for_cron_and_systemd() -> None:
    text = schedule_text("0 2 * * *", ["--dataset", "my data"], Path("/srv/100% recs"))
    assert r"cd '/srv/100\% recs' && " in text
    assert "WorkingDirectory=/srv/100%% recs\n" in text
    assert "run --dataset 'my data'\n" in text
