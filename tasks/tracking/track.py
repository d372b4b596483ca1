"""Track a night that has ended: gather it, send it from a process of its own, and go on whatever becomes of that."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from tasks.config.settings import Settings
from tasks.errors import NightError
from tasks.monitoring.events import Watcher
from tasks.storage.home import Home
from tasks.storage.run_records import Run
from tasks.tracking.address import SETTING, shown, tracker_of, without_secrets
from tasks.tracking.night_summary import summarise
from tasks.tracking.program import REQUEST, Request
from tasks.tracking.tracker import Tracker

_ROOT = str(Path(__file__).resolve().parents[2])
PROGRAM = (  # -P: a module or a folder in the current one, such as W&B's `wandb`, must not shadow an installed package
    sys.executable, "-P", "-c",
    f"import sys; sys.path.insert(0, {_ROOT!r}); from tasks.tracking.program import main; main()",
)  # fmt: skip
_STAGE = "track"
log = logging.getLogger(__name__)


def track(
    home: Home, settings: Settings, run: Run, watcher: Watcher, *, program: Sequence[str] = PROGRAM
) -> None:
    """Send a night to the tracker of `tracking.uri`, if there is one. An error is one warning, and is never raised.

    A night that was interrupted is not tracked: it goes on under its own id.

    Args:
        home: of the night.
        settings: of the night.
        run: its record, closed.
        watcher: is told of it as of a stage.
        program: the command that sends it; tests replace it.
    """
    uri = settings.tracking.uri.get_secret_value().strip()
    if not uri or run.status in {"running", "interrupted"}:
        return
    watcher.started(_STAGE, None)
    begun = time.perf_counter()
    try:
        kind = _installed(uri)
        request = Request(uri, settings.tracking.max_seconds, summarise(home, settings, run))
        _send(request, program, kind)
    except Exception as error:  # noqa: BLE001  (a night must not fail by its tracker)
        text = str(error) if isinstance(error, NightError) else f"{type(error).__name__}: {error}"
        failure = NightError(f"The night is not tracked: {without_secrets(text, uri)}.")
        watcher.failed(_STAGE, None, failure)
        log.warning("%s", failure)
    else:
        fits = f"{len(request.night.fits)} models"
        watcher.finished(_STAGE, None, time.perf_counter() - begun, f"{fits} in {kind.title}, {shown(uri)}")


def _installed(uri: str) -> type[Tracker]:
    """Return the kind of tracker of an address.

    Raises:
        NightError: none knows the address, or its product is not installed.
    """
    kind = tracker_of(uri)
    found = find_spec(kind.package)
    if found is None or found.origin is None:  # a folder of that name in the current one has no origin
        raise NightError(
            f"{SETTING} names {kind.title}, which is not installed: pip install 'nightly-recs[{kind.extra}]'"
        )
    return kind


def _send(request: Request, program: Sequence[str], kind: type[Tracker]) -> None:
    """Run the program on a request, and end it and its descendants if it takes too long.

    Raises:
        NightError: it failed, crashed or took too long.
    """
    where = f"{kind.title} at {shown(request.uri)}"
    process = subprocess.Popen(  # noqa: S603  (no part of it is user input)
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        answer, printed = process.communicate(REQUEST.dump_json(request), timeout=request.max_seconds)
    except subprocess.TimeoutExpired:
        raise NightError(f"{where} took longer than tracking.max_seconds = {request.max_seconds:g}") from None
    finally:
        _end(process)
    log.debug("%s printed: %s", kind.title, without_secrets(printed.decode(errors="replace"), request.uri))
    try:
        error = json.loads(answer)["error"]
    except ValueError:
        error = f"its process ended with code {process.returncode}"
    if error:
        raise NightError(f"{where} failed: {error}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started, such as the service process of W&B."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
