"""The contract on both versions of AutoRec.

As a model of ratings it inherits the contract of models that need not be personal on likes alone.
"""

from typing import ClassVar

import numpy as np

from models.neural.autorec import AutoRec
from models.neural.autorec_config import AutoRecConfig
from tests.models.contract import EMPTY_USER, RecommenderContract, small_world
from tests.models.fitted_once import FittedOnce

SMALL = {"factors": 8, "epochs": 10, "batch": 500, "learning_rate": 0.01}


class TestItemAutoRec(FittedOnce, RecommenderContract):
    model = AutoRec
    config: ClassVar[AutoRecConfig] = AutoRecConfig(**SMALL)
    kept_of_own_history = 0.5

    def test_an_empty_row_is_an_unknown_user(self) -> None:
        model = self.fitted(small_world())
        assert np.isnan(model.score(np.array([EMPTY_USER]))).all()
        assert (model.recommend(np.array([EMPTY_USER]), 5).items == -1).all()


class TestUserAutoRec(TestItemAutoRec):
    config: ClassVar[AutoRecConfig] = AutoRecConfig(**SMALL, rows="users")
