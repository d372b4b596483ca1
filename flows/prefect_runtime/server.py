"""Starts Prefect's server for one night, in a process group of its own; it ends with the night.

A server that Prefect starts itself is in our process group: Ctrl-C would end it too, Prefect would wait a minute for
its answer, and it would outlive a night that is killed.
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

_PROGRAM = Path(__file__).with_name("server_program.py")
_START_TIMEOUT = 120  # seconds; without a prepared database the server migrates an empty one first
_STOP_TIMEOUT = 8  # seconds


def start() -> None:
    """Start a server and point Prefect at it, unless PREFECT_API_URL names one: the user's, or an earlier night's.

    Raises:
        NightError: the server does not answer.
    """
    if PREFECT_API_URL.value():
        return
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        # -P: a module in the current folder must not shadow an installed package
        process = subprocess.Popen(  # noqa: S603  (no part of it is user input)
            [sys.executable, "-P", str(_PROGRAM), str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    atexit.register(_stop, process)
    try:  # the request waits in the listener's queue until the server is up
        httpx.get(f"{address}/health", timeout=_START_TIMEOUT, trust_env=False).raise_for_status()
    except httpx.HTTPError as error:
        raise NightError(
            f"Prefect's server did not start ({error}).",
            "Its output is above. Or set PREFECT_API_URL to a server of your own.",
        ) from error
    os.environ["PREFECT_API_URL"] = address
    refresh_global_settings_context()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server at the end of this process, when Prefect has sent its last events."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
