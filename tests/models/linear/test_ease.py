import logging
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import sparse

from models.base import DivergedError
from models.linear.ease import EASE, EASEConfig, dense_mb, weigh_users
from tests.models.contract import N_USERS, ONE_ITEM_USER, PersonalContract, interactions, small_world
from tests.models.linear.memory import peak_mb

pytestmark = pytest.mark.usefixtures("one_thread")

PLAIN = EASEConfig(regularization=2.0, user_exponent=0.0, neighbours=100)


class TestEASE(PersonalContract):
    model = EASE
    config = PLAIN


class TestSparseEASE(PersonalContract):
    model = EASE
    config = PLAIN.model_copy(update={"solver": "sparse"})


class TestEASEByDefault(PersonalContract):
    model = EASE


def test_scores_equal_the_published_formula() -> None:
    world = small_world()
    x = world.positive.toarray().astype(np.float64)
    inverse = np.linalg.inv(x.T @ x + 2 * np.eye(x.shape[1]))
    weights = np.eye(x.shape[1]) - inverse / np.diag(inverse)
    scores = EASE(PLAIN).fit(world, seed=1).score(np.arange(len(x)))
    known = np.isfinite(scores)
    assert known.any(axis=1).sum() == (x.sum(axis=1) > 0).sum()
    np.testing.assert_allclose(scores[known], (x @ weights)[known], atol=1e-5)


def test_dropout_and_exponents_equal_the_published_formula() -> None:
    world = small_world()
    x = world.positive.toarray().astype(np.float64)
    users, items = np.maximum(x.sum(axis=1), 1), np.maximum(x.sum(axis=0), 1)
    weighed = x / users[:, None] ** 0.15
    weighed *= np.sqrt(x.sum() / (weighed**2).sum())
    gram = weighed.T @ weighed
    inverse = np.linalg.inv(gram + np.diag(2 + 0.6 / 0.4 * np.diag(gram)))
    weights = np.eye(x.shape[1]) - inverse / np.diag(inverse)
    weights *= items**0.2 / items[:, None] ** 0.2
    options = {"user_exponent": 0.15, "dropout": 0.6, "item_exponent": 0.2}
    scores = EASE(PLAIN.model_copy(update=options)).fit(world, seed=1).score(np.arange(len(x)))
    known = np.isfinite(scores)
    assert known.sum() > 1000
    np.testing.assert_allclose(scores[known], (x @ weights)[known], atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5, "item_exponent": -0.3}])
def test_sparse_solver_agrees_when_all_pairs_share_a_user(options: dict[str, float]) -> None:
    data = interactions(np.random.default_rng(0).random((200, 30)) < 0.4)
    plain = PLAIN.model_copy(update=options)
    dense = EASE(plain).fit(data, seed=1).score(np.arange(200))
    sparsely = EASE(plain.model_copy(update={"solver": "sparse"})).fit(data, seed=1).score(np.arange(200))
    np.testing.assert_allclose(sparsely, dense, atol=2e-3)


def test_neighbours_limits_the_weights_per_item() -> None:
    for solver in ("dense", "sparse"):
        config = PLAIN.model_copy(update={"neighbours": 3, "solver": solver})
        similarity = EASE(config).fit(small_world(), seed=1).similarity_
        assert np.bincount(similarity.indices).max() == 3


def test_sparse_solver_takes_over_above_the_memory_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = interactions(np.random.default_rng(0).random((40, 600)) < 0.1)
    tight = PLAIN.model_copy(update={"memory_mb": 1})
    with caplog.at_level(logging.WARNING):
        model = EASE(tight).fit(data, seed=1)
    assert caplog.messages == [
        "ease: the dense solver needs 3.8 MB for 600 items of 100 neighbours and memory_mb is 1: each item is "
        "regressed on its 100 best predictors only; raise memory_mb for the exact solution"
    ]
    sparsely = EASE(tight.model_copy(update={"solver": "sparse"})).fit(data, seed=1)
    assert np.array_equal(model.similarity_.toarray(), sparsely.similarity_.toarray())
    with pytest.raises(ValueError, match="memory_mb is 1: raise it"):
        EASE(tight.model_copy(update={"solver": "dense"})).fit(data, seed=1)


@pytest.mark.parametrize(
    ("solver", "warning"),
    [
        ("auto", "each item is regressed on its 104 best predictors only"),
        ("sparse", "ease keeps only the 104 strongest neighbours: 500 could take 2.4 MB"),
    ],
)
def test_fewer_predictors_are_warned_of_once(
    solver: str, warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    data = interactions(np.random.default_rng(0).random((40, 600)) < 0.5)
    with caplog.at_level(logging.WARNING):
        model = EASE(EASEConfig.model_validate({"memory_mb": 1, "solver": solver})).fit(data, seed=1)
    (message,) = caplog.messages
    assert warning in message
    assert np.bincount(model.similarity_.indices).max() == 104


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("solver", ["dense", "sparse"])
def test_ratings_too_large_to_compute_with_are_an_error(solver: str) -> None:
    config = EASEConfig.model_validate({"matrix": "rating", "solver": solver})
    with pytest.raises(DivergedError, match="too large: products overflow"):
        EASE(config).fit(interactions(1e20 * np.random.default_rng(0).integers(0, 3, (30, 20))), seed=1)


def test_no_warning_within_the_memory_limit(caplog: pytest.LogCaptureFixture) -> None:
    EASE(PLAIN).fit(small_world(), seed=1)
    assert not caplog.records


def test_users_of_many_items_count_for_less() -> None:
    matrix = interactions(np.array([[1, 0, 0, 0], [1, 1, 1, 1]])).positive
    weighed = weigh_users(matrix, 0.5)
    assert weighed[[0]].data[0] / weighed[[1]].data[0] == pytest.approx(2)
    assert (weighed.data**2).mean() == pytest.approx(1)
    assert weigh_users(matrix, 0.0).data == pytest.approx(matrix.data)


@pytest.mark.parametrize("exponent", [0.0, 0.25, 1.0])
def test_a_user_of_explicit_zeros_has_no_weight(exponent: float) -> None:
    zeros = sparse.csr_array((np.array([2, 0, 0, 3], np.float32), ([0, 1, 1, 2], [0, 0, 1, 1])), shape=(4, 2))
    weighed = weigh_users(zeros, exponent).toarray()
    assert np.isfinite(weighed).all()
    assert (weighed != 0).tolist() == [[True, False], [False, False], [False, True], [False, False]]
    assert not weigh_users(zeros * np.float32(0), exponent).data.any()


@pytest.mark.parametrize("solver", ["dense", "sparse"])
def test_a_user_whose_only_rating_is_zero_does_no_harm(solver: str) -> None:
    world = small_world()
    rating = world.rating.copy()
    rating.data[slice(*rating.indptr[ONE_ITEM_USER : ONE_ITEM_USER + 2])] = 0
    config = EASEConfig.model_validate({"matrix": "rating", "solver": solver})
    model = EASE(config).fit(replace(world, rating=rating), seed=1)
    assert np.isfinite(model.similarity_.data).all()
    assert (model.recommend(np.arange(N_USERS), 5).items >= 0).sum() == 5 * (N_USERS - 2)


@pytest.mark.parametrize("neighbours", [50, 100_000])
@pytest.mark.parametrize("solver", ["dense", "sparse"])
def test_the_memory_limit_holds(solver: Literal["dense", "sparse"], neighbours: int) -> None:
    data = interactions(np.random.default_rng(0).random((200, 600)) < 0.05)
    limit = int(np.ceil(dense_mb(600, neighbours))) if solver == "dense" else 4
    block_of_scores = 600 * 600 * 4e-6 if solver == "sparse" else 0
    model = EASE(EASEConfig(memory_mb=limit, solver=solver, neighbours=neighbours))
    assert peak_mb(lambda: model.fit(data, seed=1)) < limit + block_of_scores
    assert model.similarity_.nnz > 0


@pytest.mark.parametrize("field", ["regularization", "neighbours", "memory_mb"])
def test_values_out_of_range_are_refused_by_name(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        EASEConfig.model_validate({field: 0})
