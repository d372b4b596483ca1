"""Runs the stages of a night as Prefect tasks, and without Prefect from the moment in which it fails itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from flows.prefect_runtime.retry_policy import DELAYS, may_pass
from tasks.errors import in_words
from tasks.run.context import Night
from tasks.storage.stage import Call, Promise

R = TypeVar("R")

log = logging.getLogger(__name__)


class Work(Generic[R]):
    """One call of a stage, which keeps its own result and error: whether it ran does not depend on Prefect's word.

    Attributes:
        begun: whether the stage has begun.
        error: of the last try; None if it has not failed.
    """

    def __init__(self, night: Night, call: Call[R]) -> None:
        self.night, self.call = night, call
        self.begun = False
        self.error: Exception | None = None
        self._results: list[R] = []

    def run(self) -> R:
        """Run the stage here and now."""
        self.begun = True
        try:
            result = self.night.perform(self.call)
        except Exception as error:
            self.error = error
            raise
        self.error = None
        self._results[:] = [result]
        return result

    def result(self) -> R:
        """Return the result; raise the error of a stage that failed. If Prefect did not run it, run it now."""
        if self._results:
            return self._results[0]
        if self.error is not None:
            raise self.error
        return self.run()


class PrefectRunner:
    """Runs each stage as a Prefect task, named after the stage and its model, with retries where it declares them.

    An error of Prefect's own, such as that of an API which answers no longer, ends no night: it is one warning, and
    stages that have not begun run in this process.
    """

    def __init__(self, threads: ThreadPoolTaskRunner[Any]) -> None:
        self._threads = threads
        self._warned = False

    def run(self, night: Night, call: Call[R]) -> R:
        """Run a stage in the flow's own thread."""
        work = Work(night, call)
        with self.going_on_without_prefect():
            _task(call)(work, return_state=True)
        return work.result()

    def start(self, night: Night, call: Call[R]) -> Promise[R]:
        """Submit a stage to the flow's threads."""
        work = Work(night, call)
        waits_for = [each.future for each in call.awaited if isinstance(each, _Submitted) and each.future]
        future: PrefectFuture[Any] | None = None
        with self.going_on_without_prefect():
            future = self._threads.submit(_task(call), {"work": work}, wait_for=waits_for)
        return _Submitted(work, future, self)

    @contextmanager
    def going_on_without_prefect(self) -> Iterator[None]:
        """Turn an error of Prefect's own inside this context into one warning a night."""
        try:
            yield
        except Exception as fault:  # noqa: BLE001  (errors of stages are kept by their `Work`)
            if not self._warned:
                self._warned = True
                warn_of_prefect(fault)


def warn_of_prefect(fault: Exception) -> None:
    """Warn that a night goes on without Prefect."""
    reason = next(iter(in_words(fault).splitlines()), "").rstrip(".")
    log.warning(
        "Prefect failed (%s). The night goes on without it: what Prefect shows of it is incomplete.", reason
    )


class _Submitted(Generic[R]):
    """The promise of a submitted task; of one that Prefect did not take, `future` is None."""

    def __init__(self, work: Work[R], future: PrefectFuture[Any] | None, runner: PrefectRunner) -> None:
        self.model = work.call.model
        self.future = future
        self._work, self._runner = work, runner

    def succeeded(self) -> bool:
        try:
            self.result()
        except Exception:  # noqa: BLE001  (the promise keeps it)
            return False
        return True

    def result(self) -> R:
        if self.future is not None:
            with self._runner.going_on_without_prefect():
                self.future.wait()
        return self._work.result()


# Finished stages are kept in our own artifact store: Prefect stores no results.
@task(cache_policy=NO_CACHE, persist_result=False)
def perform(work: Work[Any]) -> None:
    """Run one stage of a night."""
    work.run()


def _task(call: Call[R]) -> Task[[Work[R]], None]:
    """The task that runs a stage."""
    options: dict[str, Any] = {"name": call.stage.name, "task_run_name": call.label}
    if call.stage.retried:
        options |= {
            "retries": len(DELAYS),
            "retry_delay_seconds": DELAYS,
            "retry_condition_fn": may_pass,
        }
    return perform.with_options(**options)
