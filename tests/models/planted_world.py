"""A small world whose friends share a taste, whose directors keep to one and whose users' cities say theirs.

The same with shuffled friends, directors and users' features.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Recommender
from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions
from models.relations import Relations

N_USERS, N_ITEMS, TASTES = 300, 300, 8
NEW_USERS, NEW_ITEMS = 40, 40  # the last ones: without any rating before the cutoff
LATER = 8  # ratings of a user after the cutoff
OWN = 0.4  # share of the ratings that go to items of the user's taste
FRIENDS, DIRECTORS = 5, 40  # friendships that a user begins; directors in all
LOYAL = 0.9  # share of the friends, of a director's films and of the people of a city that are of one taste
AGES = 4  # classes of age, which say nothing
LIKED = 3.5

NEW_USER = np.arange(N_USERS) >= N_USERS - NEW_USERS
NEW_ITEM = np.arange(N_ITEMS) >= N_ITEMS - NEW_ITEMS


class World(NamedTuple):
    """Attributes:
    data: ratings before the cutoff, mutual links, a fact `directed_by` for each item, city and age of each user.
    later: (N_USERS, N_ITEMS) float64, ratings after the cutoff.
    """

    data: Interactions
    later: sparse.csr_array

    def wanted(self, users: NDArray[np.bool_], items: NDArray[np.bool_] | None = None) -> sparse.csr_array:
        """Return some users' likes after the cutoff, (N_USERS, N_ITEMS), of some items, by default of no new ones."""
        items = ~NEW_ITEM if items is None else items
        likes = (self.later.toarray() >= LIKED) & users[:, None] & items
        return sparse.csr_array(likes.astype(np.float32))


def planted_world(seed: int, *, rated: int = 6, by_half: int | None = None) -> World:
    """Draw a world in which users rate few items, so that friends, directors and cities tell much.

    Args:
        seed: of all that is drawn.
        rated: number of items that a user rates before the cutoff.
        by_half: number of items that every second user rates; by default as many.
    """
    rng = np.random.default_rng(seed)
    taste, kind = rng.integers(0, TASTES, N_USERS), rng.integers(0, TASTES, N_ITEMS)
    alike = taste[:, None] == kind
    popularity = rng.exponential(size=N_ITEMS) + 0.2
    chance = np.where(alike, OWN / alike.mean(axis=1, keepdims=True), 1 - OWN) * popularity
    before, after = np.zeros((2, N_USERS, N_ITEMS), bool)
    for user in range(N_USERS):
        order = np.argsort(-np.log(rng.random(N_ITEMS)) / chance[user])  # without replacement, by `chance`
        n = by_half if by_half is not None and user % 2 else rated
        old = order[~NEW_ITEM[order]][: 0 if NEW_USER[user] else n]
        before[user, old] = True
        after[user, order[~before[user, order]][:LATER]] = True
    stars = np.clip(np.where(alike, 4.3, 2.7) + 0.6 * rng.standard_normal(alike.shape), 1, 5)
    data = replace(
        _rated(np.where(before, stars, 0)),
        links=_as_links(_alike(taste, taste, FRIENDS, rng)),
        relations=_directed_by(_alike(kind, np.arange(DIRECTORS) % TASTES, 1, rng)[:, 1]),
    )
    city = np.where(rng.random(N_USERS) < LOYAL, taste, rng.integers(0, TASTES, N_USERS))
    features, names = _described(city, rng.integers(0, AGES, N_USERS))
    data = replace(data, user_features=features, user_feature_names=names)
    return World(data, sparse.csr_array(np.where(after, stars, 0)))


def with_shuffled_links(data: Interactions, seed: int) -> Interactions:
    """Return `data` with other friends for everybody, about as many for each (Molloy & Reed's pairs of stubs)."""
    assert data.links is not None
    upper = sparse.triu(data.links).tocoo()
    stubs = np.random.default_rng(seed).permutation(np.concatenate([upper.row, upper.col]))
    return replace(data, links=_as_links(stubs.reshape(-1, 2)))


def with_shuffled_directors(data: Interactions, seed: int) -> Interactions:
    """Return `data` with other films for every director, as many for each."""
    assert data.relations is not None
    director = data.relations.triples[:, 2] - N_ITEMS
    return replace(data, relations=_directed_by(np.random.default_rng(seed).permutation(director)))


def with_shuffled_user_features(data: Interactions, seed: int) -> Interactions:
    """Return `data` with the features of another user for everybody."""
    assert data.user_features is not None
    other = np.random.default_rng(seed).permutation(N_USERS)
    return replace(data, user_features=sparse.csr_array(data.user_features[other]))


def ndcg(model: Recommender, world: World, wanted: sparse.csr_array, items: NDArray[np.bool_]) -> float:
    """Return the mean NDCG@10 of the users who come to like an item, of lists of some items."""
    users = np.flatnonzero(np.diff(wanted.indptr))
    lists = model.recommend(users, 10, exclude=world.data.seen, items=items).items
    return float(ranking_metrics(lists, wanted[users], [10])["ndcg@10"].mean())


def error(model: Recommender, world: World, users: NDArray[np.bool_]) -> float:
    """Return the root mean squared error of the predictions of some users' ratings after the cutoff."""
    later = world.later.tocoo()
    of = users[later.row] & ~NEW_ITEM[later.col]
    predicted = model.predict(later.row[of].astype(np.int64), later.col[of].astype(np.int64))
    return float(np.sqrt(np.mean((predicted - later.data[of]) ** 2)))


def _rated(stars: NDArray[np.float64]) -> Interactions:
    """Return Interactions of ratings, 0 where there is none."""
    likes = Interactions.from_positive(sparse.csr_array(stars >= LIKED))
    rating, seen = (sparse.csr_array(matrix.astype(np.float32)) for matrix in (stars, stars > 0))
    timestamp = sparse.csr_array((np.zeros(seen.nnz, np.int64), seen.indices, seen.indptr), shape=seen.shape)
    return replace(likes, seen=seen, rating=rating, timestamp=timestamp)


def _alike(
    of: NDArray[np.int64], others: NDArray[np.int64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw `count` partners from `others` for each of `of`, most of the same taste: (n · count, 2) positions."""
    pairs = []
    for place in np.repeat(np.arange(len(of)), count):
        same = np.flatnonzero(others == of[place])
        pairs.append((place, rng.choice(same if rng.random() < LOYAL else len(others))))
    return np.array(pairs)


def _as_links(pairs: NDArray[np.int64]) -> sparse.csr_array:
    """Return pairs of users as mutual links, none to oneself, each once."""
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    both = np.vstack([pairs, pairs[:, ::-1]])
    links = sparse.csr_array((np.ones(len(both), np.float32), both.T), shape=(N_USERS, N_USERS))
    links.sum_duplicates()
    links.data[:] = 1
    return links


def _described(city: NDArray[np.int64], age: NDArray[np.int64]) -> tuple[sparse.csr_array, tuple[str, ...]]:
    """Return the city and the class of age of each user as features, (N_USERS, TASTES + AGES), and their names."""
    parts = [np.eye(TASTES, dtype=np.float32)[city], np.eye(AGES, dtype=np.float32)[age]]
    names = [f"city:{c}" for c in range(TASTES)] + [f"age:{a}" for a in range(AGES)]
    return sparse.csr_array(np.hstack(parts)), tuple(names)


def _directed_by(director: NDArray[np.int64]) -> Relations:
    """Return a fact for each item: its director."""
    items = np.arange(N_ITEMS)
    triples = np.stack([items, np.zeros(N_ITEMS, np.int64), N_ITEMS + director], axis=1).astype(np.int32)
    return Relations(triples, N_ITEMS, ("directed_by",), tuple(f"director {d}" for d in range(DIRECTORS)))
