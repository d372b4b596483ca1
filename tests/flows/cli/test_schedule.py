"""Schedules: what is printed can be pasted, and cron and systemd get the same schedule."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.cli.schedule import calendar_events, schedule_text
from tasks.errors import UsageError
from tasks.storage.home import open_home
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


def test_a_password_is_not_printed_into_a_schedule() -> None:
    with pytest.raises(UsageError, match="belongs neither into a file nor on the command line") as refused:
        invoke("schedule", "--set", "tracking.uri=http://bob:hunter2@host/x")
    assert "hunter2" not in f"{refused.value} {refused.value.hint}"


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


def printed(monkeypatch: pytest.MonkeyPatch, *arguments: object, **variables: str) -> str:
    """Return what `recs schedule` prints where only these variables are set."""
    for name in [name for name in os.environ if name.startswith(("RECS_", "PG"))]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return invoke("schedule", *arguments)


def test_schedule_sets_the_variables_of_the_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/app.db"
    text = printed(monkeypatch, RECS_PUBLISH__URL=url, RECS_HOME="a home", RECS_CHECK__MIN_OVERLAP="0")
    cron, units = text.split("# or systemd")
    names = [line.partition("=")[0] for line in cron.splitlines()]
    assert names[1:4] == ["RECS_CHECK__MIN_OVERLAP", "RECS_HOME", "RECS_PUBLISH__URL"]
    assert f"\nRECS_PUBLISH__URL='{url}'\n0 2 * * * cd " in cron
    assert f'\nEnvironment="RECS_PUBLISH__URL={url}"\nExecStart=' in units
    assert 'Environment="RECS_HOME=a home"' in units
    assert "RECS_HOME" not in printed(monkeypatch, "--home", tmp_path, RECS_HOME="other")


def test_the_unit_that_tells_reads_the_settings_of_the_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "my night.toml"
    file.write_text("[run]\nseed = 3\n")
    text = printed(
        monkeypatch,
        "--home",
        tmp_path,
        "--config",
        file,
        "--set",
        "run.seed=4",
        "--set",
        "notify.max_seconds=9",
    )
    [tells] = [line for line in text.splitlines() if " notify --failed " in line]
    arguments = shlex.split(tells.partition(" recs notify ")[2] or tells.partition("recs notify ")[2])
    expected = ["--failed", "--home", tmp_path, "--config", file, "--set", "notify.max_seconds=9"]
    assert arguments == [str(each) for each in expected], "it takes no other settings: they may be of models"
    assert " --config" not in next(line for line in printed(monkeypatch).splitlines() if "--failed" in line)


def test_schedule_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(
        monkeypatch,
        RECS_PUBLISH__URL="postgresql://joe:hunter2@db/lists?password=hunter2",
        PGPASSWORD="hunter2",
        PGSSLMODE="require",
    )
    assert "hunter2" not in text
    assert "\n# RECS_PUBLISH__URL='postgresql://USER:PASSWORD@db:5432/lists'\n" in text
    assert "\n# PGPASSWORD='…'\n" in text
    assert "\nPGSSLMODE='require'\n" in text


def test_schedule_shows_no_secret_of_the_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(monkeypatch, RECS_TRACKING__URI="https://joe:hunter2@host", WANDB_API_KEY="hunter2")
    assert "hunter2" not in text
    assert "\n# RECS_TRACKING__URI='https://USER:PASSWORD@host'\n" in text
    assert "\n# WANDB_API_KEY='…'\n" in text
    assert "\nRECS_TRACKING__URI='wandb:films'\n" in printed(monkeypatch, RECS_TRACKING__URI="wandb:films")


def test_schedule_names_the_variable_that_the_home_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_home("demo", tmp_path / "home")
    home.remember_target(home.default_url)
    assert "RECS_PUBLISH__URL" not in printed(monkeypatch, "--home", home.path)
    home.remember_target("postgresql://db:5432/lists")
    assert "# RECS_PUBLISH__URL='postgresql://USER:" in printed(monkeypatch, "--home", home.path)
    assert "# RECS_PUBLISH__URL=" in printed(monkeypatch, RECS_HOME=str(home.path))
    monkeypatch.setenv("HOME", str(tmp_path))
    text = printed(monkeypatch, RECS_HOME="~/home")
    assert f"\nRECS_HOME='{home.path}'\n# complete" in text
    assert "# RECS_PUBLISH__URL=" in text
    monkeypatch.chdir(tmp_path)
    open_home("demo", tmp_path / "data" / "demo").remember_target("postgresql://db:5432/lists")
    assert "# RECS_PUBLISH__URL=" in printed(monkeypatch)
    assert "RECS_PUBLISH__URL" not in printed(monkeypatch, "--dataset", "ml-25m")
    home.remember_target(f"sqlite:///{tmp_path}/100%25.db")
    text = printed(monkeypatch, "--home", home.path)
    assert f"\nRECS_PUBLISH__URL='sqlite:///{tmp_path}/100%25.db'\n" in text
    assert f'Environment="RECS_PUBLISH__URL=sqlite:///{tmp_path}/100%%25.db"' in text


def test_a_failed_night_is_mailed_by_cron_and_told_by_systemd(tmp_path: Path) -> None:
    text = schedule_text("0 2 * * *", [], tmp_path, home=Path("my home"))
    assert "\nOnFailure=nightly-recs-failed.service\n" in text
    assert "/nightly-recs-failed.service, which tells" in text
    assert "recs notify --failed --home 'my home'\n" in text
    [line] = [line for line in text.splitlines() if line.startswith("0 2 ")]
    command = line.removeprefix("0 2 * * * ").replace(str(Path(sys.executable).parent / "recs"), "recs")
    (tmp_path / "recs").write_text("#!/bin/sh\necho It broke; exit $CODE\n")
    (tmp_path / "recs").chmod(0o755)
    for code, mailed in (("0", ""), ("3", "It broke\nIt broke\n")):
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CODE": code}
        done = subprocess.run(
            ["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == (mailed, "")


def test_schedule_shows_no_address_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(monkeypatch, RECS_NOTIFY__URL="mailto://joe:hunter2@host", RECS_NOTIFY__MAX_SECONDS="9")
    assert "hunter2" not in text
    assert "\n# RECS_NOTIFY__URL='…'\n" in text
    assert "\nRECS_NOTIFY__MAX_SECONDS='9'\n" in text
