"""Models with side data are compared with the same models without, on the same users, by class of items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.evaluation.bootstrap import paired_difference
from tasks.artifacts import Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.counterparts import counterpart_rows, judged_counterparts
from tasks.evaluation.metric_rows import SegmentDifferenceRow
from tests.tasks.judged import judged_model, judged_users

NAN = np.nan
SETTINGS = JudgeSettings(k=(10,), bootstrap_samples=200)
HALF = [0, 0, 1, 1, 1, 1]
WITHOUT = {"all": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "tail": [NAN, 0.1, NAN, 0.2, 0.0, NAN]}
WITH = {"all": [0.2, 0.2, 0.5, 0.4, 0.8, 0.6], "tail": [NAN, 0.4, NAN, 0.7, 0.5, NAN]}


def compared(
    folder: Path, counterparts: dict[str, str], half: list[int] = HALF
) -> dict[tuple[str, ...], SegmentDifferenceRow]:
    """The rows of social_gcn and kgcn, both with the values of `WITH`, and lightgcn, with those of `WITHOUT`."""
    held = judged_users(folder / "held", half)
    evaluations = []
    for model in ("social_gcn", "lightgcn", "kgcn"):
        values = WITHOUT if model == "lightgcn" else WITH
        judged_model(
            folder / model,
            {"ndcg@10": np.array(values["all"]), "recall@10": np.zeros(6)},
            lists=np.zeros((6, 1), np.int32),
            of_items={"tail": {"ndcg@10": values["tail"]}},
        )
        evaluations.append(Evaluation(model, folder / model, model, 0.0))
    rows = counterpart_rows(evaluations, HeldOut("h", held, 2, 4, 0, 0.0), counterparts, SETTINGS, seed=3)
    found = {(row.model, row.half, row.segment): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_each_half_and_class_of_items_is_paired_over_its_users(tmp_path: Path) -> None:
    found = compared(tmp_path, {"social_gcn": "lightgcn"})
    assert found.keys() == {
        ("social_gcn", half, segment) for half in ("select", "report") for segment in ("all", "tail")
    }, "no user has a relevant item of the head or the middle"
    report = found["social_gcn", "report", "all"]
    assert (report.baseline, report.metric, report.n_users) == ("lightgcn", "ndcg@10", 4)
    gain = np.array([0.2, 0.0, 0.3, 0.0])
    expected = paired_difference(gain, np.zeros(4), samples=200, confidence=0.95, seed=3)
    assert (report.mean, report.low, report.high, report.detectable) == pytest.approx(expected)
    assert found["social_gcn", "select", "all"].mean == pytest.approx(0.05)
    tail = found["social_gcn", "report", "tail"]
    assert (tail.mean, tail.n_users) == (pytest.approx(0.5), 2), "only users who came to like a rare item"
    assert found["social_gcn", "select", "tail"].n_users == 1


def test_two_models_may_have_one_counterpart(tmp_path: Path) -> None:
    found = compared(tmp_path, {"social_gcn": "lightgcn", "kgcn": "lightgcn"})
    assert found["kgcn", "report", "all"].mean == found["social_gcn", "report", "all"].mean
    assert len(found) == 8


def test_a_half_without_users_has_no_rows(tmp_path: Path) -> None:
    assert {half for _, half, _ in compared(tmp_path, {"kgcn": "lightgcn"}, [1] * 6)} == {"report"}


def test_no_pair_has_no_rows(tmp_path: Path) -> None:
    assert compared(tmp_path, {}) == {}


def test_only_pairs_of_judged_models_are_counterparts() -> None:
    assert judged_counterparts(["popularity", "als", "social_gcn", "cke"]) == {"cke": "als"}
    assert judged_counterparts(["kgcn", "lightgcn", "blend"]) == {"kgcn": "lightgcn"}
    assert judged_counterparts(["kgcn", "als"]) == {}
