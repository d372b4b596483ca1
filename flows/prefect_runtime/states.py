"""The ending of a night as a Prefect state, by whose name and type automations can act.

A check that holds lists back is a failure: somebody has to look. A night that was not switched, or that found another
one running, has done no harm and asks for nothing, as a run that Prefect's own CANCEL_NEW has ended.
"""

from __future__ import annotations

from typing import Any

from prefect import State
from prefect.client.schemas.objects import StateType

from tasks.errors import LockedError, NightError, as_night_error
from tasks.run.context import Night
from tasks.run.lifecycle import Outcome
from tasks.storage.run_records import Status

_OF_STATUS: dict[Status, tuple[StateType, str]] = {
    "published": (StateType.COMPLETED, "Completed"),
    "not_switched": (StateType.CANCELLED, "NotSwitched"),
    "check_failed": (StateType.FAILED, "HeldBack"),
}
_NOTHING_NEW = StateType.COMPLETED, "NothingNew"
_LOCKED = StateType.CANCELLED, "Locked"
_FAILED = StateType.FAILED, "Failed"


def state_of_night(night: Night, error: Exception | None) -> State[Any]:
    """Return the state of a night whose stages have ended.

    Args:
        night: holds the verdict and the reason.
        error: that ended the stages; None if there was none. After the switch the lists are live all the same.
    """
    if error is None:
        return _state(*_of(night.verdict), night.reason)
    if night.record.switched:
        live = f"Run {night.record.run_id} is live. Afterwards, this failed: {as_night_error(error)}"
        return _state(*_of("published"), live)
    where = f"Stage {night.failed_stage}: " if night.failed_stage else ""
    return state_of_error(error, where)


def state_of_outcome(outcome: Outcome) -> State[Any]:
    """Return the state of a night that has ended without an error, whether it began or not."""
    if outcome.nothing_new:
        return _state(*_NOTHING_NEW, outcome.nothing_new)
    return _state(*_of(outcome.run.status), outcome.run.reason)


def state_of_error(error: Exception, where: str = "") -> State[Any]:
    """Return the state of a night that an error has ended; `where` comes before its sentence."""
    clear: NightError = as_night_error(error)
    kind = _LOCKED if isinstance(error, LockedError) else _FAILED
    return _state(*kind, f"{where}{clear} {clear.hint}".strip())


def _of(status: Status) -> tuple[StateType, str]:
    return _OF_STATUS.get(status, _FAILED)


def _state(kind: StateType, name: str, message: str) -> State[Any]:
    return State(type=kind, name=name, message=message)
