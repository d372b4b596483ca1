"""Starts Prefect's server for one night, in a process group of its own; it ends with the night.

A server that Prefect starts itself is in our process group: Ctrl-C would end it too, Prefect would wait a minute for
its answer, and it would outlive a night that is killed.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prefect.settings import PREFECT_API_URL, PREFECT_HOME

from flows.prefect_runtime.api import addresses_not_read, no_proxy_for, require_api
from flows.prefect_runtime.home import refresh_settings
from tasks.errors import NightError

_PROGRAM = Path(__file__).with_name("server_program.py")
_LOOPBACK_HOST = "127.0.0.1"
_LOOPBACK = f"http://{_LOOPBACK_HOST}"
_START_TIMEOUT = 120  # seconds; without a prepared database the server migrates an empty one first
_STOP_TIMEOUT = 8  # seconds
log = logging.getLogger(__name__)

_OF_OTHER_SERVERS = (
    "PREFECT_SERVER_API_",
    "PREFECT_SERVER_DATABASE_",
    "PREFECT_API_DATABASE_",
    "PREFECT_MESSAGING_",
)
"""Beginnings of variables that describe another server on this machine: its password, its database, its broker."""
_started: list[str] = []
"""The address of the server that this process has started, if any."""


@contextmanager
def connected() -> Iterator[None]:
    """Point Prefect at its API inside this context: the user's if PREFECT_API_URL names one, else a server of our own.

    Our own server stays for later nights of this process. An API on this machine is never reached through a proxy.

    Raises:
        NightError: our server does not start, or the user's API does not answer.
    """
    configured = PREFECT_API_URL.value()
    if not configured:
        if others := addresses_not_read(Path.cwd()):
            log.warning(
                "Nights do not take the address of Prefect's API from %s: to use it, set the environment variable "
                "PREFECT_API_URL.",
                " or ".join(f"{file} ({address})" for file, address in others.items()),
            )  # fmt: skip
        with no_proxy_for(_LOOPBACK):
            _started[:] = [_start()]
            os.environ[PREFECT_API_URL.name] = _started[0]
            refresh_settings()
            yield
        return
    with no_proxy_for(configured):
        if configured not in _started:
            require_api()
        yield


def is_to_be_started(folder: Path) -> bool:
    """Return whether `connected` will start a server, with its files in `folder`."""
    return not PREFECT_API_URL.value() and PREFECT_HOME.value().resolve() == folder.resolve()


def in_words() -> str:
    """Return which server a night reports to, in a few words."""
    return "Prefect's server" if PREFECT_API_URL.value() in _started else "Prefect's API"


def _start() -> str:
    """Start a server and return the address of its API."""
    with socket.create_server((_LOOPBACK_HOST, 0)) as listener:
        address = f"{_LOOPBACK}:{listener.getsockname()[1]}/api"
        # -P: a module in the current folder must not shadow an installed package
        process = subprocess.Popen(  # noqa: S603  (no part of it is user input)
            [sys.executable, "-P", str(_PROGRAM), str(listener.fileno())],
            cwd=PREFECT_HOME.value(),  # Prefect reads settings from files in the current folder
            env={name: value for name, value in os.environ.items() if not name.startswith(_OF_OTHER_SERVERS)},
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
            f"Its output is above.{_settings_of_the_user()} Or set PREFECT_API_URL to a server of your own.",
        ) from error
    return address


def _settings_of_the_user() -> str:
    """Return a hint that names the variables of the environment that configure our server too."""
    names = sorted(name for name in os.environ if name.startswith("PREFECT_SERVER_"))
    return f" These variables of the environment configure it: {', '.join(names)}." if names else ""


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the server at the end of this process, when Prefect has sent its last events."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
