"""The engine of a Ray cluster: fits, evaluations and blocks run on its workers.

The workers read artifacts from the home, which lies on a path that all nodes share, and write theirs there; only
references and reports pass through Ray. Scheduling, and running work again whose node died, are Ray's.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pyarrow as pa
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from models.device import gpu_name
from tasks.config.engine_settings import EngineSettings
from tasks.engine.engine import BlockedFit, BlockWork, MakeTable, Rows
from tasks.engine.ray_blocks import RayRunner
from tasks.engine.ray_errors import first_line, result
from tasks.engine.shared_artifacts import SharedArtifacts, clear_cache
from tasks.engine.worker import (
    BlockTask,
    Report,
    StageFailedError,
    StageTask,
    Warned,
    code_of,
    read_block,
    run_stage,
    write_block,
)
from tasks.errors import NightError, UsageError
from tasks.storage.stage import Stage

R = TypeVar("R")

_KEYED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_THREADS = (*_KEYED, "NUMBA_NUM_THREADS")
_NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}
_BLOCKS_PER_CPU = 4  # that wait for a worker, or for their turn to be read
_TO_CONNECT = 10  # seconds
_TO_CLEAR = 60  # seconds: a worker may have to start first
_MB = 2**20

Options = Mapping[str, Any]
"""Options of `ray.remote`."""

Submit = Callable[[StageTask[Any], str, Options], Report[Any]]
"""Runs `run_stage` on a worker: called with the task, a name for people and the options."""

log = logging.getLogger(__name__)


def run_on_worker(task: StageTask[R], name: str, options: Options) -> Report[R]:
    """Run `run_stage` on a worker and wait for its report.

    Args:
        task: the stage to run.
        name: for Ray's lists of tasks.
        options: what Ray is asked for.

    Raises:
        StageFailedError: the stage raised an error.
    """
    report: Report[R] = result(ray.remote(run_stage).options(name=name, **options).remote(task))
    return report


@dataclass
class RayEngine:
    """Runs stages that declare a request, and blocks, on the workers of a cluster; see `Engine`.

    Attributes:
        settings: the table `[engine]`.
        submit: runs a stage on a worker.
        peaks: for each kind of work the greatest size of a worker's process and what was asked for, in MB, where the
            first is the greatest part of the second.
        artifacts: where workers find them; None: in folders that they see.
    """

    settings: EngineSettings
    submit: Submit = run_on_worker
    peaks: dict[str, tuple[float, float]] = field(default_factory=dict)
    artifacts: SharedArtifacts | None = None

    def run(self, stage: Stage[..., R], arguments: Mapping[str, Any], supplied: Mapping[str, Any]) -> R:
        """Run a stage on a worker if it declares what it asks for, else here."""
        asked = None if stage.request is None else stage.request(arguments)
        if asked is None:
            return stage.function(**arguments, **supplied)
        memory_mb, label = asked.memory_mb, _label(stage, arguments)
        carried = {name: value for name, value in supplied.items() if name not in ("progress", "engine")}
        code = code_of(*stage.modules(arguments))
        task: StageTask[R] = StageTask(stage.address, arguments, carried, code, self.artifacts)
        options = self._options(label, self.settings.fit_cpus, memory_mb)
        report: Report[R]
        try:
            report = self.submit(task, label, options)
        except StageFailedError as failed:
            _log(failed.warnings)
            raise failed.error from None
        _log(report.warnings)
        self._note(label, report.peak_mb, memory_mb)
        if self.artifacts is not None and "folder" in supplied:
            self.artifacts.take_all(supplied["folder"], keep=True)
        return report.result

    def tables(
        self,
        work: BlockWork[Any],
        blocks: Sequence[Rows],
        scratch: Path,
        *,
        opened: MakeTable | None = None,  # noqa: ARG002  (workers open their own)
    ) -> Iterator[pa.Table]:
        """Yield the tables of the blocks; the workers write them into files below `scratch`."""
        folder = scratch / f".blocks-{uuid4().hex[:12]}"
        folder.mkdir()
        label = work.open.__name__.removeprefix("open_")
        options = self._options(label, self.settings.block_cpus, work.memory_mb)
        make = ray.remote(write_block).options(name=label, scheduling_strategy="SPREAD", **options)
        code, ahead = code_of(*work.modules), _BLOCKS_PER_CPU * max(2, self._cpus())
        waiting: deque[tuple[Any, Path]] = deque()
        warned: set[Warned] = set()
        try:
            for number, rows in enumerate(blocks):
                path = folder / f"{number:08}.arrow"
                waiting.append((make.remote(BlockTask(work, rows, path, code, self.artifacts)), path))
                if len(waiting) >= ahead:
                    yield self._take(waiting, label, work.memory_mb, warned)
            while waiting:
                yield self._take(waiting, label, work.memory_mb, warned)
            if self.artifacts is not None:
                self.artifacts.take_all(scratch, keep=False)
        finally:
            for reference, _ in waiting:
                ray.cancel(reference, force=True)
            shutil.rmtree(folder, ignore_errors=True)

    def runner(self, work: BlockedFit) -> RayRunner:
        """Return what makes the blocks of a fit on the cluster."""
        cpus = self.settings.fit_cpus
        return RayRunner(work, self.settings, _environment(cpus), partial(self._note, work.label))

    def _take(
        self, waiting: deque[tuple[Any, Path]], label: str, memory_mb: float, warned: set[Warned]
    ) -> pa.Table:
        """Wait for the first of the blocks that wait, and return its table; log warnings that are not in `warned`."""
        reference, path = waiting[0]
        report: Report[int] = result(reference)
        waiting.popleft()
        _log([each for each in report.warnings if each not in warned])
        warned.update(report.warnings)
        self._note(label, report.peak_mb, memory_mb)
        if self.artifacts is not None:
            self.artifacts.take_file(path)
        return read_block(path)

    def _options(self, label: str, cpus: int, memory_mb: float) -> dict[str, Any]:
        """Return what Ray is asked for.

        Raises:
            NightError: no node of the cluster is large enough, so that Ray would wait for one for ever.
        """
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(node.get("CPU", 0) >= cpus and node.get("memory", 0) >= memory_mb * _MB for node in nodes):
            there = "; ".join(
                f"{node.get('CPU', 0):g} CPUs and {node.get('memory', 0) / _MB:,.0f} MB" for node in nodes
            )
            raise NightError(
                f"No node of the Ray cluster is large enough for {label}, which asks for {cpus} CPUs and "
                f"{memory_mb:,.0f} MB. Its nodes have {there or 'nothing'}.",
                "Add a larger node, or lower engine.fit_cpus or the memory_mb of the model.",
            )
        return {
            "num_cpus": cpus,
            "memory": int(memory_mb * _MB),
            "max_retries": self.settings.retries,
            "runtime_env": {"env_vars": _environment(cpus)},
        }

    def _cpus(self) -> int:
        return int(ray.cluster_resources().get("CPU", 1))

    def _note(self, label: str, peak_mb: float, memory_mb: float) -> None:
        """Keep the greatest size of the workers' processes, and warn once of each kind that outgrows its request."""
        if not memory_mb:
            return
        before, asked = self.peaks.get(label, (0.0, memory_mb))
        self.peaks[label] = max((before, asked), (peak_mb, memory_mb), key=lambda pair: pair[0] / pair[1])
        if before <= asked and peak_mb > memory_mb:
            log.warning(
                "%s took %.0f MB on its worker, and %.0f MB were asked for: nodes may run out of memory.",
                label, peak_mb, memory_mb,
            )  # fmt: skip


_FOR_WORKERS = {"worker_process_setup_hook": "nightly_recs.import_path.use_own_packages"}
"""Lets workers find our packages, which an installed wheel keeps out of the import path."""


@contextmanager
def connected(settings: EngineSettings, artifacts: SharedArtifacts | None = None) -> Iterator[RayEngine]:
    """Connect this process to the cluster inside this context, if it is not connected yet.

    Args:
        settings: the table `[engine]`.
        artifacts: where workers find them; None: in folders that they see. What they fetched is removed in the end.

    Raises:
        UsageError: there is no cluster at `engine.address`.
    """
    connects = not ray.is_initialized()
    if connects:
        try:
            _require_listener(settings.address)
            # Ray prints the errors of blocks that nobody waits for any more, unless it is told not to
            os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
            ray.init(
                settings.address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=_FOR_WORKERS
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"No Ray cluster answers at engine.address = {settings.address!r} ({first_line(error)}).",
                'Start one with `ray start --head`, or set engine.address; engine.kind = "local" needs none.',
            ) from None
    before = {name: os.environ.get(name) for name in (*_KEYED, *_NO_GPU)}
    # The keys of fits whose bits depend on the number of threads name the workers' number, not this machine's. No fit's
    # bits depend on numba's, and numba compiles nothing more once its variable differs from its threads.
    os.environ.update({name: str(settings.fit_cpus) for name in _KEYED} | _NO_GPU)
    gpu_name.cache_clear()
    try:
        yield RayEngine(settings, artifacts=artifacts)
    finally:
        if artifacts is not None:
            _clear_caches(artifacts)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        gpu_name.cache_clear()
        if connects:
            ray.shutdown()


def _clear_caches(artifacts: SharedArtifacts) -> None:
    """Remove what the workers of every machine have fetched; the next night removes what a lost machine keeps."""
    try:
        alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
        there = [NodeAffinitySchedulingStrategy(node, soft=False) for node in alive]
        clear = ray.remote(clear_cache)
        cleared = [
            clear.options(num_cpus=0, max_retries=0, scheduling_strategy=node).remote(artifacts)
            for node in there
        ]
        ray.wait(cleared, num_returns=len(cleared), timeout=_TO_CLEAR)
    except (ray.exceptions.RayError, ConnectionError) as error:
        log.warning("Workers may keep what they fetched from %s: %s", artifacts.remote.address, error)


def _require_listener(address: str) -> None:
    """Raise an OSError if nothing listens at HOST:PORT, where Ray would try again for minutes."""
    if address != "auto":
        host, _, port = address.removeprefix("ray://").rpartition(":")
        socket.create_connection((host, int(port)), _TO_CONNECT).close()


def _environment(cpus: int) -> dict[str, str]:
    """Return the variables that limit a worker's libraries to so many threads, and hide GPUs from them."""
    return {name: str(cpus) for name in _THREADS} | _NO_GPU


def _label(stage: Stage[..., Any], arguments: Mapping[str, Any]) -> str:
    model = stage.model_of(arguments)
    return stage.name if model is None else f"{stage.name} {model}"


def _log(warnings: Sequence[Warned]) -> None:
    for warned in warnings:
        logging.getLogger(warned.logger).log(warned.level, "%s", warned.text)
