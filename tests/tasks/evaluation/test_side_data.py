"""Models with side data are compared with the same models without, on the same users, by class of items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.evaluation.bootstrap import paired_difference
from tasks.artifacts import Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.metric_rows import MetricRow, SegmentDifferenceRow
from tasks.evaluation.side_data import counterpart_rows, judged_counterparts, new_user_rows
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


def new_users(
    folder: Path, known: dict[str, list[int]], *, there: tuple[int, ...] = (0, 1, 2, 3)
) -> tuple[dict[tuple[str, str], MetricRow], dict[tuple[str, str], SegmentDifferenceRow]]:
    """Rows of NDCG of four new users, the first in the select half, of whom models know some.

    Those who are not `there` have no row in the training part. Model number m has (m + 1) · (user + 1) / 100.
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "cold_users.npz", user_idx=np.arange(4), half=np.array([0, 1, 1, 1], np.int8))
    evaluations = []
    for number, (model, users) in enumerate(known.items()):
        (folder / model).mkdir()
        values = np.full(4, NAN)
        values[[*there]] = (number + 1) * (np.array(there) + 1) / 100
        np.savez(folder / model / "new_users_0.npz", **{"ndcg@10": values})
        np.savez(folder / model / "known_new_users.npz", known=np.isin(np.arange(4), users))
        evaluations.append(Evaluation(model, folder / model, model, 0.0))
    (folder / "als").mkdir(exist_ok=True)
    evaluations.append(
        Evaluation("als", folder / "als", "als", 0.0)
    )  # of an earlier version, without the files
    metrics, gains = new_user_rows(evaluations, HeldOut("h", folder, 0, 0, 4, 0.0), SETTINGS, seed=1)
    assert {row.segment for row in [*metrics, *gains]} <= {"new_users_0"}
    return {(row.model, row.half): row for row in metrics}, {(row.model, row.half): row for row in gains}


def test_all_models_have_the_new_users_that_any_of_them_knows(tmp_path: Path) -> None:
    known = {"popularity": [], "lightgcn": [], "social_gcn": [2], "mf": [1, 2]}
    metrics, gains = new_users(tmp_path, known)
    assert {model for model, _ in metrics} == {"popularity", "social_gcn", "mf"}, (
        "lightgcn knows none of them"
    )
    assert {half for _, half in metrics} == {"report"}, "nobody knows the user of the select half"
    for number, model in ((1, "popularity"), (3, "social_gcn"), (4, "mf")):
        row = metrics[model, "report"]
        assert (row.metric, row.k, row.n_users) == ("ndcg", 10, 2)
        assert row.value == pytest.approx(number * 0.025), "users 1 and 2, whichever the model knows"
    assert gains.keys() == {("social_gcn", "report"), ("mf", "report")}
    gain = gains["social_gcn", "report"]
    assert (gain.baseline, gain.metric, gain.n_users) == ("popularity", "ndcg@10", 2)
    assert gain.mean == pytest.approx(0.05)
    assert gain.low == pytest.approx(0.04)
    assert gain.high == pytest.approx(0.06)


def test_new_users_without_a_row_are_not_judged_by_side_data(tmp_path: Path) -> None:
    metrics, _ = new_users(tmp_path, {"popularity": [], "mf": [0, 3]}, there=(0, 3))
    assert {key: row.n_users for key, row in metrics.items()} == dict.fromkeys(
        [(model, half) for model in ("popularity", "mf") for half in ("select", "report")], 1
    )


@pytest.mark.parametrize("known", [{}, {"popularity": [], "lightgcn": []}])
def test_no_new_user_known_has_no_rows(tmp_path: Path, known: dict[str, list[int]]) -> None:
    assert new_users(tmp_path, known) == ({}, {})
