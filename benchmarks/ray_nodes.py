"""A Ray cluster of small nodes on this machine, each in processes of its own, for tests and benchmarks."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

_PATIENT = {
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_gcs_server_request_timeout_seconds": "120",
    "RAY_enable_worker_prestart": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Variables for a machine that is busy: Ray gives up after 30 seconds where it is not told to wait."""

_OBJECT_STORE = 100 * 2**20  # bytes, of each node; references and reports alone pass through it


class Nodes:
    """The nodes of a cluster: a head without CPUs, and workers.

    Attributes:
        address: of the cluster.
    """

    def __init__(self, cluster: Any, workers: list[Any]) -> None:
        self._cluster, self._workers = cluster, workers
        self.address: str = cluster.address

    def kill_one_that_runs(self, *work: str, within: float = 120.0) -> str:
        """Kill a node in the midst of a task, with SIGKILL, and return what it ran.

        The worker is stopped first, so that it cannot end its task before its node dies.

        Args:
            *work: how the names of its tasks may begin, such as `user_lists` or `fit als`.
            within: seconds to wait for one.

        Raises:
            TimeoutError: none has run such a task.
        """
        beginnings = tuple(f"ray::{name}" for name in work)
        last = time.monotonic() + within
        while time.monotonic() < last:
            for process in _running(beginnings):
                node = next((node for node in self._workers if _raylet(node) == _parent(process)), None)
                if node is None:
                    continue
                os.kill(process, signal.SIGSTOP)
                running = _command(process)
                if not running.startswith(beginnings):  # it has ended meanwhile
                    os.kill(process, signal.SIGCONT)
                    continue
                self._workers.remove(node)
                self._cluster.remove_node(node, allow_graceful=False)
                os.kill(process, signal.SIGKILL)
                return running
            time.sleep(0.001)
        raise TimeoutError(f"no worker has run {' or '.join(work)} in {within:g} seconds")

    @property
    def n_workers(self) -> int:
        """How many worker nodes are alive."""
        return len(self._workers)


@contextmanager
def ray_nodes(workers: int = 2, memory_mb: int = 6000) -> Iterator[Nodes]:
    """Start a head and some worker nodes of one CPU, and end all their processes when the context ends.

    Args:
        workers: how many.
        memory_mb: what each of them says it has.
    """
    before = {name: os.environ.get(name) for name in _PATIENT}
    os.environ.update(_PATIENT)
    common = {"object_store_memory": _OBJECT_STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **common})
    try:
        nodes = [
            cluster.add_node(num_cpus=1, memory=memory_mb * 2**20, object_store_memory=_OBJECT_STORE)
            for _ in range(workers)
        ]
        cluster.wait_for_nodes(timeout=120)
        yield Nodes(cluster, nodes)
    finally:
        ray.shutdown()
        cluster.shutdown()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def processes_of_ray(since: Sequence[int] = ()) -> list[str]:
    """Return the command lines of this machine's processes of Ray, without those of `since`."""
    commands = (_command(process) for process in _processes() if process not in since)
    return [
        command[:120]
        for command in commands
        if command.startswith("ray::") or "/ray/" in command.split(" --")[0]
    ]


def _running(beginnings: tuple[str, ...]) -> Iterator[int]:
    return (process for process in _processes() if _command(process).startswith(beginnings))


def _processes() -> Iterator[int]:
    return (int(place.name) for place in Path("/proc").glob("[0-9]*"))


def _command(process: int) -> str:
    """Return the command line of a process, which a worker of Ray sets to the name of its task; empty if it ended."""
    try:
        line = Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return ""
    return line.replace(b"\0", b" ").decode(errors="replace").strip()


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)
