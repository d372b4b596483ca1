"""Prefect's server for a night: Ctrl-C does not reach it, and it ends however the night ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
NIGHT = """
import signal, sys
from pathlib import Path
from flows.prefect_runtime.home import configure_prefect
configure_prefect(Path(sys.argv[1]), debug=False)
from flows.prefect_runtime import server as prefect_server
from prefect.settings import PREFECT_API_URL
prefect_server.start()
prefect_server.start()
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(PREFECT_API_URL.value(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def night(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that starts a server, prints its address, ignores Ctrl-C and ends with its standard input."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with subprocess.Popen(
        [sys.executable, "-c", NIGHT, str(tmp_path)],
        cwd=ROOT,
        env=others,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", trust_env=False, timeout=10).is_success
    except httpx.ConnectError:
        return False


def test_the_server_ignores_ctrl_c_and_ends_after_a_kill(night: subprocess.Popen[str]) -> None:
    assert night.stdout is not None
    address = night.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    os.killpg(night.pid, signal.SIGINT)
    time.sleep(1)
    assert answers(address)
    night.kill()
    last = time.monotonic() + 20
    while answers(address):
        assert time.monotonic() < last, "a killed night left its server behind"
        time.sleep(0.1)


def test_the_server_ends_with_the_night(night: subprocess.Popen[str]) -> None:
    assert night.stdout is not None
    assert night.stdin is not None
    address = night.stdout.readline().strip()
    assert answers(address)
    night.stdin.close()
    assert night.wait(timeout=20) == 0
    assert not answers(address)
