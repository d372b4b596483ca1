"""A Prefect server that is killed while a night runs costs it one warning: its lists are published all the same."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tasks.storage.home import Home
from tasks.storage.run_records import Runs
from tests.flows.conftest import SETTINGS
from tests.flows.killed_night import ONE_MODEL
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


@pytest.mark.parametrize("stage", ["land", "fit als", "recommend als"])
def test_a_night_outlives_its_server(
    server: tuple[subprocess.Popen[bytes], str], home: Home, stage: str
) -> None:
    """The server is killed as soon as the night has printed the line of a stage."""
    process, address = server
    command = [
        sys.executable,
        "-c",
        "import nightly_recs; nightly_recs.main()",
        "run",
        "--home",
        str(home.path),
    ]
    settings = [part for setting in (*SETTINGS, *ONE_MODEL) for part in ("--set", setting)]
    variables = {"PREFECT_API_URL": address, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, *settings],
        cwd=home.path,
        env=without_prefect(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as night:
        assert night.stdout is not None
        assert night.stderr is not None
        printed = []
        for line in night.stdout:
            printed.append(line)
            if f" {stage} " in line:
                process.kill()
        errors = night.stderr.read()
    assert night.wait() == 0, errors
    assert any(line.startswith("Published  Run ") for line in printed)
    [warning] = errors.splitlines()
    assert f"Prefect's API at {address} cannot be used" in warning
    assert "The night goes on without Prefect" in warning
    stages = [each.stage for each in Runs(home.runs).all()[0].stages]
    assert (stages.count("publish"), stages.count("recommend")) == (1, 1), "no stage ran twice"
