"""Every ending of a night is a state of its own, whose type says whether somebody has to look."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType

from flows.prefect_runtime.states import state_of_error, state_of_night, state_of_outcome
from tasks.errors import LockedError, NightError
from tasks.run.lifecycle import Outcome
from tests.tasks.reporting.nights import night

COMPLETED, FAILED, CANCELLED = StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED
ENDINGS = [
    ("published", COMPLETED, "Completed"),
    ("check_failed", FAILED, "HeldBack"),
    ("not_switched", CANCELLED, "NotSwitched"),
    ("failed", FAILED, "Failed"),
]


def in_stages(verdict: str, *, switched: bool = False, failed_stage: str = "") -> Any:
    record = night(switched=switched)
    return SimpleNamespace(record=record, verdict=verdict, reason="So it is.", failed_stage=failed_stage)


@pytest.mark.parametrize(("status", "kind", "name"), ENDINGS)
def test_each_verdict_has_its_state(status: str, kind: StateType, name: str) -> None:
    during = state_of_night(in_stages(status), None)
    after = state_of_outcome(Outcome(night(status=status, reason="So it is."), "here", None))
    for state in (during, after):
        assert (state.type, state.name, state.message) == (kind, name, "So it is.")


def test_nothing_new_is_completed_under_its_own_name() -> None:
    state = state_of_outcome(Outcome(night(), "here", None, nothing_new="Nothing is new."))
    assert (state.type, state.name, state.message) == (COMPLETED, "NothingNew", "Nothing is new.")


def test_an_error_names_its_stage_and_what_to_do() -> None:
    state = state_of_night(in_stages("failed", failed_stage="fit als"), NightError("It broke.", "Mend it."))
    assert (state.type, state.name, state.message) == (FAILED, "Failed", "Stage fit als: It broke. Mend it.")


def test_an_error_after_the_switch_is_a_published_night() -> None:
    state = state_of_night(in_stages("failed", switched=True), NightError("No report."))
    assert (state.type, "Afterwards, this failed: No report." in state.message) == (COMPLETED, True)


def test_a_locked_home_cancels_the_run() -> None:
    state = state_of_error(LockedError("Another night is running."))
    assert (state.type, state.name) == (CANCELLED, "Locked")
    assert state_of_error(ValueError("odd")).message.startswith("ValueError: odd")
