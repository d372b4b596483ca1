from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from models.graph.lightgcn import LightGCN
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.social_gcn import SocialGCN, SocialGCNConfig, attended, taste_vectors
from models.interactions import Interactions
from tests.models.contract import EMPTY_USER, N_USERS, LikesContract, small_world

SMALL = SocialGCNConfig(factors=16, epochs=10, negatives=16, refreshes=2, device="cpu")


def befriended(data: Interactions, pairs: np.ndarray) -> Interactions:
    """Return `data` with mutual links, (n, 2) users."""
    both = np.vstack([pairs, pairs[:, ::-1]])
    links = sparse.csr_array((np.ones(len(both), np.float32), both.T), shape=(data.n_users,) * 2)
    links.sum_duplicates()
    links.data[:] = 1
    return replace(data, links=links)


def of_the_same_taste(data: Interactions) -> Interactions:
    """Return `small_world` with links between users of the same parity, which like the same items."""
    users = np.arange(N_USERS)
    return befriended(data, np.stack([users, (users + 2) % N_USERS], axis=1))


class TestSocialGCN(LikesContract):
    model = SocialGCN
    kept_of_own_history = 0.8
    config = SMALL

    def described(self, data: Interactions) -> Interactions:
        """Link users of `small_world` who like something in every test."""
        users = np.arange(12, 40 if data.n_users == N_USERS else 12)
        return befriended(data, np.stack([users[:-2], users[2:]], axis=1))


class TestSocialGCNWithoutLinks(LikesContract):
    model = SocialGCN
    kept_of_own_history = 0.9
    config = SMALL


def test_without_links_it_is_lightgcn() -> None:
    world = small_world()
    options = {name: getattr(SMALL, name) for name in LightGCNConfig.model_fields}
    plain = LightGCN(LightGCNConfig(**options)).fit(world, seed=1)
    unlinked = SocialGCN(SMALL.model_copy(update={"link_weight": 0})).fit(of_the_same_taste(world), seed=1)
    for model in (SocialGCN(SMALL).fit(world, seed=1), unlinked):
        assert np.array_equal(model.user_factors_, plain.user_factors_)
        assert np.array_equal(model.known_users_, plain.known_users_)


def test_a_user_without_likes_gets_the_lists_of_friends() -> None:
    model = SocialGCN(SMALL).fit(of_the_same_taste(small_world()), seed=1)
    items = model.recommend(np.array([EMPTY_USER]), 5).items[0]
    assert (items % 2 == EMPTY_USER % 2).all(), "friends like items of their parity"


def test_a_user_whose_friends_have_no_likes_stays_unknown() -> None:
    likes = np.kron(np.eye(2), np.ones((3, 4)))
    likes[[0, 1]] = 0
    data = befriended(Interactions.from_positive(sparse.csr_array(likes)), np.array([[0, 1]]))
    assert SocialGCN(SMALL).fit(data, seed=1).known_users_.tolist() == [False, False, True, True, True, True]


def test_attention_follows_the_cosine_of_tastes() -> None:
    tastes = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], np.float32)
    links = sparse.csr_array(np.ones((4, 4), np.float32) - np.eye(4, dtype=np.float32))
    found = attended(links, tastes, 2.0).toarray()
    assert found[0, 1] == pytest.approx(1)
    assert found[0, 2] == found[2, 0] == found[0, 3] == pytest.approx(np.exp(-2))


def test_a_link_in_one_direction_counts_half() -> None:
    links = sparse.csr_array(([1.0], ([0], [1])), shape=(2, 2))
    assert attended(links, np.zeros((2, 1), np.float32), 0.0).toarray().tolist() == [[0, 0.5], [0.5, 0]]


def test_tastes_of_users_without_likes_are_zero() -> None:
    vectors = taste_vectors(small_world().positive)
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths[EMPTY_USER] == 0
    np.testing.assert_allclose(np.delete(lengths, EMPTY_USER), 1, rtol=1e-5)
