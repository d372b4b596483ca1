"""The blend is compared, on the report half, with the single model that the select half chooses."""

from pathlib import Path

import numpy as np

from benchmarks.blend import gain
from tasks.artifacts import Evaluation
from tasks.config.load import load_settings

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
