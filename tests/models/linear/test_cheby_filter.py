import numpy as np
import pytest

from models.linear import cheby_filter
from models.linear.cheby_filter import ChebyFilter, ChebyFilterConfig, plateau
from tests.models.contract import N_USERS, PersonalContract, interactions, small_world


class TestChebyFilter(PersonalContract):
    model = ChebyFilter


@pytest.mark.parametrize(("order", "flatness", "exponent"), [(8, 1.5, 0.4), (1, 1.0, 0.0), (5, 10.0, 0.2)])
def test_scores_equal_the_filter_in_the_spectral_domain(order: int, flatness: float, exponent: float) -> None:
    world = small_world()
    rows = world.positive.toarray().astype(np.float64)
    users, items = np.maximum(rows.sum(axis=1), 1), np.maximum(rows.sum(axis=0), 1)
    normalised = rows / np.sqrt(users)[:, None] / np.sqrt(items)
    values, vectors = np.linalg.eigh(np.eye(rows.shape[1]) - 2 * normalised.T @ normalised)
    passed = np.polynomial.chebyshev.chebval(values, plateau(order, flatness).astype(np.float64))
    passed[:6] += 0.3  # the lowest six frequencies, once more
    filter_ = vectors * passed @ vectors.T
    expected = (rows / items**exponent) @ filter_ * items**exponent

    config = ChebyFilterConfig(order=order, flatness=flatness, item_exponent=exponent, rank=6, low_pass=0.3)
    model = ChebyFilter(config).fit(world, seed=1)
    scores = model.score(np.arange(N_USERS))
    known = np.isfinite(scores)
    assert known.sum() > 1000
    np.testing.assert_allclose(scores[known], expected[known], atol=2e-5)


@pytest.mark.parametrize("flatness", [1.0, 1.5, 10.0])
def test_the_plateau_falls_from_one_to_zero(flatness: float) -> None:
    x = np.linspace(-1, 1, 101)
    found = np.polynomial.chebyshev.chebval(x, plateau(30, flatness))
    np.testing.assert_allclose(found, (1 - np.sign(x) * np.abs(x) ** flatness) / 2, atol=0.03)


def test_a_plateau_of_flatness_one_is_the_linear_filter() -> None:
    np.testing.assert_allclose(plateau(8, 1.0), [0.5, -0.5, *[0] * 7], atol=1e-7)


def test_blocks_change_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    data = interactions(np.random.default_rng(0).random((300, 120)) < 0.1)
    model = ChebyFilter().fit(data, seed=1)
    whole = model.recommend(np.arange(300), 10, exclude=data.seen)
    monkeypatch.setattr(cheby_filter, "_BLOCK", 7)
    assert np.array_equal(model.recommend(np.arange(300), 10, exclude=data.seen).items, whole.items)


def test_items_that_no_path_leads_to_are_not_listed() -> None:
    apart = np.random.default_rng(0).random((200, 120)) < 0.1
    apart[0], apart[:, 0], apart[0, 0] = False, False, True  # one user's only item, which nobody else has
    data = interactions(apart)
    model = ChebyFilter(ChebyFilterConfig(low_pass=0)).fit(data, seed=1)
    assert (model.recommend(np.array([0]), 10, exclude=data.seen).items == -1).all()
