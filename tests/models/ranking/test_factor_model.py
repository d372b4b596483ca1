"""Values that the three arrays of a factor model may hold after a fit."""

import numpy as np
import pytest

from models.base import DivergedError
from models.ranking.factor_model import FactorRecommender
from tests.models.contract import interactions


class Fake(FactorRecommender):
    name = "fake"
    matrix = "positive"
    remedy = "a shorter `stride` is safer"
    spoilt = None

    def _fit(self, matrix, data, **_):
        self.user_factors_ = np.ones((data.n_users, 3), np.float32)
        self.item_factors_ = np.ones((data.n_items, 3), np.float32)
        self.item_bias_ = np.zeros(data.n_items, np.float32)
        if self.spoilt:
            name, value = self.spoilt
            getattr(self, name)[-1] = value


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["user_factors_", "item_factors_", "item_bias_"])
def test_diverged_training_raises_with_the_remedy(name, value):
    model = Fake()
    model.spoilt = name, value
    with pytest.raises(DivergedError, match=r"^fake: training diverged; a shorter `stride` is safer$"):
        model.fit(interactions(np.ones((3, 4))), seed=1)


@pytest.mark.filterwarnings("error")
def test_scores_that_overflow_float32_are_divergence():
    model = Fake()
    model.spoilt = "user_factors_", 1e30
    with pytest.raises(DivergedError):
        model.fit(interactions(np.ones((3, 4))), seed=1)
    model.spoilt = "user_factors_", 1e15
    assert np.isfinite(model.fit(interactions(np.ones((3, 4))), seed=1).score(np.arange(3))).all()


def test_an_empty_matrix_is_no_divergence():
    Fake().fit(interactions(np.ones((0, 0))), seed=1)


def test_items_of_no_positive_cosine_are_not_similar():
    model = Fake().fit(interactions(np.ones((3, 5))), seed=1)
    model.item_factors_ = np.array([[1, 0], [2, 1], [-1, 0], [0, 3], [-1, -2]], np.float32)
    top = model.similar_items(np.arange(5), 4)
    assert top.items.tolist() == [
        [1, -1, -1, -1], [0, 3, -1, -1], [4, -1, -1, -1], [1, -1, -1, -1], [2, -1, -1, -1],
    ]  # fmt: skip
    assert np.array_equal(np.isnan(top.scores), top.items < 0)
