"""Measure time and memory of one model at the size of MovieLens 20M, or at another size.

python -m benchmarks.size --model user_knn [--users 138493 --items 26744 --entries 20000000] [--set k=0] [--seed 42]

The interactions are synthetic: users' activity and items' popularity are log-normal with about the spread of MovieLens
20M, ratings are halves from 2 to 5. Fits the model, lists the 100 best items for every user, and prints seconds and
peak memory as its machine-readable last line. It does not measure accuracy.
"""

from __future__ import annotations

import argparse
import logging
import time

import numpy as np
from scipy import sparse

from benchmarks.command import at_least, fitted, model_arguments, refuse_bad_input
from models.interactions import Interactions
from tasks.errors import UsageError
from tasks.monitoring.memory import peak_mb, reset_peak

USER_SPREAD, ITEM_SPREAD = 1.2, 2.0  # standard deviations of log(number of ratings)
LIKED = 3.5
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
    timestamp = sparse.csr_array((np.zeros(seen.nnz, np.int64), seen.indices, seen.indptr), shape=seen.shape)
    features = sparse.csr_array((n_items, 0), dtype=np.float32)
    return Interactions(
        seen=seen,
        rating=rating,
        positive=positive,
        composite=rating,
        timestamp=timestamp,
        item_features=features,
    )


def main() -> None:
    """Make the data, fit, rank, print."""
    logging.basicConfig(format="%(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in {"users": 138_493, "items": 26_744, "entries": 20_000_000}.items():
        parser.add_argument(f"--{name}", type=at_least(1), default=value)
    name, config, seed, asked = model_arguments(parser)
    data = synthetic_interactions(asked.users, asked.items, asked.entries, np.random.default_rng(seed))

    reset_peak()
    held = peak_mb()
    model, fit_s = fitted(name, config, data, seed)
    fit_mb = peak_mb()
    started = time.perf_counter()
    model.recommend(np.arange(asked.users), 100, exclude=data.seen)
    print(
        f"entries={data.seen.nnz} data_mb={held:.0f} fit_s={fit_s:.1f} fit_mb={fit_mb:.0f} "
        f"score_s={time.perf_counter() - started:.1f} peak_mb={peak_mb():.0f}"
    )


if __name__ == "__main__":
    refuse_bad_input(main)
