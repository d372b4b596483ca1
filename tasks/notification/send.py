"""Send a message to the addresses of `RECS_NOTIFY__URL`, with a time limit; a failure is a warning and no more."""

from __future__ import annotations

import logging
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
from tasks.notification.program import REQUEST, SENT, Request, Sent

VARIABLE = "RECS_NOTIFY__URL"
_ROOT = str(Path(__file__).resolve().parents[2])
PROGRAM = (  # -P: a module in the current folder must not shadow an installed package
    sys.executable, "-P", "-c",
    f"import sys; sys.path.insert(0, {_ROOT!r}); from tasks.notification.program import main; main()",
)  # fmt: skip
log = logging.getLogger(__name__)


def send(message: Message, settings: NotifySettings, *, program: Sequence[str] = PROGRAM) -> Sent:
    """Send a message to every address, and wait for the outcome.

    Args:
        message: to send.
        settings: hold the addresses, and for how long to wait.
        program: the command that sends it; tests replace it.

    Raises:
        NightError: the program failed or took too long, or an address was not reached. Names no address.
    """
    process = _start(message, settings, program)
    try:
        answer, _ = process.communicate(timeout=settings.max_seconds)
    except subprocess.TimeoutExpired:
        raise NightError(
            f"The message took longer than notify.max_seconds = {settings.max_seconds:g}."
        ) from None
    finally:
        _end(process)
    try:
        sent = SENT.validate_json(answer)
    except ValidationError:
        raise NightError(
            f"The message was not sent: its process ended with code {process.returncode}."
        ) from None
    if sent.unknown:
        raise NightError(
            f"{VARIABLE} holds {sent.unknown} that apprise does not understand (an address has the form "
            "json://host:port or mailto://user:password@host)."
        )
    if sent.missed:
        others = f" It arrived by: {', '.join(sent.reached)}." if sent.reached else ""
        raise NightError(f"The message did not arrive by: {', '.join(sent.missed)}.{others}")
    return sent


def try_to_send(message: Message, settings: NotifySettings, *, wait: bool = True) -> None:
    """Send a message if there is an address and its ending is to be told; a failure is one warning.

    Args:
        message: to send.
        settings: hold the addresses and the endings that are told.
        wait: for the outcome; else the message leaves while this process ends.
    """
    if not settings.addresses or (message.ending is not None and message.ending not in settings.endings):
        return
    try:
        if wait:
            send(message, settings)
        else:
            _start(message, settings, PROGRAM)
    except (NightError, OSError) as error:
        log.warning("Nobody was told how the night ended. %s", error)


def _start(message: Message, settings: NotifySettings, program: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start the program and hand it its request, which holds the addresses: they stand in no command line."""
    request = Request(settings.addresses, message.title, message.text, message.kind, settings.max_seconds)
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
