"""Messages reach real servers by apprise; an error names services, never an address."""

from __future__ import annotations

import sys

import pytest

from tasks.config.load import load_settings
from tasks.config.notify_settings import NotifySettings
from tasks.errors import NightError, UsageError
from tasks.notification.message import Message
from tasks.notification.send import send
from tests.tasks.notification.receivers import HttpReceiver, MailReceiver, serving

MESSAGE = Message(
    "failed", "nightly-recs demo: failed", "Cause: stage fit: <b> & no space\nPage: /home", "failure"
)


def addressed(monkeypatch: pytest.MonkeyPatch, url: str, *overrides: str) -> NotifySettings:
    monkeypatch.setenv("RECS_NOTIFY__URL", url)
    return load_settings(None, overrides).notify


def test_a_message_reaches_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(HttpReceiver()) as first, serving(MailReceiver()) as second:
        settings = addressed(monkeypatch, f"{first.address}, {second.address}")
        assert send(MESSAGE, settings).reached == ("JSON", "E-Mail")
    [body] = first.bodies
    assert (body["title"], body["message"], body["type"]) == (MESSAGE.title, MESSAGE.text, "failure")
    [mail] = second.mails
    assert "Subject: nightly-recs demo: failed" in mail
    assert "no space" in mail


def test_one_address_of_two_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(HttpReceiver(status=500)) as first, serving(MailReceiver()) as second:
        settings = addressed(monkeypatch, f"{first.address} {second.address}")
        with pytest.raises(NightError, match=r"did not arrive by: JSON\. .*\? It arrived by: E-Mail\."):
            send(MESSAGE, settings)
    assert len(second.mails) == 1


def test_the_address_stands_in_no_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    show = "import sys; sys.stdin.read(); print(open('/proc/self/cmdline').read())"
    settings = addressed(monkeypatch, "json://me:hunter2@127.0.0.1:9")
    with pytest.raises(NightError, match="ended with code 0"):
        send(MESSAGE, settings, program=(sys.executable, "-c", show))
    assert "hunter2" not in repr(settings)


def test_a_program_that_crashes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = addressed(monkeypatch, "json://127.0.0.1:9")
    with pytest.raises(NightError, match="its process ended with code 3"):
        send(MESSAGE, settings, program=(sys.executable, "-c", "raise SystemExit(3)"))


@pytest.mark.parametrize("where", ["file", "command line"])
def test_an_address_outside_the_environment_is_refused(tmp_path, where: str) -> None:
    file = tmp_path / "pipeline.toml"
    file.write_text('[notify]\nurl = "json://host"\n' if where == "file" else "")
    with pytest.raises(UsageError, match=r"notify\.url belongs neither into a file") as refused:
        load_settings(file, () if where == "file" else ("notify.url=json://host",))
    assert "RECS_NOTIFY__URL" in refused.value.hint
