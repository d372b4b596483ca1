"""Runs stages on the workers of a Ray cluster as Prefect tasks, by prefect-ray.

A stage that runs on a worker has two task runs: that of the night, which waits, and below it that of the worker.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import ray
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect_ray import RayTaskRunner
from prefect_ray.context import remote_options

from flows.prefect_runtime.runner import PrefectRunner
from tasks.engine.engine import Engine
from tasks.engine.ray import Options, RayEngine, run_on_worker
from tasks.engine.ray_errors import lost
from tasks.engine.worker import Report, StageFailedError, StageTask, run_stage
from tasks.errors import NightError

_FOR_WORKERS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",  # the API is that of the night, or none
}
"""Variables of the environment of workers. The address of the API and its key come with each task."""


@task(cache_policy=NO_CACHE, persist_result=False)
def on_worker(work: StageTask[Any]) -> Report[Any]:
    """Run the function of a stage on the worker that this is called on."""
    return run_stage(work)


def submit_through_prefect(engine: Engine, runner: PrefectRunner, opened: ExitStack) -> None:
    """Let the engine of Ray submit its stages through prefect-ray while `opened` is open and Prefect works.

    Args:
        engine: connected to its cluster.
        runner: that of the night; it knows whether Prefect works.
        opened: closed when the stages have ended.

    Raises:
        TypeError: it is another engine.
    """
    if not isinstance(engine, RayEngine):
        raise TypeError(f"{type(engine).__name__} does not run on Ray")
    tasks: RayTaskRunner[Any] = opened.enter_context(RayTaskRunner(address=engine.settings.address))

    def submit(work: StageTask[Any], name: str, options: Options) -> Report[Any]:
        variables = options["runtime_env"]["env_vars"] | _FOR_WORKERS
        future = None
        with runner.if_prefect_works() as works:
            if works:
                named = on_worker.with_options(name=work.stage_name, task_run_name=f"{name} on Ray")
                with remote_options(**{**options, "runtime_env": {"env_vars": variables}}):
                    future = tasks.submit(named, {"work": work})
        if future is not None:
            try:
                report: Report[Any] = future.result()
            except (StageFailedError, NightError):
                raise
            except ray.exceptions.RayError as failed:
                raise lost(failed) from failed
            except Exception as fault:  # noqa: BLE001  (of Prefect's own)
                runner.give_up(fault)
            else:
                return report
        return run_on_worker(work, name, options)

    engine.submit = submit
