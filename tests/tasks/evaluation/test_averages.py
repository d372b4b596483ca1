"""Rows of `model_metrics` beyond the ranking metrics of all users: slices, lists, ratings."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.evaluation.slices import ITEM_CLASSES, USER_CLASSES
from tasks.artifacts import Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.averages import cold_start_rows, further_rows
from tasks.evaluation.metric_rows import MetricRow
from tests.tasks.judged import judged_model, judged_users

SETTINGS = JudgeSettings(k=(10,), bootstrap_samples=200)
HALF = [0, 1, 0, 1, 1, 1]
CLASSES = [0, 0, 1, 1, 1, 3]
NDCG = np.array([0.9, 0.1, 0.8, 0.2, 0.4, 0.6])
NAN = float("nan")


def rows(folder: Path, errors: list[float] | None = None, **figures) -> dict[tuple, MetricRow]:
    """The rows of one model by half, segment and metric."""
    held = judged_users(folder / "held", HALF, CLASSES)
    place = judged_model(folder / "als", {"ndcg@10": NDCG}, **figures)
    if errors is not None:
        np.savez(
            held / "ratings.npz",
            user_idx=np.array([0, 1, 1, 1, 3]),
            rating=np.ones(5),
            half=np.array([0, 1, 1, 1, 1]),
        )
        np.savez(place / "errors.npz", error=np.array(errors, np.float32))
    found = further_rows(
        [Evaluation("als", place, "als", 0.0)], HeldOut("h", held, 2, 4, 0, 0.0), SETTINGS, seed=1
    )
    assert {row.model for row in found} <= {"als"}
    return {(row.half, row.segment, row.metric): row for row in found}


def test_each_user_class_is_averaged_on_its_own(tmp_path: Path) -> None:
    found = rows(tmp_path, lists=np.zeros((6, 1), np.int32))
    light = found["report", "light", "ndcg"]
    assert (light.value, light.n_users, light.k) == (pytest.approx(0.3), 2, 10)
    assert light.ci_low == pytest.approx(0.2)
    assert light.ci_high == pytest.approx(0.4)
    assert found["select", "new", "ndcg"].value == pytest.approx(0.9)
    segments = {(half, segment) for half, segment, metric in found if metric == "ndcg"}
    assert segments == {
        ("select", "new"), ("select", "light"), ("report", "new"), ("report", "light"), ("report", "heavy"),
    }, "no medium users, and nobody came to like an item of any class"  # fmt: skip
    assert not {*USER_CLASSES} & {*ITEM_CLASSES}


def test_item_class_covers_users_with_relevant_items_in_it(tmp_path: Path) -> None:
    tail = {"ndcg@10": [0.5, NAN, NAN, 0.0, NAN, 1.0]}
    found = rows(tmp_path, lists=np.zeros((6, 1), np.int32), of_items={"tail": tail})
    assert found["report", "tail", "ndcg"].value == pytest.approx(0.5)
    assert found["report", "tail", "ndcg"].n_users == 2
    assert found["select", "tail", "ndcg"].n_users == 1
    assert ("report", "head", "ndcg") not in found


def test_coverage_and_gini_are_of_one_half_of_the_lists(tmp_path: Path) -> None:
    lists = np.array([[2, -1], [0, 1], [2, -1], [0, -1], [0, -1], [0, -1]], np.int32)
    found = rows(tmp_path, lists=lists)
    coverage, gini = found["report", "all", "coverage"], found["report", "all", "gini"]
    assert coverage.value == pytest.approx(2 / 3), "the fourth item nobody had met: it cannot be listed"
    assert gini.value == pytest.approx(sum(abs(a - b) for a in (4, 1, 0) for b in (4, 1, 0)) / (2 * 3 * 5))
    assert (coverage.ci_low, coverage.ci_high, coverage.n_users, coverage.k) == (
        None,
        None,
        4,
        10,
    )
    assert found["select", "all", "coverage"].value == pytest.approx(1 / 3)


def test_coverage_is_of_the_first_k_of_the_lists(tmp_path: Path) -> None:
    lists = np.full((6, 11), -1, np.int32)
    lists[:, 0], lists[:, 10] = 0, 1
    assert rows(tmp_path, lists=lists)["report", "all", "coverage"].value == pytest.approx(1 / 3)


def test_popularity_bias_is_a_ratio_of_means(tmp_path: Path) -> None:
    of_lists = {"list_popularity@10": [0.5, 0.25, 0.5, 0.5, 0.75, NAN], "novelty@10": [1, 2, 3, 4, 5, 6]}
    found = rows(tmp_path, lists=np.zeros((6, 1), np.int32), of_lists=of_lists)
    bias = found["report", "all", "popularity_bias"]
    assert bias.value == pytest.approx(0.5 / 0.25)
    assert bias.n_users == 3, "one has no list"
    assert 1 <= bias.ci_low < 2 < bias.ci_high <= 3
    assert found["report", "all", "list_popularity"].value == pytest.approx(0.5)
    assert found["report", "all", "novelty"].value == pytest.approx(17 / 4)
    assert ("report", "all", "ild_features") not in found, "no list has two described items"


def test_rmse_and_mae_count_every_rating_once(tmp_path: Path) -> None:
    found = rows(tmp_path, errors=[9, 1, -1, 1, -2], lists=np.zeros((6, 1), np.int32))
    rmse, mae = found["report", "all", "rmse"], found["report", "all", "mae"]
    assert rmse.value == pytest.approx(((1 + 1 + 1 + 4) / 4) ** 0.5)
    assert mae.value == pytest.approx((1 + 1 + 1 + 2) / 4)
    assert (rmse.k, rmse.n_users) == (None, 2)
    assert rmse.ci_low == pytest.approx(1), "a sample may hold the first user only"
    assert rmse.ci_high == pytest.approx(2)
    assert found["select", "all", "mae"].value == 9


def test_no_rmse_without_a_model_of_ratings(tmp_path: Path) -> None:
    assert "rmse" not in {metric for *_, metric in rows(tmp_path, lists=np.zeros((6, 1), np.int32))}


def cold_starts(folder: Path, **files: dict[str, list[float]]) -> dict[tuple, MetricRow]:
    """The cold-start rows of two models, of which only als has the given files; three users liked a new item."""
    held = judged_users(folder / "held", [0])
    np.savez(held / "cold_users.npz", half=np.array([1, 0, 1, 1]))
    np.savez(held / "new_item_users.npz", user_idx=np.arange(3), half=np.array([1, 1, 0]))
    one_new = sparse.csr_array(np.array([[0, 0, 0, 1]] * 3, np.float32))
    sparse.save_npz(held / "new_item_relevant.npz", one_new)
    evaluations = []
    for model in ("als", "bpr"):
        (folder / model).mkdir()
        evaluations.append(Evaluation(model, folder / model, model, 0.0))
    for name, values in files.items():
        np.savez(folder / "als" / f"{name}.npz", **{"ndcg@10": np.array(values)})
    found = cold_start_rows(evaluations, HeldOut("h", held, 1, 0, 4, 0.0), SETTINGS, seed=1)
    return {(row.half, row.segment, row.model, row.metric): row for row in found}


def test_new_users_count_while_they_have_an_item_to_find(tmp_path: Path) -> None:
    found = cold_starts(tmp_path, new_users_1=[0.2, 0.9, 0.4, 0.6], new_users_5=[NAN, NAN, 0.5, NAN])
    after_one, after_five = (found["report", f"new_users_{n}", "als", "ndcg"] for n in (1, 5))
    assert (after_one.value, after_one.n_users, after_one.k) == (pytest.approx(0.4), 3, 10)
    assert 0.2 <= after_one.ci_low < 0.4 < after_one.ci_high <= 0.6
    assert (after_five.value, after_five.n_users) == (0.5, 1)
    assert found["select", "new_users_1", "als", "ndcg"].value == 0.9
    assert len(found) == 3, "none of bpr, after two likes, or of new items"


def test_new_items_stand_beside_random_order(tmp_path: Path) -> None:
    found = cold_starts(tmp_path, new_items=[1.0, 0.0, 0.5])
    assert found["report", "new_items", "als", "ndcg"].value == 0.5
    by_chance = found["report", "new_items", "random", "ndcg"]
    assert (by_chance.value, by_chance.n_users) == (1, 2), "there is only one new item"
    assert {key[:3] for key in found} == {
        (half, "new_items", model) for half in ("select", "report") for model in ("als", "random")
    }
