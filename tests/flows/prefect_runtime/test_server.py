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

from tests.flows.prefect_runtime.environment import ROOT, without_prefect

PROXIES = ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
OF_ANOTHER_SERVER = {
    "PREFECT_SERVER_API_AUTH_STRING": "me:secret",
    "PREFECT_SERVER_API_BASE_PATH": "/prefect/api",
    "PREFECT_API_DATABASE_CONNECTION_URL": "postgresql+asyncpg://me@127.0.0.1:9/prefect",
    "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
}
NIGHT = """
import signal, sys
from pathlib import Path
from flows.prefect_runtime.home import configure_prefect, import_prefect
configure_prefect(Path(sys.argv[1]), debug=False)
import_prefect()
from flows.prefect_runtime import server as prefect_server
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL
addresses = []
for night in range(2):
    with prefect_server.connected(), get_client(sync_client=True) as client:
        addresses.append(PREFECT_API_URL.value())
        client.raise_for_api_version_mismatch()
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(*set(addresses), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def night(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that starts a server, prints its address, ignores Ctrl-C and ends with its standard input.

    Two nights of the process use the same server. Every proxy is out of reach, and another server is described.
    """
    environment = without_prefect(**dict.fromkeys(PROXIES, "socks5://127.0.0.1:9"), **OF_ANOTHER_SERVER)
    with subprocess.Popen(
        [sys.executable, "-c", NIGHT, str(tmp_path)],
        cwd=ROOT,
        env=environment,
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_server_ends_with_the_night(night: subprocess.Popen[str]) -> None:
    assert night.stdout is not None
    assert night.stdin is not None
    address = night.stdout.readline().strip()
    assert answers(address)
    night.stdin.close()
    assert night.wait(timeout=20) == 0
    assert not answers(address)
