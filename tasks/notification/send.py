"""Send a message to the addresses of `RECS_NOTIFY__URL`, with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from tasks.config.notify_settings import NotifySettings
from tasks.errors import NightError
from tasks.notification.message import Message
from tasks.notification.program import REQUEST, SENT, Request, Sent, Settling

VARIABLE = "RECS_NOTIFY__URL"
_ROOT = str(Path(__file__).resolve().parents[2])
PROGRAM = (  # -P: a module in the current folder must not shadow an installed package
    sys.executable, "-P", "-c",
    f"import sys; sys.path.insert(0, {_ROOT!r}); from tasks.notification.program import main; main()",
)  # fmt: skip


def send(message: Message, settings: NotifySettings, *, program: Sequence[str] = PROGRAM) -> Sent:
    """Send a message to every address, and wait for the outcome.

    Args:
        message: to send.
        settings: hold the addresses, and for how long to wait.
        program: the command that sends it; tests replace it.

    Raises:
        NightError: the program failed or took too long, or an address was not reached. Names no address.
    """
    sent = exchange(message, settings, program=program)
    if fault := fault_of(sent):
        raise NightError(fault)
    return sent


def exchange(message: Message, settings: NotifySettings, *, program: Sequence[str] = PROGRAM) -> Sent:
    """Send a message as `send` does, but return the outcome also if an address was not reached.

    Args:
        message, settings, program: as for `send`.

    Raises:
        NightError: the program failed or took too long.
    """
    process = start(message, settings, program=program)
    try:
        answer, _ = process.communicate(timeout=settings.max_seconds)
    except subprocess.TimeoutExpired:
        raise NightError(
            f"The message took longer than notify.max_seconds = {settings.max_seconds:g}."
        ) from None
    finally:
        _end(process)
    try:
        return SENT.validate_json(answer)
    except ValidationError:
        raise NightError(
            f"The message was not sent: its process ended with code {process.returncode}."
        ) from None


def fault_of(sent: Sent) -> str:
    """Return which addresses a message did not reach, by the names of their services; empty if it reached all."""
    if sent.unknown:
        those = "an address" if sent.unknown == 1 else f"{sent.unknown} addresses"
        return (
            f"{VARIABLE} holds {those} that apprise does not understand (an address has the form json://host:port or "
            "mailto://user:password@host)."
        )
    if sent.missed:
        others = f" It arrived by: {', '.join(sent.reached)}." if sent.reached else ""
        return (
            f"The message did not arrive by: {', '.join(sent.missed)}. Are host, port and password in {VARIABLE} right?"
            f"{others}"
        )
    return ""


def start(
    message: Message,
    settings: NotifySettings,
    *,
    program: Sequence[str] = PROGRAM,
    settling: Settling | None = None,
) -> subprocess.Popen[bytes]:
    """Start the program and hand it its request, which holds the addresses: they stand in no command line.

    Args:
        message: to send.
        settings: hold the addresses, and how long sending may take.
        program: the command that sends it.
        settling: where the program notes that the message has arrived, if nobody waits for it.
    """
    request = Request(
        settings.addresses, message.title, message.text, message.kind, settings.max_seconds, settling
    )
    process = subprocess.Popen(  # noqa: S603  (no part of it is user input)
        program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert process.stdin is not None  # noqa: S101  (it is a pipe)
    with suppress(BrokenPipeError):  # it has ended already: its outcome tells
        process.stdin.write(REQUEST.dump_json(request))
        process.stdin.close()
    process.stdin = None  # `communicate` would close it again
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
