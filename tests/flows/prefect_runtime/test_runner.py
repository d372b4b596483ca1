"""Stages run once, whatever becomes of Prefect: its own errors end no night, and those of stages stay theirs."""

from __future__ import annotations

import logging
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from flows.prefect_runtime import outage, runner
from flows.prefect_runtime.runner import PrefectRunner
from tasks.errors import NightError, TransientError


class Stage(SimpleNamespace):
    """A call whose runs are counted; fails with `error`."""

    def __init__(self, error: Exception | None = None, retried: bool = False) -> None:
        super().__init__(
            label="fit-als", model="als", awaited=[], error=error, ran=0,
            stage=SimpleNamespace(name="fit", retried=retried),
        )  # fmt: skip


def perform(call: Stage) -> str:
    call.ran += 1
    if call.error is not None:
        raise call.error
    return "done"


NIGHT: Any = SimpleNamespace(perform=perform)


class Threads:
    """Stands for Prefect's threads: fails before the task, or after it, or runs it."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails

    def submit(self, task: Any, parameters: dict[str, Any], wait_for: Any = None) -> Any:
        if self.fails == "submit":
            raise RuntimeError("Prefect is gone.")
        work = parameters["work"]
        if self.fails != "before":
            with suppress(Exception):  # as Prefect: the state holds it
                work.run()
        return SimpleNamespace(wait=self._wait)

    def _wait(self) -> None:
        if self.fails in ("before", "after"):
            raise RuntimeError("Prefect is gone.")


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Prefect as it may be: `api` and `task` are the errors that a look at the API and a task raise."""
    state = SimpleNamespace(api=None, task=None, looks=0)

    def look() -> None:
        state.looks += 1
        if state.api is not None:
            raise state.api

    def task(call: Any) -> Any:
        def run(work: Any, return_state: bool) -> None:
            if state.task == "before":
                raise RuntimeError("Prefect is gone.")
            with suppress(Exception):  # as Prefect: the state holds it
                work.run()
            if state.task == "after":
                raise RuntimeError("Prefect is gone.")

        return run

    monkeypatch.setattr(runner, "require_api", look)
    monkeypatch.setattr(runner, "_task", task)
    monkeypatch.setattr(outage, "_failed", [])
    return state


@pytest.mark.parametrize("fails", [None, "before", "after"])
def test_a_stage_runs_once_if_prefect_fails_around_it(prefect: SimpleNamespace, fails: str | None) -> None:
    prefect.task, call = fails, Stage()
    assert PrefectRunner(Threads()).run(NIGHT, call) == "done"  # type: ignore[arg-type]
    assert call.ran == 1
    assert outage.prefect_failed() == (fails is not None)


@pytest.mark.parametrize("fails", ["", "submit", "before", "after"])
def test_a_submitted_stage_runs_once(prefect: SimpleNamespace, fails: str) -> None:
    call = Stage()
    promise = PrefectRunner(Threads(fails)).start(NIGHT, call)  # type: ignore[arg-type]
    assert (promise.succeeded(), promise.result(), promise.model, call.ran) == (True, "done", "als", 1)


@pytest.mark.parametrize("fails", ["", "after"])
def test_the_error_of_a_stage_stays_its_own(prefect: SimpleNamespace, fails: str) -> None:
    call = Stage(TransientError("Busy."))
    promise = PrefectRunner(Threads(fails)).start(NIGHT, call)  # type: ignore[arg-type]
    assert not promise.succeeded()
    with pytest.raises(TransientError, match="Busy"):
        promise.result()
    assert call.ran == 1
    with pytest.raises(TransientError):
        PrefectRunner(Threads()).run(NIGHT, Stage(TransientError("Busy.")))  # type: ignore[arg-type]


def test_a_dead_api_is_one_warning(prefect: SimpleNamespace, caplog: pytest.LogCaptureFixture) -> None:
    prefect.api, prefect.task = (
        NightError("Prefect's API cannot be used: refused.", "Is it running?"),
        "before",
    )
    running = PrefectRunner(Threads("submit"))  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert running.run(NIGHT, Stage()) == "done"
            assert running.start(NIGHT, Stage()).result() == "done"
    [line] = [line for line in caplog.records if line.name == outage.__name__]
    assert line.getMessage() == (
        "Prefect's API cannot be used: refused. The night goes on without Prefect, which does not show all of it. "
        "Is it running?"
    )
    assert prefect.looks == 1, "a dead API is not asked again"


def test_the_process_ends_at_once_after_an_outage_only(
    prefect: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(outage.os, "_exit", ended.append)
    outage.end_at_once_after_outage(3)
    outage.warn_of_prefect(RuntimeError("gone"))
    outage.end_at_once_after_outage(3)
    assert ended == [3]
