"""Messages wait in the home until a real server has taken them; a failure is one warning, without the address."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.config.load import load_settings
from tasks.config.notify_settings import NotifySettings
from tasks.notification import outbox
from tasks.notification.message import Message
from tasks.notification.outbox import deliver, put, retry_untold
from tasks.storage import health
from tasks.storage.health import changing_health, read_health
from tasks.storage.home import Home, make_home
from tests.tasks.notification.receivers import HttpReceiver, MailReceiver, serving

MESSAGE = Message("failed", "nightly-recs demo: failed", "Cause: stage fit: <b> & no space", "failure")
DEAD = "json://me:hunter2@127.0.0.1:9"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home", "demo")


def addressed(monkeypatch: pytest.MonkeyPatch, url: str, *overrides: str) -> NotifySettings:
    monkeypatch.setenv("RECS_NOTIFY__URL", url)
    return load_settings(None, overrides).notify


def tell(home: Home, settings: NotifySettings, *, wait: bool = True) -> str | None:
    """Put a message and deliver it; return why it has not arrived, None if there was nothing to deliver."""
    with changing_health(home.path) as found:
        untold = put(found, MESSAGE, settings)
    return None if untold is None else deliver(home, untold, settings, wait=wait)


def comes(what: Callable[[], object]) -> bool:
    """Wait up to 20 s until `what` is true."""
    last = time.monotonic() + 20
    while not what() and time.monotonic() < last:
        time.sleep(0.05)
    return bool(what())


def test_an_arrived_message_is_told_and_waits_no_more(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(HttpReceiver()) as server:
        assert tell(home, addressed(monkeypatch, server.address)) == ""
        assert len(server.bodies) == 1
        found = read_health(home)
        assert (found.untold, found.told_at is not None) == ([], True)
        assert retry_untold(home, addressed(monkeypatch, server.address)) == (0, "")
    assert len(server.bodies) == 1


@pytest.mark.parametrize("url", ["nonsense://hunter2", DEAD, "hunter2"])
def test_a_message_that_does_not_arrive_waits_with_one_warning(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    url: str,
) -> None:
    with caplog.at_level(logging.DEBUG):
        tell(home, addressed(monkeypatch, url))
    [line] = [each for each in caplog.records if each.name.startswith("tasks.")]
    assert (line.levelname, "hunter2" in line.getMessage()) == ("WARNING", False)
    assert "It is tried again by the next night" in line.getMessage()
    assert "hunter2" not in "".join(capfd.readouterr())
    found = read_health(home)
    assert ([each.title for each in found.untold], found.told_at) == ([MESSAGE.title], None)
    assert "hunter2" not in (home.path / "health.json").read_text()


def test_untold_messages_are_tried_again_once_and_in_order(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tell(home, addressed(monkeypatch, DEAD))
    monkeypatch.setattr(outbox, "utc_now", lambda: health.utc_now().replace(year=2000))
    tell(home, addressed(monkeypatch, DEAD))
    monkeypatch.undo()
    tried, fault = retry_untold(home, addressed(monkeypatch, DEAD))
    assert (tried, fault) == (2, first)
    assert len(read_health(home).untold) == 2
    with serving(HttpReceiver()) as server:
        assert retry_untold(home, addressed(monkeypatch, server.address)) == (2, "")
    late = [body["message"].splitlines()[-1] for body in server.bodies]
    assert ["of 2000-" in line for line in late] == [False, True]
    assert all(line.startswith("Late: this is of ") and line.count("Late") == 1 for line in late)
    found = read_health(home)
    assert (found.untold, found.told_at and found.told_at.year) == ([], health.utc_now().year)


def test_a_server_that_hangs_costs_max_seconds_at_each_occasion(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        tell(home, addressed(monkeypatch, DEAD))
    caplog.clear()
    with serving(HttpReceiver(delay=60)) as server:
        begun = time.monotonic()
        tried, fault = retry_untold(home, addressed(monkeypatch, server.address, "notify.max_seconds=2"))
        assert time.monotonic() - begun < 10
    assert (tried, fault) == (1, "The message took longer than notify.max_seconds = 2.")
    assert [each.sending_until for each in read_health(home).untold] == [None] * 3


def test_one_address_of_two_is_enough(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(HttpReceiver(status=500)) as first, serving(MailReceiver()) as second:
        assert tell(home, addressed(monkeypatch, f"{first.address} {second.address}")) == ""
    assert read_health(home).untold == []
    assert (
        "Not everybody was told how the night ended. The message did not arrive by: JSON. Are" in caplog.text
    )


def test_an_ending_left_out_counts_as_told_no_address_does_not(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tell(home, addressed(monkeypatch, "")) is None
    assert read_health(home).told_at is None
    assert tell(home, addressed(monkeypatch, DEAD, 'notify.endings=["overdue"]')) is None
    found = read_health(home)
    assert (found.untold, found.told_at is not None) == ([], True)


@pytest.mark.parametrize("up", [True, False])
def test_a_process_that_outlives_the_night_notes_the_arrival(
    home: Home, monkeypatch: pytest.MonkeyPatch, up: bool
) -> None:
    with serving(HttpReceiver(status=200 if up else 500, delay=0.5)) as server:
        settings = addressed(monkeypatch, server.address)
        child = os.fork()
        if child == 0:
            tell(home, settings, wait=False)
            os._exit(0)
        os.waitpid(child, 0)
        [waiting] = read_health(home).untold
        assert waiting.is_being_sent(health.utc_now())
        assert retry_untold(home, settings) == (0, ""), "it is on its way"
        if up:
            assert comes(lambda: read_health(home).untold == [])
            assert read_health(home).told_at == waiting.at
        else:
            assert comes(lambda: read_health(home).untold[0].sending_until is None)
    assert len(server.bodies) == 1


def test_a_message_is_sent_although_it_cannot_be_kept(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_is_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(health, "write_json", disk_is_full)
    with serving(HttpReceiver()) as server:
        assert tell(home, addressed(monkeypatch, server.address)) == ""
    assert len(server.bodies) == 1
