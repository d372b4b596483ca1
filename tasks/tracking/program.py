"""Send one night to its tracker, as a process of its own: a request as JSON on stdin, the outcome as JSON on stdout.

In the night's own process a product that hangs or crashes could not be stopped, and would bring its threads, its exit
handlers and its hundreds of megabytes along.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass

from pydantic import TypeAdapter

from tasks.tracking.address import tracker_of
from tasks.tracking.tracker import TrackedNight, Tracker, send

_GRACE = 5  # seconds; the night ends this process earlier, unless it was killed itself


@dataclass(frozen=True)
class Request:
    """A night, the address of the tracker to send it to, and how many seconds that may take."""

    uri: str
    max_seconds: float
    night: TrackedNight


REQUEST = TypeAdapter(Request)


def main() -> None:
    """Read the request, send it, and write `{"error": …}`, empty if all went well."""
    request = REQUEST.validate_json(sys.stdin.buffer.read())
    outcome = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a product prints is no part of the outcome
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, request.max_seconds + _GRACE)
    error = try_to_send(request, tracker_of(request.uri))
    with outcome:
        json.dump({"error": error}, outcome)
    sys.stdout.flush()


def try_to_send(request: Request, kind: type[Tracker]) -> str:
    """Open the tracker and send the night; return the class and the text of an error, or nothing."""
    try:
        send(request.night, kind(request.uri, request.night.experiment, request.night.folder))
    except Exception as error:  # noqa: BLE001  (it is reported)
        cause = reason(error)
        return f"{type(cause).__name__}: {cause}"
    return ""


def reason(error: BaseException) -> BaseException:
    """Return the deepest error of the operating system behind an error, such as a refused connection, or the error.

    The libraries above repeat it at the end of sentences that are longer than a warning.
    """
    found, below = error, error.__cause__ or error.__context__
    while below is not None:
        if isinstance(below, OSError):
            found = below
        below = below.__cause__ or below.__context__
    return found
