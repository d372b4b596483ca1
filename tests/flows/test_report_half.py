"""The report half is only reported: no decision of a night depends on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from models.interactions import load_matrix
from tasks.artifacts import HeldOut
from tasks.preparation.holdout import hold_out
from tasks.run.lifecycle import Outcome
from tasks.storage.home import Home, open_home
from tests.flows.conftest import RunNight
from tests.flows.test_night import published

WITH_EVERYTHING = ("blend.enabled=true", "split.method=leave_last", "recommend.diversity=0.3")
SELECT, REPORT = 0, 1


def destroy(folder: Path, which: int) -> None:
    """Replace the held-out positives and ratings of one half: of warm and cold users, and of new items."""
    for users, matrix in (
        ("users", "relevant"),
        ("cold_users", "cold_relevant"),
        ("new_item_users", "new_item_relevant"),
    ):
        half = np.load(folder / f"{users}.npz")["half"]
        relevant = load_matrix(folder, matrix).tolil()
        for row in np.flatnonzero(half == which):
            relevant[[row]] = np.roll(relevant[[row]].toarray(), 77)
        sparse.save_npz(folder / f"{matrix}.npz", sparse.csr_array(relevant))
    likes = dict(np.load(folder / "cold_likes.npz"))
    theirs = np.load(folder / "cold_users.npz")["half"][likes["row_idx"]] == which
    likes["item_idx"][theirs] = likes["item_idx"][theirs][::-1]
    np.savez(folder / "cold_likes.npz", **likes)
    ratings = dict(np.load(folder / "ratings.npz"))
    theirs = ratings["half"] == which
    ratings["rating"][theirs] = 5.5 - ratings["rating"][theirs]
    np.savez(folder / "ratings.npz", **ratings)


def destroying(which: int) -> Callable[..., HeldOut]:
    """Return a `hold_out` that destroys one half afterwards."""
    genuine = hold_out.function

    def destroyed(*arguments: Any, folder: Path, **named: Any) -> HeldOut:
        held_out = genuine(*arguments, folder=folder, **named)
        destroy(folder, which)
        return held_out

    return destroyed


def decided(home: Home, outcome: Outcome) -> dict[str, Any]:
    """Return everything that a night chose and published, and the metrics of both halves."""
    run = outcome.run
    [blend] = [
        home.artifacts / kept for kept in run.artifacts if (home.artifacts / kept / "learned.json").is_file()
    ]
    figures = json.loads((home.runs / str(run.run_id) / "metrics.json").read_text(encoding="utf-8"))
    arrays = np.load(blend / "arrays.npz")
    return {
        "verdict": (run.status, run.champion, run.failed_models),
        "decision": run.summary.decision,
        "checks": [check for check in run.summary.checks if check.check != "input_age_days"],
        "trade_off": run.summary.trade_off.figures,
        "lists": published(home),
        "blend": json.loads((blend / "model.json").read_text(encoding="utf-8"))["config"]["weights"],
        "how it was learned": json.loads((blend / "learned.json").read_text(encoding="utf-8")),
        "blend of each fold": {name: arrays[name].tolist() for name in ("fold_", "fold_weights_")},
        "select": [row for row in figures["metrics"] if row["half"] == "select"],
        "report": [row for row in figures["metrics"] if row["half"] == "report"],
    }


def moments(dataset: Path) -> list[datetime]:
    """Return the times of the 0.9 quantile of all ratings and of the last one."""
    times = np.loadtxt(dataset / "ratings.csv", delimiter=",", skiprows=1, usecols=3)
    return [datetime.fromtimestamp(int(np.quantile(times, q)), UTC).replace(tzinfo=None) for q in (0.9, 1)]


@pytest.mark.parametrize("n_nights", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_the_report_half_changes_only_its_own_metrics(
    n_nights: int, run_plain: RunNight, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nights(name: str, times: list[datetime], destroyed: int | None) -> list[dict[str, Any]]:
        home = open_home(str(dataset), tmp_path / name)
        with monkeypatch.context() as patch:
            if destroyed is not None:
                patch.setattr(hold_out, "function", destroying(destroyed))
            return [decided(home, run_plain(home, *WITH_EVERYTHING, as_of=as_of)) for as_of in times]

    times = moments(dataset)[:n_nights]  # the second has an incumbent, live lists and a night to compare with
    well, spoilt = nights("well", times, None), nights("spoilt", times, REPORT)
    for ours, theirs in zip(well, spoilt, strict=True):
        assert ours["verdict"] == ("published", "blend", {})
        assert ours.pop("report") != theirs.pop("report")
        for what in ours:
            assert ours[what] == theirs[what], what
    [otherwise] = nights("otherwise", times[:1], SELECT)
    for what in ("decision", "trade_off", "lists", "blend", "blend of each fold", "select"):
        assert well[0][what] != otherwise[what], what
