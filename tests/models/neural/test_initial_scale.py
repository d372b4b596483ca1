import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from models.neural.initial_scale import logistic_scale


def loss(found: np.ndarray, liked: np.ndarray, others: np.ndarray, weight: float) -> float:
    scale, bias = found
    return float(
        np.logaddexp(0, -(scale * liked + bias)).sum() + weight * np.logaddexp(0, scale * others + bias).sum()
    )


@given(st.integers(0, 1000), st.floats(0.1, 20), st.floats(-2, 2), st.floats(-3, 3))
def test_the_scale_is_that_of_logistic_regression(
    seed: int, weight: float, size: float, middle: float
) -> None:
    rng = np.random.default_rng(seed)
    spread = 10.0**size
    liked, others = (spread * rng.normal(m, 1, 200) + middle for m in (0.8, 0))
    found = logistic_scale(liked.astype(np.float32), others.astype(np.float32), weight)
    unit = [(part - middle) / spread for part in (liked, others)]
    best = minimize(loss, np.zeros(2), args=(*unit, weight)).x
    assert found[0] * spread == pytest.approx(best[0], rel=1e-2, abs=1e-2)
    assert found[1] + found[0] * middle == pytest.approx(best[1], rel=1e-2, abs=1e-2)


def test_scores_without_overlap_have_a_finite_scale() -> None:
    scale, bias = logistic_scale(np.linspace(1, 2, 100), np.linspace(-2, -1, 100), 4)
    assert 1 < scale < 100
    assert scale * -1 + bias < 0 < scale * 1 + bias


@pytest.mark.parametrize("liked", [[2.0], [2.0, 2.0]])
def test_equal_scores_have_a_finite_scale(liked: list[float]) -> None:
    assert np.isfinite(logistic_scale(np.array(liked), np.array(liked), 4)).all()


def test_scores_that_rank_backwards_are_not_turned_round() -> None:
    rng = np.random.default_rng(0)
    scale, bias = logistic_scale(rng.normal(-1, 1, 300), rng.normal(1, 1, 300), 1)
    assert scale == 0
    assert bias == pytest.approx(0, abs=0.1)


def test_without_scores_there_is_no_scale() -> None:
    assert logistic_scale(np.empty(0), np.ones(3), 4) == logistic_scale(np.ones(3), np.empty(0), 4) == (0, 0)
