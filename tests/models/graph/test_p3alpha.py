import numpy as np
import pytest

from models.base import Recommender
from models.graph.p3alpha import P3Alpha, P3AlphaConfig
from models.graph.rp3beta import RP3Beta, RP3BetaConfig
from tests.models.contract import N_USERS, LikesContract, interactions, small_world


class TestP3Alpha(LikesContract):
    model = P3Alpha
    config = P3AlphaConfig()


class TestRP3Beta(LikesContract):
    model = RP3Beta
    config = RP3BetaConfig()


def walks(likes: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """Return the powers of the probabilities of two steps from item to item, by dense products."""
    users, items = (np.maximum(likes.sum(axis=axis, keepdims=True), 1) for axis in (1, 0))
    found = (likes / items**alpha).T @ (likes / users**alpha) / items**beta
    np.fill_diagonal(found, 0)
    return found


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.6, 0.0), (0.7, 0.5)])
def test_items_are_reached_by_two_steps_of_the_walk(alpha: float, beta: float) -> None:
    world = small_world()
    model = RP3Beta(RP3BetaConfig(alpha=alpha, beta=beta)).fit(world, seed=1)
    expected = walks(world.positive.toarray(), alpha, beta)
    np.testing.assert_allclose(model.similarity_.toarray(), expected, rtol=1e-5)
    scores = np.nan_to_num(model.score(np.arange(N_USERS)))
    np.testing.assert_allclose(scores, world.positive.toarray() @ expected, rtol=1e-4)


def test_p3alpha_is_rp3beta_without_a_penalty() -> None:
    world = small_world()
    one = P3Alpha(P3AlphaConfig(alpha=0.8)).fit(world, seed=1)
    other = RP3Beta(RP3BetaConfig(alpha=0.8, beta=0)).fit(world, seed=1)
    assert np.array_equal(one.similarity_.toarray(), other.similarity_.toarray())


@pytest.mark.parametrize("model", [P3Alpha(), RP3Beta()])
def test_similar_items_are_the_ends_of_a_walk_from_the_item(model: Recommender) -> None:
    world = small_world()
    model.fit(world, seed=1)
    beta = model.config.beta if isinstance(model, RP3Beta) else 0.0
    expected = walks(world.positive.toarray(), model.config.alpha, beta)  # type: ignore[attr-defined]
    lists = model.similar_items(np.array([0, 1]), 5)
    for item, found, scores in zip((0, 1), lists.items, lists.scores, strict=True):
        np.testing.assert_allclose(scores, np.sort(expected[item])[::-1][:5], rtol=1e-5)
        np.testing.assert_allclose(expected[item, found], scores, rtol=1e-5)


def test_k_keeps_the_items_that_most_likely_lead_to_an_item() -> None:
    world = small_world()
    every = walks(world.positive.toarray(), 0.5, 0.4)
    kept = RP3Beta(RP3BetaConfig(k=4)).fit(world, seed=1).similarity_.toarray()
    assert (np.count_nonzero(kept, axis=0) <= 4).all()
    np.testing.assert_allclose(kept.sum(axis=0), np.sort(every, axis=0)[-4:].sum(axis=0), rtol=1e-5)


def test_a_penalty_lists_less_popular_items() -> None:
    rng = np.random.default_rng(0)
    data = interactions((rng.random((200, 60)) < np.linspace(0.02, 0.6, 60)).astype(np.float32))
    popularity = data.positive.sum(axis=0)
    means = []
    for beta in (0.0, 0.5, 1.0):
        lists = (
            RP3Beta(RP3BetaConfig(beta=beta))
            .fit(data, seed=1)
            .recommend(np.arange(200), 5, exclude=data.seen)
        )
        means.append(popularity[lists.items[lists.items >= 0]].mean())
    assert means[0] > means[1] > means[2]
