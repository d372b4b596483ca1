"""The demo's friendships: how many, between whom and when, and how friends pull a user's taste."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.datasets.synthetic.friendships import Friendships, follow_friends, make_friendships
from tasks.datasets.synthetic.taste_model import DAY, END
from tasks.datasets.synthetic.users import Users, make_users
from tests.examples import examples


def users_and_friendships(n: int, seed: int = 7) -> tuple[Users, Friendships]:
    users = make_users(n, 20 * n, 0, 100, np.random.default_rng([seed, 1]))
    return users, make_friendships(users, np.random.default_rng([seed, 2]))


@pytest.fixture(scope="module")
def made() -> tuple[Users, Friendships]:
    return users_and_friendships(1500)


def number_of_friends(users: Users, friendships: Friendships) -> np.ndarray:
    return np.bincount(np.concatenate([friendships.user, friendships.friend]), minlength=len(users.joined))


@settings(max_examples=examples(20))
@given(n=st.integers(1, 120), seed=st.integers(0, 2**32))
def test_each_friendship_is_there_once(n: int, seed: int) -> None:
    users, friendships = users_and_friendships(n, seed)
    assert (friendships.user < friendships.friend).all()
    assert friendships.friend.max(initial=0) < len(users.joined)
    pairs = np.stack([friendships.user, friendships.friend], axis=1)
    assert len(np.unique(pairs, axis=0)) == len(pairs) == len(friendships.time)
    assert (friendships.time < END).all()


def test_degrees_have_a_long_tail_and_a_tenth_has_no_friends(made: tuple[Users, Friendships]) -> None:
    degree = number_of_friends(*made)
    assert 7 < degree.mean() < 8.5
    assert 0.07 < (degree == 0).mean() < 0.13
    assert np.median(degree) < degree.mean() < degree.max() / 5


def test_friendships_begin_before_the_first_rating_or_after(made: tuple[Users, Friendships]) -> None:
    users, friendships = made
    before = friendships.time < np.maximum(users.joined[friendships.user], users.joined[friendships.friend])
    assert 0.4 < before.mean() < 0.6
    assert (friendships.time > users.joined[0] - 181 * DAY).all()


def test_newcomers_have_friends_but_no_ratings(made: tuple[Users, Friendships]) -> None:
    users, friendships = made
    assert np.flatnonzero(users.ratings == 0).tolist() == list(range(1500, 1530))
    assert (number_of_friends(users, friendships)[1500:] > 0).mean() > 0.7


def test_friends_are_nearer_in_taste_than_others(made: tuple[Users, Friendships]) -> None:
    users, friendships = made
    user, friend = friendships.user, friendships.friend
    other = np.random.default_rng(0).permutation(friend)
    main = users.tastes[:, 0]
    assert (main[user] == main[friend]).mean() > 5 * (main[user] == main[other]).mean()
    assert likeness(users, user, friend) > 0.25
    assert abs(likeness(users, user, other)) < 0.05


def likeness(users: Users, user: np.ndarray, friend: np.ndarray) -> float:
    return float((users.trait_liking[user] * users.trait_liking[friend]).mean())


def test_friends_pull_a_users_taste_to_theirs(made: tuple[Users, Friendships]) -> None:
    users, friendships = made
    pulled = follow_friends(users, friendships)
    assert likeness(pulled, friendships.user, friendships.friend) > 0.05 + likeness(
        users, friendships.user, friendships.friend
    )
    alone = number_of_friends(users, friendships) == 0
    np.testing.assert_array_equal(pulled.trait_liking[alone], users.trait_liking[alone])
    spread = [np.sqrt((liking[~alone] ** 2).mean(0)) for liking in (pulled.trait_liking, users.trait_liking)]
    np.testing.assert_allclose(*spread, rtol=1e-3)


def test_users_without_any_friendship_keep_their_taste(made: tuple[Users, Friendships]) -> None:
    users, friendships = made
    none = replace(friendships, **dict.fromkeys(("user", "friend", "time"), np.empty(0, np.int64)))
    assert follow_friends(users, none) is users
