"""Ensembles are compared, on the report half, with single models: the blend with the one the select half chooses."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.blend import compared, gain
from tasks.artifacts import Evaluation
from tasks.config.load import load_settings
from tasks.datasets.synthetic.generate import generate_demo
from tasks.errors import UsageError
from tasks.monitoring.events import SilentWatcher
from tasks.run.lifecycle import run_night
from tasks.storage.home import Home, open_home

HALF = np.array([0, 0, 1, 1, 1, 1])
VALUES = {
    "als": [0.5, 0.5, 0.1, 0.1, 0.1, 0.1],
    "bpr": [0.4, 0.4, 0.9, 0.9, 0.9, 0.9],  # best on the report half, by which no model may be chosen
    "blend": [0.6, 0.6, 0.2, 0.1, 0.2, 0.1],
}


def test_the_gain_is_over_the_model_of_the_select_half(tmp_path: Path) -> None:
    found = []
    for name, values in VALUES.items():
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "per_user.npz", **{"ndcg@10": np.array(values)})
        found.append(Evaluation(name, tmp_path / name, name, 0.0))
    sentence, line = gain(found[2], found[:2], HALF, load_settings())
    assert "blend 0.1500, als 0.1000: +50.0%, +0.0500 [" in sentence
    assert "in the folds of the select half +20.0%" in sentence
    assert line.startswith("blend=0.15000 best=0.10000 model=als relative=0.50000 difference=0.05000 low=0.0")


def test_the_gain_of_two_stages_bears_their_name(tmp_path: Path) -> None:
    found = []
    for name, values in (("als", VALUES["als"]), ("two_stage", VALUES["blend"])):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "per_user.npz", **{"ndcg@10": np.array(values)})
        found.append(Evaluation(name, tmp_path / name, name, 0.0))
    sentence, line = gain(found[1], found[:1], HALF, load_settings())
    assert sentence.startswith("ndcg@10 two_stage 0.1500, als 0.1000: +50.0%, ")
    assert line.startswith("two_stage=0.15000 best=0.10000 model=als ")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("compared")
    generate_demo(folder / "tiny", users=150, items=100, ratings=4000, tags=300, seed=3)
    return open_home(str(folder / "tiny"), folder / "home")


def lines_of(home: Home, *options: str) -> list[str]:
    """Run the benchmark on the home, with popularity as the retriever of two models; return what it would print."""
    settings = load_settings(
        None, ("models.shelf=popularity,item_knn", "ranking.retriever=popularity", "split.method=leave_last",
               "judge.bootstrap_samples=100", *options),
    )  # fmt: skip
    found: list[str] = []
    run_night(home, settings, lambda night: found.extend(compared(night)), SilentWatcher())
    return found


@pytest.mark.slow
def test_each_ensemble_is_compared_with_its_own_models(home: Home) -> None:
    """The two stages with what retrieves, though the select half would choose another model, as for the blend."""
    sentences = lines_of(home)
    starts = [re.match(r"ndcg@10 (\w+) [\d.]+, (\w+) ", line).groups() for line in sentences[::2]]
    assert starts == [("two_stage", "popularity"), ("blend", "item_knn")]
    figures = [dict(part.split("=") for part in line.split()) for line in sentences[1::2]]
    assert [each["model"] for each in figures] == ["popularity", "item_knn"]
    assert all(float(each[name]) > 0 for each, name in zip(figures, ("two_stage", "blend"), strict=True))
    alone = lines_of(home, "blend.enabled=false")
    assert alone == sentences[:2]


@pytest.mark.slow
def test_no_ensemble_is_refused_with_the_reason(home: Home) -> None:
    with pytest.raises(UsageError, match="There is no ensemble: none has enough members on the shelf"):
        lines_of(home, "blend.enabled=false", "ranking.retriever=als")
    with pytest.raises(
        UsageError, match=r"There is no ensemble: none: .* needs 30 users .*; none: .* needs 30 users"
    ):
        lines_of(home, "split.method=temporal")
