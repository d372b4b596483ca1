"""Prefect's server for the minutes of a night: out of the terminal's reach, and gone when the night is.

Prefect would start one itself, in our process group: Ctrl-C would end that one too, and Prefect would wait a minute for
its answer; and it would survive a night that is killed.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
from prefect.context import refresh_global_settings_context
from prefect.settings import PREFECT_API_URL

from tasks.errors import NightError

_PROGRAM = Path(__file__).with_name("serve.py")
_LONGEST_START = 120  # seconds; without a prepared database it migrates an empty one first
_LONGEST_STOP = 8


def start() -> None:
    """Start a server and point Prefect at it, unless there is one: the user's, or that of an earlier night.

    Raises:
        NightError: it does not answer.
    """
    if PREFECT_API_URL.value():
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        # -P: no folder of the user's comes before the installed packages
        process = subprocess.Popen(  # noqa: S603  (nothing of it comes from outside)
            [sys.executable, "-P", str(_PROGRAM), str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    atexit.register(_stop, process)
    try:  # the request waits in the listener's queue until the server takes it
        httpx.get(f"{address}/health", timeout=_LONGEST_START, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise NightError(
            f"Prefect's server did not start ({error}).",
            "What it said stands above. Or set PREFECT_API_URL to a server of yours.",
        ) from error
    os.environ["PREFECT_API_URL"] = address
    refresh_global_settings_context()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """At the end of this process, when Prefect has sent what it still had to tell."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_LONGEST_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
