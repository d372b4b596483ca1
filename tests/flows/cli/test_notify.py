"""`recs notify` says whether messages arrive, and `recs runs --overdue` whether a good night is overdue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app as cli
from flows.cli import overdue
from flows.cli.overdue import parse_time, say_whether_overdue
from tasks.errors import NightError, UsageError
from tasks.notification import outbox
from tasks.storage import health
from tasks.storage.health import Health, Untold, read_health
from tasks.storage.home import Home, make_home
from tasks.storage.run_records import Runs
from tests.flows.cli.invoke import invoke
from tests.tasks.notification.receivers import HttpReceiver, serving
from tests.tasks.reporting.nights import night
from tests.tasks.storage.kept_health import write_health

DEAD = "json://me:hunter2@127.0.0.1:9"
NOW = datetime(2026, 11, 28, 12, 0)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for module in (health, outbox):
        monkeypatch.setattr(module, "utc_now", lambda: NOW)
    return make_home(tmp_path / "home", "demo")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    with serving(HttpReceiver()) as server:
        monkeypatch.setenv("RECS_NOTIFY__URL", server.address)
        yield server.bodies


def test_a_test_message_arrives(home: Home, told: list[dict[str, str]]) -> None:
    assert invoke("notify", "--test", "--home", home.path) == "Arrived by: JSON.\n"
    assert told[0]["title"] == "nightly-recs demo: test"


@pytest.mark.parametrize(
    ("url", "arguments", "message"),
    [
        ("", ["--test"], "RECS_NOTIFY__URL is not set"),
        ("json://x", [], "name one of --test and --failed"),
        ("json://x", ["--test", "--failed"], "name one of --test and --failed"),
    ],
)
def test_nothing_to_send_is_a_usage_error(
    home: Home, monkeypatch: pytest.MonkeyPatch, url: str, arguments: list[str], message: str
) -> None:
    monkeypatch.setenv("RECS_NOTIFY__URL", url)
    with pytest.raises(UsageError, match=message):
        invoke("notify", *arguments, "--home", home.path)


def test_a_test_message_that_does_not_arrive_is_an_error(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECS_NOTIFY__URL", "json://127.0.0.1:9")
    with pytest.raises(NightError, match="did not arrive by: JSON"):
        invoke("notify", "--test", "--home", home.path)


def test_a_failed_command_is_told_unless_its_night_has(
    home: Home, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_EXIT_STATUS", "2")
    invoke("notify", "--failed", "--home", home.path)
    assert "settings or the data folder are wrong" in told[0]["message"]
    assert "Told already" in invoke("notify", "--failed", "--home", home.path)
    assert len(told) == 1


def test_a_failure_that_reached_nobody_is_told_by_the_next_night(
    home: Home, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("RECS_NOTIFY__URL", DEAD)
        with pytest.raises(NightError, match="did not arrive by: JSON"):
            invoke("notify", "--failed", "--home", home.path)
    assert "not arrived yet: 1. The next night" in invoke("notify", "--test", "--home", home.path)
    assert invoke("notify", "--failed", "--home", home.path) == "Told.\n"
    assert [body["title"] for body in told] == ["nightly-recs demo: test", "nightly-recs demo: failed"]


def test_a_message_of_days_ago_is_no_news_of_this_night(
    home: Home, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Untold("failed", "the old one", "text", "failure", NOW - timedelta(days=2))
    write_health(home, Health(untold=[old]))
    assert invoke("notify", "--failed", "--home", home.path) == "Told that the command failed.\n"
    assert [body["title"] for body in told] == ["the old one", "nightly-recs demo: failed"]


def test_a_failed_command_is_not_told_where_endings_leave_it_out(
    home: Home, told: list[dict[str, str]]
) -> None:
    arguments = ("notify", "--failed", "--home", home.path, "--set", 'notify.endings=["overdue"]')
    assert "notify.endings leaves failed nights out" in invoke(*arguments)
    assert (told, read_health(home).bad) == ([], "failed")


def test_a_night_found_locked_is_told_by_nobody(
    home: Home, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONITOR_EXIT_STATUS", "4")
    assert "Nobody was told" in invoke("notify", "--failed", "--home", home.path)
    assert told == []


@pytest.mark.parametrize(("text", "hours"), [("26h", 26), ("2d", 48), ("1d2h30m", 26.5), ("90m", 1.5)])
def test_times_are_read(text: str, hours: float) -> None:
    assert parse_time(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "26", "h", "0h", "-1h", "1.5h", "2h1d", "26 h", "99999d", "soon"])
def test_what_is_no_time_is_refused(home: Home, text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        say_whether_overdue(text, home.path)
    assert not (home.path / "health.json").exists()


@pytest.mark.parametrize(("hours", "code"), [(25, 0), (26, 0), (27, 1)])
def test_the_age_of_the_last_good_night_decides(home: Home, hours: int, code: int) -> None:
    write_health(home, Health(good_at=NOW - timedelta(hours=hours)))
    sentence, exit_code = say_whether_overdue("26h", home.path)
    assert exit_code == code
    assert f"1 d {hours - 24} h" in sentence
    assert "one within 26h was expected" in sentence or code == 0


def test_a_home_without_a_good_night_is_overdue(home: Home) -> None:
    result = CliRunner().invoke(cli.app, ["runs", "--overdue", "26h", "--home", str(home.path)])
    assert (result.exit_code, result.output) == (
        1,
        "There has been no good night of demo; one within 26h was expected.\n",
    )


def test_a_good_night_in_the_future_is_no_comfort(home: Home) -> None:
    write_health(home, Health(good_at=NOW + timedelta(days=9)))
    sentence, code = say_whether_overdue("26h", home.path)
    assert (code, "was the clock wrong?" in sentence) == (1, True)


def test_an_overdue_night_is_told_once(home: Home, told: list[dict[str, str]]) -> None:
    write_health(home, Health(good_at=NOW - timedelta(days=3)))
    for _ in range(3):
        assert say_whether_overdue("26h", home.path)[1] == 1
    assert [body["title"] for body in told] == ["nightly-recs demo: overdue"]
    assert read_health(home).bad == "overdue"


@pytest.mark.parametrize("address", ["", DEAD])
def test_an_overdue_night_that_reached_nobody_is_told_again(
    home: Home, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    write_health(home, Health(good_at=NOW - timedelta(days=3)))
    with monkeypatch.context() as changed:
        changed.setenv("RECS_NOTIFY__URL", address)
        for _ in range(2):
            assert say_whether_overdue("26h", home.path)[1] == 1
    found = read_health(home)
    assert (found.bad, len(found.untold), found.told_at) == ("overdue", int(bool(address)), None)
    for _ in range(2):
        assert say_whether_overdue("26h", home.path)[1] == 1
    assert [body["title"] for body in told] == ["nightly-recs demo: overdue"]


def test_overdue_reads_the_settings_of_the_nights(
    home: Home, told: list[dict[str, str]], tmp_path: Path
) -> None:
    write_health(home, Health(good_at=NOW - timedelta(days=3)))
    file = tmp_path / "night.toml"
    file.write_text('[notify]\nendings = ["failed"]\n[monitoring]\nmetrics_file = "recs.prom"\n')
    command = ["runs", "--overdue", "26h", "--home", str(home.path), "--config", str(file)]
    assert CliRunner().invoke(cli.app, command).exit_code == 1
    assert told == []
    assert "recs_last_night_good{" in (home.path / "recs.prom").read_text()


def test_overdue_tells_of_a_killed_night(
    home: Home, told: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    Runs(home.runs).save(night(status="running"))
    monkeypatch.setattr(overdue, "in_use", lambda _: True)
    write_health(home, Health(good_at=NOW))
    assert "A night is running" in say_whether_overdue("26h", home.path)[0]
    assert told == []
    monkeypatch.setattr(overdue, "in_use", lambda _: False)
    for _ in range(2):
        assert say_whether_overdue("26h", home.path)[1] == 0
    assert ["was killed" in body["message"] for body in told] == [True]
