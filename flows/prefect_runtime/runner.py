"""Runs the stages of a night as Prefect tasks, and without Prefect from the moment in which it fails itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from flows.prefect_runtime.api import require_api
from flows.prefect_runtime.outage import warn_of_prefect
from flows.prefect_runtime.retry_policy import DELAYS, may_pass
from tasks.errors import NightError
from tasks.run.context import Night
from tasks.storage.stage import Call, Promise

R = TypeVar("R")

_LOOK_EVERY = 5  # seconds, at least, between two looks at the API


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

    def __getstate__(self) -> dict[str, bool]:
        """Return next to nothing: prefect-ray sends the parameters of the task run that it is called in."""
        return {"begun": self.begun}

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
    from then on stages run in this process, one after the other.
    """

    def __init__(self, threads: ThreadPoolTaskRunner[Any]) -> None:
        self._threads = threads
        self._prefect_works = True
        self._next_look = 0.0

    def run(self, night: Night, call: Call[R]) -> R:
        """Run a stage in the flow's own thread."""
        work = Work(night, call)
        with self.if_prefect_works() as works:
            if works:
                _task(call)(work, return_state=True)
        return work.result()

    def start(self, night: Night, call: Call[R]) -> Promise[R]:
        """Submit a stage to the flow's threads."""
        work = Work(night, call)
        waits_for = [each.future for each in call.awaited if isinstance(each, _Submitted) and each.future]
        future: PrefectFuture[Any] | None = None
        with self.if_prefect_works() as works:
            if works:
                future = self._threads.submit(_task(call), {"work": work}, wait_for=waits_for)
        return _Submitted(work, future)

    @contextmanager
    def if_prefect_works(self) -> Iterator[bool]:
        """Turn an error of Prefect's own inside this context into one warning a night.

        Yields:
            Whether Prefect has not failed yet and its API answers. Tasks do not need the API: without this look, a
            night would end before the first of them notices.
        """
        if self._prefect_works and time.monotonic() >= self._next_look:
            self._look()
        try:
            yield self._prefect_works
        except Exception as fault:  # noqa: BLE001  (errors of stages are kept by their `Work`)
            self.give_up(fault)

    def _look(self) -> None:
        try:
            require_api()
        except NightError as down:
            self.give_up(down)
        self._next_look = time.monotonic() + _LOOK_EVERY

    def give_up(self, fault: Exception) -> None:
        """Go on without Prefect, and warn: by the sentence that names the API, if it is the API that fails."""
        if not self._prefect_works:
            return
        self._prefect_works = False
        if not isinstance(fault, NightError):
            try:
                require_api()
            except NightError as down:
                fault = down
        warn_of_prefect(fault)


class _Submitted(Generic[R]):
    """The promise of a submitted task; of one that Prefect did not take, `future` is None."""

    def __init__(self, work: Work[R], future: PrefectFuture[Any] | None) -> None:
        self.model = work.call.model
        self.future = future
        self._work = work

    def succeeded(self) -> bool:
        try:
            self.result()
        except Exception:  # noqa: BLE001  (the promise keeps it)
            return False
        return True

    def result(self) -> R:
        if self.future is not None:
            with suppress(Exception):  # of Prefect's own: what became of the stage is known by its `Work`
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
