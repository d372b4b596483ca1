"""The contract on NeuMF, whole and in parts, on likes and on ratings."""

from typing import ClassVar

import numpy as np
import pytest

from models.neural.neumf import NeuMF
from models.neural.neumf_config import NeuMFConfig
from tests.models.contract import EMPTY_USER, LikesContract, RecommenderContract, small_world
from tests.models.fitted_once import FittedOnce

SMALL = {"factors": 8, "batch": 2048, "learning_rate": 0.01, "patience": 30, "start": "als"}


class TestNeuMF(FittedOnce, LikesContract):
    model = NeuMF
    config: ClassVar[NeuMFConfig] = NeuMFConfig(**SMALL, epochs=30)
    kept_of_own_history = 0.5


class TestGMF(TestNeuMF):
    config: ClassVar[NeuMFConfig] = NeuMFConfig(**SMALL, epochs=30, parts="gmf")


@pytest.mark.slow
class TestMLP(TestNeuMF):
    config: ClassVar[NeuMFConfig] = NeuMFConfig(
        **SMALL | {"learning_rate": 0.04, "patience": 150}, epochs=150, parts="mlp", layers=2, dropout=0.0
    )
    share_of_the_taste = 0.9


class TestNeuMFOfRatings(FittedOnce, RecommenderContract):
    model = NeuMF
    config: ClassVar[NeuMFConfig] = NeuMFConfig(**SMALL, epochs=10, objective="rating")
    kept_of_own_history = 0.5

    def test_an_empty_row_is_an_unknown_user(self) -> None:
        model = self.fitted(small_world())
        assert np.isnan(model.score(np.array([EMPTY_USER]))).all()
        assert (model.recommend(np.array([EMPTY_USER]), 5).items == -1).all()
