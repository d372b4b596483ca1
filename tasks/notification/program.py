"""Send one message by apprise, as a process of its own: a request as JSON on stdin, the outcome as JSON on stdout.

In the night's own process a service that hangs could not be stopped, and a night that is interrupted ends before its
message has left.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter


@dataclass(frozen=True)
class Settling:
    """Where to note that a message has arrived: the folder of a home, and the number of the message there."""

    home: str
    number: str


@dataclass(frozen=True)
class Request:
    """A message, the addresses that it goes to, how many seconds that may take, and where to note that it arrived."""

    addresses: str
    title: str
    text: str
    kind: str
    max_seconds: float
    settling: Settling | None = None


@dataclass(frozen=True)
class Sent:
    """The outcome of sending a message: names of services, never their addresses.

    Attributes:
        reached: the services that took it.
        missed: those that did not.
        unknown: the number of addresses that apprise does not understand.
    """

    reached: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    unknown: int = 0


REQUEST, SENT = TypeAdapter(Request), TypeAdapter(Sent)


def main() -> None:
    """Read the request, send it, and write the outcome."""
    request = REQUEST.validate_json(sys.stdin.buffer.read())
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
    ):  # systemd sends SIGTERM to all that a night started
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, request.max_seconds)
    outcome = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a service prints is no part of the outcome
    sent = send_to_all(request)
    signal.setitimer(signal.ITIMER_REAL, 0)
    if request.settling is not None:
        _settle(request.settling, arrived=bool(sent.reached))
    json.dump(SENT.dump_python(sent, mode="json"), outcome)
    outcome.flush()


def _settle(settling: Settling, *, arrived: bool) -> None:
    from tasks.storage.health import settle  # noqa: PLC0415  (after the message has left)

    settle(Path(settling.home), settling.number, arrived=arrived)


def send_to_all(request: Request) -> Sent:
    """Send a message to each address in turn."""
    import apprise  # noqa: PLC0415  (after the clock has started)
    from apprise.utils.parse import parse_urls  # noqa: PLC0415

    asset = apprise.AppriseAsset(app_id="nightly-recs", app_desc="nightly-recs", app_url="")
    services = [
        apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
        for address in parse_urls(request.addresses)  # type: ignore[no-untyped-call]
    ]
    reached: list[str] = []
    missed: list[str] = []
    for service in services:
        if not service:
            continue
        each = apprise.Apprise(asset=asset)
        each.add(service)
        done = each.notify(
            title=request.title,
            body=request.text,
            notify_type=request.kind,
            body_format=apprise.NotifyFormat.TEXT,
        )
        (reached if done else missed).append(str(service.service_name))
    unknown = sum(1 for service in services if not service) or int(not services)
    return Sent(tuple(reached), tuple(missed), unknown)
