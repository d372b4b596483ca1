"""Run the stages of a night in this process, one after the other, without an orchestrator."""

from __future__ import annotations

from typing import Generic, TypeVar

from tasks.run.context import Night
from tasks.storage.stage import Call, Promise

R = TypeVar("R")


class InProcess:
    """Runs each stage when it is asked for."""

    def run(self, night: Night, call: Call[R]) -> R:
        """Run a stage."""
        return night.perform(call)

    def start(self, night: Night, call: Call[R]) -> Promise[R]:
        """Run a stage now; keep its error until the result is asked for."""
        try:
            return _Ended(call.model, night.perform(call))
        except Exception as error:  # noqa: BLE001  (raised by `result`)
            return _Ended(call.model, error=error)


class _Ended(Generic[R]):
    """The promise of a stage that has ended."""

    def __init__(self, model: str | None, result: R | None = None, error: Exception | None = None) -> None:
        self.model, self._result, self._error = model, result, error

    def succeeded(self) -> bool:
        return self._error is None

    def result(self) -> R:
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]
