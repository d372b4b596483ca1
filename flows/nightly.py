"""The nightly flow: the DAG of `tasks/run/dag.py` with each stage as a Prefect task."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, Generic, TypeVar, cast

from prefect import Task, flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from flows.prefect_runtime import server
from flows.prefect_runtime.interruption import ending_at_once
from flows.prefect_runtime.retry_policy import DELAYS, may_pass
from tasks.reporting.run_report import read_report
from tasks.run import dag
from tasks.run.context import Night
from tasks.run.lifecycle import record_interruption
from tasks.storage.stage import Call, Promise

R = TypeVar("R")

_START = "start", None
_nights: dict[int, tuple[Night, Callable[[], None]]] = {}
"""Run id → the night, and what to call when its flow begins: Prefect takes only plain parameters."""


def run_flow(night: Night) -> None:
    """Run the whole flow for a night that has begun, in this process."""
    night.watcher.started(*_START)
    begun = time.perf_counter()
    threads: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=night.settings.run.parallel_fits)
    night.runner = PrefectRunner()
    with ending_at_once(partial(record_interruption, night)) as listen, server.connected():

        def begin() -> None:
            listen()
            night.watcher.finished(*_START, time.perf_counter() - begun, "Prefect's server")

        _nights[night.record.run_id] = night, begin
        try:
            nightly.with_options(task_runner=cast(Any, threads))(night.home.dataset, night.record.run_id)
        finally:
            del _nights[night.record.run_id]


@flow(persist_result=False)
def nightly(dataset: str, run_id: int) -> None:  # noqa: ARG001
    """Run the DAG of the night, and show its metrics and checks as Prefect artifacts."""
    night, begin = _nights[run_id]
    begin()
    dag.nightly(night)
    show_in_prefect(night)


def show_in_prefect(night: Night) -> None:
    """Write the night's metrics and checks as Prefect artifacts."""
    written = read_report(night.home, night.record.run_id)
    create_table_artifact(table=[asdict(row) for row in written.metrics], key="metrics")
    create_table_artifact(table=[asdict(result) for result in written.run.summary.checks], key="checks")


class PrefectRunner:
    """Runs each stage as a Prefect task, named after the stage and its model, with retries where it declares them."""

    def run(self, night: Night, call: Call[R]) -> R:
        """Run a stage in the flow's own thread."""
        return _task(call)(night, call)

    def start(self, night: Night, call: Call[R]) -> Promise[R]:
        """Submit a stage to the flow's threads."""
        waits_for = [each.future for each in call.awaited if isinstance(each, _Submitted)]
        return _Submitted(_task(call).submit(night, call, return_state=False, wait_for=waits_for))


class _Submitted(Generic[R]):
    """The promise of a submitted task."""

    def __init__(self, future: PrefectFuture[R]) -> None:
        self.future = future

    def succeeded(self) -> bool:
        self.future.wait()
        return self.future.state.is_completed()

    def result(self) -> R:
        return self.future.result()


# Finished stages are kept in our own artifact store: Prefect stores no results.
@task(cache_policy=NO_CACHE, persist_result=False)
def perform(night: Night, call: Call[Any]) -> Any:
    """Run one stage of a night."""
    return night.perform(call)


def _task(call: Call[R]) -> Task[[Night, Call[R]], R]:
    """The task that runs a stage."""
    name = call.stage.name
    options: dict[str, Any] = {"name": name, "task_run_name": call.label}
    if call.stage.retried:
        options |= {
            "retries": len(DELAYS),
            "retry_delay_seconds": DELAYS,
            "retry_condition_fn": may_pass,
        }
    return perform.with_options(**options)
