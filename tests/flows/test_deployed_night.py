"""The flow as a worker of Prefect's runs it, from plain parameters: states, names, logs and artifacts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from prefect import State
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)

from flows.nightly import nightly
from tasks.storage.home import Home, locked
from tests.flows.conftest import SETTINGS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("prefect_server")]


def run(home: Home, *overrides: str, **parameters: Any) -> State[Any]:
    settings = (*SETTINGS, "models.shelf=popularity,als", *overrides)
    state: State[Any] = nightly(home=str(home.path), settings=settings, **parameters, return_state=True)
    return state


def outcome(state: State[Any]) -> tuple[str, str]:
    return state.type.value, state.name or ""


def test_a_deployed_night_publishes_and_the_next_finds_nothing_new(home: Home) -> None:
    state = run(home)
    assert outcome(state) == ("COMPLETED", "Completed")
    assert state.message is not None
    assert state.message.endswith(" is live.")
    flow_run_id = state.state_details.flow_run_id
    assert flow_run_id is not None
    with get_client(sync_client=True) as client:
        shown = client.read_flow_run(flow_run_id)
        run_id = state.message.split()[1]
        assert shown.name == f"tiny-{run_id[:8]}T{run_id[8:12]}"
        assert {"nightly-recs", "tiny", run_id, "Published"} <= set(shown.tags)
        of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
        wanted = {"fit-als", "evaluate-als", "evaluate-popularity", "recommend-als"}
        last = time.monotonic() + 30  # tasks and logs are sent in the background
        names: set[str] = set()
        lines: list[str] = []
        while time.monotonic() < last and not (wanted <= names and any("took" in line for line in lines)):
            names = {each.name for each in client.read_task_runs(flow_run_filter=of_run)}
            of_logs = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
            lines = [each.message for each in client.read_logs(of_logs)]
            time.sleep(0.2)
        assert wanted <= names
        assert any(line.startswith("publish took ") for line in lines), lines
        of_artifacts = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]))
        artifacts = {each.key: each for each in client.read_artifacts(artifact_filter=of_artifacts)}
    assert artifacts.keys() == {"verdict", "checks", "metrics"}
    assert f"/runs/{run_id}/report.html" in str(artifacts["verdict"].data)
    again = run(home)
    assert outcome(again) == ("COMPLETED", "NothingNew")
    held = run(home, "check.min_catalogue_coverage=1", force=True)
    assert outcome(held) == ("FAILED", "HeldBack")


def test_a_deployed_night_beside_another_one_is_cancelled(home: Home) -> None:
    with locked(home):
        state = run(home)
    assert (outcome(state), "Another night is running" in str(state.message)) == (
        ("CANCELLED", "Locked"),
        True,
    )


def test_wrong_parameters_end_the_flow_as_failed(tmp_path: Path) -> None:
    state: State[Any] = nightly(dataset=str(tmp_path / "none"), return_state=True)
    assert outcome(state) == ("FAILED", "Failed")
    assert "There is no data set" in str(state.message)
