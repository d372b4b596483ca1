import logging
from contextlib import nullcontext

import numba
import numpy as np
import pytest

from models.base import DivergedError
from models.linear.graph_filter import GraphFilter, GraphFilterConfig, default_rank
from models.neighbours import neighbourhoods
from models.numerics import truncated_svd
from models.numerics.threads import one_blas_thread
from tests.models.contract import EMPTY_USER, N_USERS, PersonalContract, interactions, small_world
from tests.models.linear.memory import peak_mb
from tests.models.threads import on_one_and_all_threads


class TestGraphFilter(PersonalContract):
    model = GraphFilter


class TestTooManyFrequencies(PersonalContract):
    model = GraphFilter
    config = GraphFilterConfig(rank=4096)


class TestLittleMemory(PersonalContract):
    model = GraphFilter
    config = GraphFilterConfig(memory_mb=1)
    share_of_the_taste = 0.9

    @pytest.fixture(autouse=True)
    def large_neighbours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(neighbourhoods, "stored_mb", lambda n_neighbours: n_neighbours * 8 * 200 / 1e6)


@pytest.mark.parametrize(("rank", "low_pass"), [(3, 0.3), (8, 1.0), (5, 0.0)])
def test_scores_of_unseen_items_equal_the_formula(rank: int, low_pass: float) -> None:
    world = small_world()
    rows = world.positive.toarray().astype(np.float64)
    users, items = np.maximum(rows.sum(axis=1), 1), np.maximum(rows.sum(axis=0), 1)
    normalised = rows / np.sqrt(users)[:, None] / np.sqrt(items)
    low = np.linalg.svd(normalised, full_matrices=False)[2][:rank]
    linear = rows @ normalised.T @ normalised

    expected = linear + low_pass * (rows / np.sqrt(items)) @ low.T @ low * np.sqrt(items)

    model = GraphFilter(GraphFilterConfig(rank=rank, low_pass=low_pass)).fit(world, seed=1)
    scores = model.score(np.arange(N_USERS))
    unseen = (rows == 0) & (items > 0) & model.known_items_
    unseen[EMPTY_USER] = False
    assert unseen.sum() > 1000
    np.testing.assert_allclose(scores[unseen], expected[unseen], atol=1e-5)


@pytest.mark.parametrize("low_pass", [0.3, 0.0])
def test_items_without_a_score_are_not_listed(low_pass: float) -> None:
    apart = np.random.default_rng(0).random((200, 120)) < 0.1
    apart[0], apart[:, 0], apart[0, 0] = False, False, True  # one user's only item, which nobody else has
    data = interactions(apart)
    model = GraphFilter(GraphFilterConfig(low_pass=low_pass)).fit(data, seed=1)
    assert (model.recommend(np.array([0]), 10, exclude=data.seen).items == -1).all()
    assert np.isnan(model.score(np.array([0]))[0, 1:]).all()
    assert (model.recommend(np.array([1]), 10, exclude=data.seen).items > 0).all()


@pytest.mark.parametrize("memory_mb", [8, 30], ids=["the strongest", "everything"])
def test_the_memory_limit_holds(memory_mb: int) -> None:
    data = interactions(np.random.default_rng(0).random((300, 1500)) < 0.1)
    model = GraphFilter(GraphFilterConfig(memory_mb=memory_mb))
    block_of_scores = 1024 * 1500 * 4e-6
    assert peak_mb(lambda: model.fit(data, seed=1)) < memory_mb + block_of_scores
    assert (model.similarity_.nnz * 8e-6 < memory_mb / 2) == (memory_mb == 8)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truncated_svd, "_DENSE", 0)
    data = interactions(np.random.default_rng(0).random((350, 300)) < 0.1)

    def fitted() -> GraphFilter:
        # Not by threadpool_limits: it obeys only the first thread that calls it, which is that of one_blas_thread.
        with one_blas_thread() if numba.get_num_threads() == 1 else nullcontext():
            return GraphFilter(GraphFilterConfig(rank=5)).fit(data, seed=1)

    one, several = on_one_and_all_threads(fitted)
    assert np.array_equal(one.similarity_.data, several.similarity_.data)
    assert np.array_equal(one.user_factors_, several.user_factors_)
    assert np.array_equal(one.item_factors_, several.item_factors_)


def test_the_strongest_are_kept_when_memory_is_short(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = interactions(np.random.default_rng(0).random((50, 400)) < 0.3)
    unlimited = GraphFilter().fit(data, seed=1).similarity_.toarray()
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        kept = GraphFilter(GraphFilterConfig(memory_mb=1)).fit(data, seed=1).similarity_
    assert "graph_filter keeps only the 156 strongest" in caplog.text
    assert kept.nnz * 8 <= 500_000
    dense = kept.toarray()
    for item in range(400):
        assert (dense[:, item] > 0).any()
        least = dense[dense[:, item] > 0, item].min()
        assert (unlimited[dense[:, item] == 0, item] <= least + 1e-7).all()


def test_the_rank_grows_with_the_root_of_the_smaller_side() -> None:
    assert default_rank(29_858, 40_981) == 256
    assert default_rank(40_981, 29_858) == 256
    assert default_rank(1, 5) == 1
    assert default_rank(0, 4) == 1


def test_rank_ignores_users_and_items_without_an_entry() -> None:
    few = np.random.default_rng(0).random((60, 60)) < 0.3
    padded = np.zeros((300, 400))
    padded[:60, :60] = few
    widths = [
        GraphFilter().fit(interactions(matrix), seed=1).item_factors_.shape[1] for matrix in (few, padded)
    ]
    assert widths == [default_rank(60, 60)] * 2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rating", [1e18, 1e20, 1e38])
def test_ratings_too_large_to_compute_with_are_an_error(rating: float) -> None:
    data = interactions(rating * np.random.default_rng(0).integers(0, 3, (30, 20)))
    with pytest.raises(DivergedError, match=r"too large: (products|scores) overflow"):
        GraphFilter(GraphFilterConfig(matrix="rating")).fit(data, seed=1)
