"""Measure time and memory of one model at the size of MovieLens 20M, or at another size.

python -m benchmarks.size --model user_knn [--users 138493 --items 26744 --entries 20000000] [--set k=0] [--seed 42]
                          [--side-data] [--lists 10000]

The interactions are synthetic: users' activity and items' popularity are log-normal with about the spread of MovieLens
20M, ratings are halves from 2 to 5, their times random. With --side-data items have genres, tags and a director, and
users have friends, all random. Fits the model, lists the 100 best items for every user, or for `--lists` of them, and
prints seconds and peak memory as its machine-readable last line. It does not measure accuracy.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.command import at_least, fitted, model_arguments, refuse_bad_input
from models.interactions import Interactions
from models.relations import Relations
from tasks.errors import UsageError
from tasks.monitoring.memory import peak_mb, reset_peak

USER_SPREAD, ITEM_SPREAD = 1.2, 2.0  # standard deviations of log(number of ratings)
LIKED = 3.5
YEARS_S = 20 * 365 * 86_400
GENRES, TAGS, TAGS_AN_ITEM, FILMS_A_DIRECTOR, FRIENDS = 20, 1000, 8, 6, 8
MAX_DENSITY = 0.5  # of all pairs: beyond it, hardly any pair drawn by popularity is a new one


def synthetic_interactions(
    n_users: int, n_items: int, n_entries: int, rng: np.random.Generator
) -> Interactions:
    """Draw about `n_entries` ratings; those of 3.5 and more are positive.

    Args:
        n_users: number of rows.
        n_items: number of columns.
        n_entries: at most half of all pairs.
        rng: the source of randomness.

    Raises:
        UsageError: there are too few pairs of users and items.
    """
    if n_entries > MAX_DENSITY * n_users * n_items:
        raise UsageError(
            f"{n_entries:,} entries are more than half of the {n_users * n_items:,} pairs that {n_users:,} users "
            f"and {n_items:,} items have.",
            "Give fewer --entries, or more --users and --items.",
        )
    activity, popularity = (
        np.exp(spread * rng.standard_normal(n))
        for n, spread in ((n_users, USER_SPREAD), (n_items, ITEM_SPREAD))
    )
    popularity /= popularity.sum()
    seen = sparse.csr_array((n_users, n_items), dtype=np.float32)
    while seen.nnz < 0.98 * n_entries:  # pairs drawn twice count once
        missing = n_entries - seen.nnz
        users = rng.choice(n_users, missing, p=activity / activity.sum())
        items = rng.choice(n_items, missing, p=popularity)
        seen += sparse.csr_array((np.ones(missing, np.float32), (users, items)), shape=seen.shape)
        seen.data[:] = 1
    seen.sort_indices()
    rating = seen.copy()
    rating.data = rng.integers(4, 11, seen.nnz).astype(np.float32) / 2
    positive = rating.copy()
    positive.data = (rating.data >= LIKED).astype(np.float32)
    positive.eliminate_zeros()
    times = rng.integers(1, YEARS_S, seen.nnz)
    timestamp = sparse.csr_array((times, seen.indices, seen.indptr), shape=seen.shape)
    features = sparse.csr_array((n_items, 0), dtype=np.float32)
    return Interactions(
        seen=seen,
        rating=rating,
        positive=positive,
        composite=rating,
        timestamp=timestamp,
        item_features=features,
    )


def with_random_side_data(data: Interactions, rng: np.random.Generator) -> Interactions:
    """Return the interactions with random genres, tags, directors and friends."""
    n_users, n_items = data.n_users, data.n_items
    columns = np.hstack(
        [rng.integers(GENRES, size=(n_items, 2)), GENRES + rng.integers(TAGS, size=(n_items, TAGS_AN_ITEM))]
    )
    features = _ones(
        np.repeat(np.arange(n_items), columns.shape[1]), columns.ravel(), (n_items, GENRES + TAGS)
    )
    names = (*(f"genre:{n}" for n in range(GENRES)), *(f"tag:{n}" for n in range(TAGS)))
    directors = -(-n_items // FILMS_A_DIRECTOR)
    items = np.arange(n_items)
    triples = np.stack(
        [items, np.zeros(n_items, int), n_items + rng.permutation(n_items) % directors], axis=1
    )
    relations = Relations(
        triples.astype(np.int32), n_items, ("director",), tuple(f"director {n}" for n in range(directors))
    )
    users = np.repeat(np.arange(n_users), FRIENDS // 2)
    one_way = _ones(users, rng.integers(n_users, size=len(users)), (n_users, n_users))
    links = sparse.csr_array(one_way.maximum(sparse.csr_array(one_way.T)))
    links.setdiag(0)
    links.eliminate_zeros()
    links.sort_indices()
    return replace(data, item_features=features, feature_names=names, relations=relations, links=links)


def _ones(
    rows: NDArray[np.integer], columns: NDArray[np.integer], shape: tuple[int, int]
) -> sparse.csr_array:
    """Return a matrix of 1 at these places, each place once."""
    found = sparse.csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    found.sum_duplicates()
    found.data[:] = 1
    return found


def main() -> None:
    """Make the data, fit, rank, print."""
    logging.basicConfig(format="%(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in {"users": 138_493, "items": 26_744, "entries": 20_000_000}.items():
        parser.add_argument(f"--{name}", type=at_least(1), default=value)
    parser.add_argument(
        "--side-data", action="store_true", help="genres, tags and directors of items, friends of users"
    )
    parser.add_argument("--lists", type=at_least(1), help="users to make lists for; by default all")
    name, config, seed, asked = model_arguments(parser)
    rng = np.random.default_rng(seed)
    data = synthetic_interactions(asked.users, asked.items, asked.entries, rng)
    if asked.side_data:
        data = with_random_side_data(data, rng)

    reset_peak()
    held = peak_mb()
    model, fit_s = fitted(name, config, data, seed)
    fit_mb = peak_mb()
    started = time.perf_counter()
    model.recommend(np.arange(min(asked.lists or asked.users, asked.users)), 100, exclude=data.seen)
    print(
        f"entries={data.seen.nnz} data_mb={held:.0f} fit_s={fit_s:.1f} fit_mb={fit_mb:.0f} "
        f"score_s={time.perf_counter() - started:.1f} peak_mb={peak_mb():.0f}"
    )


if __name__ == "__main__":
    refuse_bad_input(main)
