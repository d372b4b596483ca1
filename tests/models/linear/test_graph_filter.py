import logging

import numpy as np
import pytest

from models.linear.graph_filter import GraphFilter, GraphFilterConfig, default_rank
from tests.models.contract import EMPTY_USER, N_USERS, PersonalContract, interactions, small_world


class TestGraphFilter(PersonalContract):
    model = GraphFilter


class TestTooManyFrequencies(PersonalContract):
    model = GraphFilter
    config = GraphFilterConfig(rank=4096)


class TestLittleMemory(PersonalContract):
    model = GraphFilter
    config = GraphFilterConfig(memory_mb=0.005)


@pytest.mark.parametrize(("rank", "low_pass"), [(3, 0.3), (8, 1.0), (5, 0.0)])
def test_scores_of_unseen_items_are_those_of_the_published_formula(rank: int, low_pass: float) -> None:
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


def test_where_memory_is_short_the_strongest_are_kept_and_it_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = interactions(np.random.default_rng(0).random((50, 80)) < 0.3)
    everything = GraphFilter().fit(data, seed=1).similarity_.toarray()
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        kept = GraphFilter(GraphFilterConfig(memory_mb=0.01)).fit(data, seed=1).similarity_
    assert "strongest" in caplog.text
    assert "memory_mb" in caplog.text
    assert kept.nnz * 8 <= 10_000
    dense = kept.toarray()
    for item in range(80):
        assert (dense[:, item] > 0).any()
        least = dense[dense[:, item] > 0, item].min()
        assert (everything[dense[:, item] == 0, item] <= least + 1e-7).all()


def test_the_rank_grows_with_the_root_of_the_smaller_side() -> None:
    assert default_rank((29_858, 40_981)) == 256
    assert default_rank((40_981, 29_858)) == 256
    assert default_rank((1, 5)) == 1
    assert default_rank((0, 4)) == 1
