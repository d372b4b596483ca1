"""The champion is chosen on the select half; the report half is only ever printed."""

import json
from pathlib import Path

import numpy as np
import pytest

from tasks.artifacts import Choice, Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.champion import Standing
from tasks.evaluation.choose import choose
from tests.tasks.judged import judged_model, judged_users


def night(
    folder: Path, figures: dict[str, list[float]], half: list[int], *, beside: str = ""
) -> tuple[Choice, dict]:
    """The choice between the models of `figures` but for the one called `beside`, and what was written down."""
    held = judged_users(folder / "held", half)
    np.savez(held / "cold_half.npz", half=np.array([0, 1], np.int8))
    evaluations = []
    for name, values in {**figures, "fallback": [0.1, 0.2]}.items():
        place = folder / name
        per_user = {f"{m}@10": np.array(values, float) for m in ("ndcg", "recall")}
        judged_model(place, per_user, lists=np.zeros((len(values), 1), np.int32))
        evaluations.append(Evaluation(name, place, name, 0.0))
    out = folder / "out"
    out.mkdir()
    held_out = HeldOut("h", held, half.count(0), half.count(1), 2, 0.0)
    settings = JudgeSettings(k=(10,), bootstrap_samples=200)
    choice = choose(
        tuple(evaluations[:-1]),
        [name for name in figures if name != beside],
        evaluations[-1],
        held_out,
        Standing(),
        settings,
        seed=1,
        key="k",
        folder=out,
    )
    return choice, json.loads((out / "metrics.json").read_text())


def test_the_select_half_decides_whatever_the_report_half_says(tmp_path: Path) -> None:
    half = [0, 0, 1, 1]
    choice, _ = night(tmp_path / "a", {"popularity": [0.1, 0.1, 0.9, 0.9], "als": [0.2, 0.2, 0.0, 0.0]}, half)
    turned, _ = night(tmp_path / "b", {"popularity": [0.1, 0.1, 0.0, 0.0], "als": [0.2, 0.2, 0.9, 0.9]}, half)
    assert choice.champion == turned.champion == "als"
    assert choice.why == turned.why
    assert "0.2000, before popularity with 0.1000" in choice.why


def test_a_tie_goes_to_the_model_that_stands_first_on_the_shelf(tmp_path: Path) -> None:
    choice, _ = night(tmp_path, {"als": [0.5, 0.5], "item_knn": [0.5, 0.5]}, [0, 1])
    assert choice.champion == "als"


def test_popularity_off_the_shelf_is_compared_with_and_never_chosen(tmp_path: Path) -> None:
    figures = {"als": [0.1, 0.1, 0.1], "bpr": [0.0, 0.0, 0.1], "popularity": [0.5, 0.6, 0.7]}
    choice, written = night(tmp_path, figures, [0, 0, 1], beside="popularity")
    assert choice.ranking == ("als", "bpr")
    assert set(choice.decision.means) == {"als", "bpr"}
    gain = next(d for d in written["differences"] if (d["model"], d["half"]) == ("als", "select"))
    assert (gain["baseline"], gain["mean"]) == ("popularity", pytest.approx(-0.45))
    assert "popularity" in {row["model"] for row in written["metrics"] if row["segment"] == "all"}


def test_every_figure_is_written_with_its_interval_by_half(tmp_path: Path) -> None:
    values = [0.0, 0.2, 0.4, 1.0, 0.8, 0.6]
    _, written = night(tmp_path, {"popularity": [0.1] * 6, "als": values}, [0, 0, 0, 1, 1, 1])
    row = next(
        r
        for r in written["metrics"]
        if (r["model"], r["half"], r["metric"], r["segment"]) == ("als", "report", "ndcg", "all")
    )
    assert row["value"] == pytest.approx(0.8)
    assert row["ci_low"] < 0.8 < row["ci_high"]
    assert (row["k"], row["n_users"], row["segment"]) == (10, 3, "all")
    cold = [r for r in written["metrics"] if r["segment"] == "cold" and r["metric"] == "ndcg"]
    assert {(r["model"], r["half"]): r["value"] for r in cold} == {
        ("fallback", "select"): 0.1,
        ("fallback", "report"): 0.2,
    }
    gain = next(d for d in written["differences"] if d["model"] == "als" and d["half"] == "report")
    assert gain["baseline"] == "popularity"
    assert gain["mean"] == pytest.approx(0.7)
    assert gain["low"] > 0
    assert gain["n_users"] == 3


def test_with_nobody_to_judge_on_the_safe_model_is_chosen_and_said_so(tmp_path: Path) -> None:
    choice, _ = night(tmp_path, {"als": [0.5], "popularity": [0.1]}, [1])
    assert choice.champion == "popularity"
    assert "no user could be held out" in choice.why
