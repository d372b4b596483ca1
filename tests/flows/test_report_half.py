"""The report half is looked at once a night, to be printed: whatever it says, the night decides the same."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy import sparse

from models.interactions import load_matrix
from tasks.configure import load_settings
from tasks.home import open_home
from tasks.lifecycle import run_night
from tasks.night import Night
from tasks.progress import Nobody
from tasks.references import HeldOut
from tests.flows.conftest import SETTINGS
from tests.flows.plain_night import whole_night


def destroy_report_half(held_out: HeldOut) -> None:
    """Call other items relevant for the users of the report half, known or cold."""
    for users, matrix in (("users", "relevant"), ("cold_half", "cold_relevant")):
        half = np.load(held_out.folder / f"{users}.npz")["half"]
        relevant = load_matrix(held_out.folder, matrix).tolil()
        for row in np.flatnonzero(half == 1):
            relevant[[row]] = np.roll(relevant[[row]].toarray(), 77)
        sparse.save_npz(held_out.folder / f"{matrix}.npz", sparse.csr_array(relevant))


def night_of(home: Path, dataset: Path, flow: Any, **options: Any) -> dict[str, Any]:
    """Everything that a night decided, and the figures of its report half."""
    where = open_home(str(dataset), home)
    run = run_night(where, load_settings(None, SETTINGS), flow, Nobody(), **options).run
    lists = next(artifact for artifact in run.artifacts if artifact.startswith("recommend/"))
    figures = json.loads((where.runs / str(run.run_id) / "metrics.json").read_text(encoding="utf-8"))
    checks = [check for check in run.summary["checks"] if check["check"] != "input_age_days"]
    return {
        "decided": (run.status, run.champion, run.summary["decision"], checks),
        "lists": pq.read_table(where.artifacts / lists / "recommendations.parquet"),
        "select": [row for row in figures["metrics"] if row["half"] == "select"],
        "report": [row for row in figures["metrics"] if row["half"] == "report"],
        "as_of": run.as_of,
    }


def test_destroying_the_report_half_changes_nothing_but_its_own_figures(
    dataset: Path, tmp_path: Path
) -> None:
    def spoilt(night: Night) -> None:
        whole_night(night, destroy_report_half)

    newest = night_of(tmp_path / "newest", dataset, whole_night)["as_of"]
    for days in (60, 0):  # the second night has an incumbent, live lists and a night to compare with
        as_of = newest - timedelta(days=days)
        well, badly = (
            night_of(tmp_path / name, dataset, flow, as_of=as_of)
            for name, flow in (("well", whole_night), ("spoilt", spoilt))
        )
        assert well["report"] != badly["report"]
        for what in ("decided", "lists", "select"):
            assert well[what] == badly[what], what
