"""A server of this environment can insert the runs that its scheduler makes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.flows.prefect_runtime.environment import ROOT, without_prefect

INSERT = """
import sys
from sqlalchemy.orm.bulk_persistence import _expand_other_attrs
from prefect.server.database import orm_models
from flows.prefect_runtime.standing_server import let_scheduled_runs_be_inserted
if "mended" in sys.argv:
    let_scheduled_runs_be_inserted()
row = {"name": "late-night", "state": "of the run"}
_expand_other_attrs(orm_models.FlowRun.__mapper__, [row])
print(row)
"""


@pytest.mark.slow
def test_scheduled_runs_can_be_inserted() -> None:
    """Without the mending, SQLAlchemy 2.1 refuses: when it no longer does, the mending can go."""

    def insert(*mended: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", INSERT, *mended]
        return subprocess.run(
            command, cwd=ROOT, env=without_prefect(), capture_output=True, text=True, timeout=120, check=False
        )

    assert "please supply a bulk_dml decorated function" in insert().stderr
    assert insert("mended").stdout == "{'name': 'late-night'}\n"
