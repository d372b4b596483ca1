"""Means of friends' vectors, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.factors.friends import Friends
from tests.examples import examples
from tests.models.threads import on_one_and_all_threads


@st.composite
def linked_users(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw weights of links, who is known, and vectors; zeros for users who are not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n = draw(st.integers(1, 12))
    links = (
        rng.exponential(size=(n, n))
        * (rng.random((n, n)) < draw(st.sampled_from([0.1, 0.5])))
        * ~np.eye(n, dtype=bool)
    )
    known = rng.random(n) < 0.7
    return links, known, rng.standard_normal((n, 3)) * known[:, None]


def distances(links: np.ndarray, known: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return each user's vector less the mean of the known friends' vectors; zeros where there is no such distance."""
    ties = (links + links.T) * known
    found = np.zeros_like(vectors)
    for user in np.flatnonzero(known & (ties.sum(axis=1) > 0)):
        found[user] = vectors[user] - np.average(vectors, axis=0, weights=ties[user])
    return found


def as_links(links: np.ndarray) -> sparse.csr_array:
    return sparse.csr_array(links.astype(np.float32))


@given(linked_users())
@settings(max_examples=examples(40))
def test_pull_is_half_the_gradient_of_squared_distances(drawn: tuple[np.ndarray, ...]) -> None:
    links, known, vectors = drawn
    users = np.flatnonzero(known)[::-1].copy()
    found = Friends.of(as_links(links), known).pull(users, vectors.astype(np.float32))
    expected = np.zeros((len(known), 3))
    for place in np.ndindex(*vectors.shape):
        step = np.zeros_like(vectors)
        step[place] = 1e-4
        ahead, behind = (np.square(distances(links, known, vectors + s * step)).sum() for s in (1, -1))
        expected[place] = (ahead - behind) / 4e-4
    np.testing.assert_allclose(found, expected[users], atol=1e-3)


def test_users_without_a_vector_get_the_mean_of_their_friends() -> None:
    links = np.zeros((5, 5))
    links[0, 1], links[2, 0], links[3, 4] = (
        1,
        3,
        1,
    )  # user 0 has friends in both directions, 3 and 4 no known ones
    known = np.array([False, True, True, False, False])
    vectors = np.array([[9, 9], [1, 0], [0, 1], [9, 9], [9, 9]], np.float32)
    reached = Friends.of(as_links(links), known).fill_in(vectors, known)
    assert reached.tolist() == [True, True, True, False, False]
    np.testing.assert_allclose(vectors[:3], [[0.25, 0.75], [1, 0], [0, 1]])
    assert (vectors[3:] == 9).all()


def test_making_friends_leaves_the_links_alone() -> None:
    rng = np.random.default_rng(0)
    links = as_links(rng.random((9, 9)) * (rng.random((9, 9)) < 0.4) * ~np.eye(9, dtype=bool))
    before = links.copy()
    Friends.of(links, np.arange(9) != 3)
    assert np.array_equal(links.indices, before.indices)
    assert np.array_equal(links.data, before.data)


def test_pull_has_the_same_bits_on_one_thread_and_on_all() -> None:
    rng = np.random.default_rng(1)
    links = as_links(rng.random((400, 400)) * (rng.random((400, 400)) < 0.05) * ~np.eye(400, dtype=bool))
    friends = Friends.of(links, rng.random(400) < 0.8)
    vectors = rng.standard_normal((400, 8)).astype(np.float32)
    one, every = on_one_and_all_threads(lambda: friends.pull(np.arange(400), vectors))
    assert np.array_equal(one, every)


def test_weights_near_the_end_of_float32_are_compared() -> None:
    links = np.zeros((3, 3))
    links[0, 1] = links[1, 0] = links[0, 2] = links[2, 0] = 3e38
    means = Friends.of(as_links(links), np.ones(3, bool)).means.toarray()
    np.testing.assert_allclose(means, [[0, 0.5, 0.5], [1, 0, 0], [1, 0, 0]])


@pytest.mark.parametrize("weight", [np.inf, np.nan, 0.0, -1.0])
def test_weights_that_are_not_finite_and_above_0_are_refused(weight: float) -> None:
    links = sparse.csr_array((np.array([weight, 1], np.float32), ([0, 1], [1, 2])), shape=(3, 3))
    with pytest.raises(
        ValueError, match=r"1 of 2 links have weights such as .*; expected finite numbers above 0"
    ):
        Friends.of(links, np.ones(3, bool))
