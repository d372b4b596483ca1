"""The demo's friendships: users befriend those of near taste, and then like what their friends like.

Most friends share their main taste and are the nearest of a few whom a user met; some friends are met by chance. A
few users have many friends, and a tenth has none. Friendships begin before a user's first rating or later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tasks.datasets.synthetic.exact_numbers import Floats, Ints, apportion, on_grid
from tasks.datasets.synthetic.taste_model import DAY, END, TRAITS
from tasks.datasets.synthetic.users import Users
from tasks.datasets.synthetic.vocabulary import TASTES

FRIENDS = 8  # of a user on average
WITHOUT_FRIENDS = 0.1
BY_CHANCE = 0.1  # of the friendships
MEETINGS = 12  # users met for each friendship
ROUNDS = 6  # in which a user who chose a friend of before looks for another one
PULL = 0.4  # the share of friends in what a user with friends likes
SHARED_TASTE = 3.0  # a shared taste brings users as near as traits at this squared distance would part them
_CHUNK = 20_000


@dataclass(frozen=True)
class Friendships:
    """Mutual friendships, one entry each: two users, `user` < `friend`, and the Unix second of its beginning."""

    user: Ints
    friend: Ints
    time: Ints


def make_friendships(users: Users, rng: np.random.Generator) -> Friendships:
    """Draw friendships among all users, newcomers too; none for a single user."""
    n = len(users.joined)
    social = np.flatnonzero(rng.random(n) >= WITHOUT_FRIENDS)
    social = social[np.argsort(users.tastes[social, 0], kind="stable")]
    weights = np.rint(4096 * on_grid(np.exp(rng.standard_normal(len(social))))).astype(np.int64) + 1
    waiting = np.repeat(social, apportion(FRIENDS * n // 2, weights, least=1) if len(social) else 0)
    pairs = np.empty(0, np.int64)
    for _ in range(ROUNDS):
        chunks = [waiting[start : start + _CHUNK] for start in range(0, len(waiting), _CHUNK)]
        chosen = np.concatenate(
            [waiting[:0], *(_choose_friends(users, social, chunk, rng) for chunk in chunks)]
        )
        low, high = np.minimum(waiting, chosen), np.maximum(waiting, chosen)
        new = np.flatnonzero((low < high) & ~np.isin(low * n + high, pairs))
        found, first = np.unique((low * n + high)[new], return_index=True)
        pairs = np.concatenate([pairs, found])
        waiting = np.delete(waiting, new[first])
    user, friend = np.divmod(np.sort(pairs), n)
    return Friendships(user, friend, _beginnings(users, user, friend, rng))


def _choose_friends(users: Users, social: Ints, asking: Ints, rng: np.random.Generator) -> Ints:
    """Return the user of nearest taste, among some met who share the main taste, or one met by chance.

    Args:
        users: all users.
        social: those who may have friends, in order of their main taste.
        asking: (n,) those of them who look for a friend, one entry for each.
        rng: the source of randomness.

    Returns:
        (n,) users; the user who asks if nobody else was met.
    """
    main = users.tastes[:, 0]
    size = np.bincount(main[social], minlength=len(TASTES))
    first = np.cumsum(size) - size
    group = main[asking][:, None]
    met = social[first[group] + np.floor(rng.random((len(asking), MEETINGS)) * size[group]).astype(np.int64)]
    distance = np.where(met == asking[:, None], np.inf, _distance(users, asking, met))
    nearest = met[np.arange(len(asking)), np.argmin(distance, axis=1)]
    by_chance = social[rng.integers(0, len(social), len(asking))]
    return np.where(rng.random(len(asking)) < BY_CHANCE, by_chance, nearest)


def _distance(users: Users, asking: Ints, met: Ints) -> Floats:
    """Return how far the tastes of users are apart from those of the users they met, (n, MEETINGS).

    It is the squared distance of their liking of traits, less `SHARED_TASTE` for every taste that they share.
    """
    distance = np.zeros(met.shape)
    for trait in range(TRAITS):
        liking = users.trait_liking[:, trait]
        distance += (liking[met] - liking[asking][:, None]) ** 2
    has_taste = np.zeros((len(users.tastes), len(TASTES)), bool)
    np.put_along_axis(has_taste, users.tastes, values=True, axis=1)
    for tastes in users.tastes[asking].T:
        distance -= SHARED_TASTE * has_taste[met, tastes[:, None]]
    return distance


def _beginnings(users: Users, user: Ints, friend: Ints, rng: np.random.Generator) -> Ints:
    """Draw when friendships begin: half in the months before the later one's first rating, half after it."""
    arrival = np.maximum(users.joined[user], users.joined[friend])
    until = np.maximum(arrival, np.minimum(END - 3 * DAY, np.maximum(users.left[user], users.left[friend])))
    share = rng.random(len(user))
    before = arrival - np.floor(180 * DAY * share).astype(np.int64)
    after = arrival + np.floor((until - arrival) * share).astype(np.int64)
    return np.where(rng.random(len(user)) < 0.5, before, after)


def follow_friends(users: Users, friendships: Friendships) -> Users:
    """Return the users; those with friends like the traits that their friends like more than before.

    What they like moves towards their friends' mean, then is scaled to its former variance.
    """
    ends = np.concatenate([friendships.user, friendships.friend])
    others = np.concatenate([friendships.friend, friendships.user])
    n_friends = np.bincount(ends, minlength=len(users.joined))
    social = np.flatnonzero(n_friends)
    if not len(social):
        return users
    liking = users.trait_liking.copy()
    for trait in range(TRAITS):
        own = users.trait_liking[:, trait]
        theirs = np.bincount(ends, own[others], minlength=len(own))[social] / n_friends[social]
        pulled = (1 - PULL) * own[social] + PULL * theirs
        liking[social, trait] = pulled * (_deviation(own[social]) / _deviation(pulled))
    return replace(users, trait_liking=on_grid(liking))


def _deviation(values: Floats) -> float:
    """Return the root of the mean square of `values`, summed in one order."""
    return float(np.sqrt(np.cumsum(values * values)[-1] / len(values)))
