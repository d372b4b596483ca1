"""Prefect, set up to run inside one home: no server to configure, no network, nothing left behind by a killed night.

Imported and called before anything of Prefect is, because Prefect reads its environment while it is imported.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_SERVER = b"prefect.server"


def settle_in(folder: Path, *, debug: bool) -> None:
    """Point Prefect at `folder`, unless the user has configured a server of their own."""
    os.environ.setdefault("PREFECT_HOME", str(folder.resolve()))
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # A flow's and a task's failures are told by our own watcher, in one sentence.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "DEBUG" if debug else "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "flows,tasks,models")


def remember_server(folder: Path) -> None:
    """Note the pid of the server that Prefect started for this process, so that the next night can end it."""
    for pid in _children(os.getpid()):
        if _is_server(pid):
            (folder / "server.pid").write_text(f"{pid}\n", encoding="ascii")


def end_orphan(folder: Path) -> None:
    """End the server of a night that was killed: it survives its parent, and holds 200 MB.

    Only for the holder of the home's lock: the server of a night that is running is no orphan.
    """
    note = folder / "server.pid"
    try:
        pid = int(note.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return
    if pid in _children(os.getpid()):
        return  # the server of an earlier night in this process serves the next one, too
    if _is_server(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    note.unlink(missing_ok=True)


def _is_server(pid: int) -> bool:
    try:
        return _SERVER in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False  # gone, or a system without /proc


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found.extend(int(child) for child in task.read_text(encoding="ascii").split())
    return found
