"""The retry policy: which errors of a stage may pass, and how long to wait before another try.

A stage asks for retries with `@stage(retried=True)`: landing files, publishing and reporting do.
"""

from __future__ import annotations

import logging
from typing import Any

from prefect import State, Task
from prefect.client.schemas.objects import TaskRun

from tasks.errors import TransientError, in_words

log = logging.getLogger(__name__)

DELAYS: list[float] = [1, 5, 20]
"""Seconds before the second, third and fourth try."""


def may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Return whether another try may succeed: an external file or database was busy or out of reach.

    Logs the coming try, too: Prefect asks only while one is left.

    Args:
        task: the task that failed.
        run: its record; counts the tries.
        state: holds the error.
    """
    error = state.result(raise_on_failure=False)
    passes = isinstance(error, OSError | TransientError)
    if passes:
        log.warning("%s is tried again in %d s: %s", task.name, DELAYS[run.run_count - 1], in_words(error))
    return passes
