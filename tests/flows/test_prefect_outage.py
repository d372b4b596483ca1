"""A Prefect server that is killed while a night runs costs it one warning: its lists are published all the same."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tasks.storage.home import Home
from tests.flows.prefect_runtime.environment import ROOT, without_prefect

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server in a process of its own, and the address of its API."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "flows.prefect_runtime.standing_server", str(port)]
    environment = without_prefect(PREFECT_HOME=str(tmp_path / "prefect"))
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
        last = time.monotonic() + 120
        while not answers(address):
            assert time.monotonic() < last, "the server did not start"
            time.sleep(0.2)
        yield process, address
        process.kill()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", trust_env=False, timeout=10).is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("stage", ["land", "fit als", "recommend als", "publish"])
def test_a_night_outlives_its_server(
    server: tuple[subprocess.Popen[bytes], str], home: Home, stage: str
) -> None:
    process, address = server
    done = subprocess.run(
        [sys.executable, "-m", "tests.flows.outage_night", str(home.path), stage, str(process.pid)],
        cwd=ROOT,
        env=without_prefect(PREFECT_API_URL=address, OMP_NUM_THREADS="1"),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "published 1\n"), done.stderr
    [warning] = [line for line in done.stderr.splitlines() if line.strip()]
    assert f"Prefect's API at {address} cannot be used" in warning
    assert "The night goes on without Prefect" in warning
    assert (home.path / "recommendations.db").exists()
    assert process.wait(10) == -9
    assert os.environ.get("PREFECT_API_URL") != address
