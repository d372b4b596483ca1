"""Time the evaluation of one model for 140,000 users: all metrics of its lists of 100, at 10, 20 and 100.

python -m benchmarks.metrics [--users 140000 --items 27000 --n 100 --features 20 --relevant 15]

Lists, relevant items, genres and tags are synthetic; popularity is log-normal with about the spread of MovieLens 20M.
Kernels are compiled before the clock starts. Prints elapsed and CPU seconds by part; the machine-readable last line has
the sum of the elapsed seconds and the peak memory, synthetic data included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.command import at_least
from models.base import FloatArray
from models.evaluation.beyond_accuracy import coverage, exposures, gini, list_means, self_information
from models.evaluation.diversity import intra_list_diversity
from models.evaluation.metrics import ranking_metrics
from models.evaluation.slices import ITEM_CLASSES, item_classes, restricted
from tasks.monitoring.memory import peak_mb, reset_peak

KS = (10, 20, 100)
FACTORS, N_FEATURES = 64, 5000
ITEM_SPREAD = 2.0  # standard deviation of log(number of users)


class EvaluationData(NamedTuple):
    """Lists (n_users, n), relevant items (n_users, n_items), users per item, and two kinds of item vectors."""

    lists: NDArray[np.int32]
    relevant: sparse.csr_array
    n_users_per_item: NDArray[np.int64]
    features: sparse.csr_array
    factors: FloatArray


def synthetic_data(n_users: int, n_items: int, n: int, per_item: int, per_user: int) -> EvaluationData:
    """Draw lists and relevant items by popularity; no item is twice in a list, a twentieth of the lists is half empty.

    Args:
        n_users: number of lists.
        n_items: size of the catalogue.
        n: length of a list.
        per_item: features of an item.
        per_user: relevant items of a user, before duplicates are merged.
    """
    rng = np.random.default_rng(0)
    n_users_per_item = np.sort(np.ceil(np.exp(ITEM_SPREAD * rng.standard_normal(n_items)) * 100)).astype(
        np.int64
    )[::-1]
    steps = rng.integers(1, max(2, n_items // n), (n_users, n))
    lists = np.sort(steps.cumsum(axis=1) % n_items, axis=1).astype(np.int32)
    lists[:, 1:][lists[:, 1:] == lists[:, :-1]] = -1
    lists[::20, n // 2 :] = -1
    wanted = np.minimum(rng.exponential(n_items / 10, (n_users, per_user)).astype(np.int64), n_items - 1)
    rows = np.repeat(np.arange(n_users), per_user)
    relevant = sparse.csr_array(
        (np.ones(rows.size, np.float32), (rows, wanted.ravel())), shape=(n_users, n_items)
    )
    relevant.sum_duplicates()
    described = rng.integers(0, N_FEATURES, (n_items, per_item))
    features = sparse.csr_array(
        (
            rng.random(described.size, np.float32),
            (np.repeat(np.arange(n_items), per_item), described.ravel()),
        ),
        shape=(n_items, N_FEATURES),
    )
    return EvaluationData(
        lists, relevant, n_users_per_item, features, rng.standard_normal((n_items, FACTORS), np.float32)
    )


def parts(data: EvaluationData) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each computation with its name; user slices are rows of the first and cost nothing of their own."""
    lists, n_items = data.lists, len(data.n_users_per_item)
    popularity = data.n_users_per_item / max(data.n_users_per_item.max(), len(lists))
    classes = item_classes(data.n_users_per_item)
    yield "ranking", lambda: ranking_metrics(lists, data.relevant, KS)
    for number, name in enumerate(ITEM_CLASSES):
        yield (
            f"ranking_{name}",
            lambda number=number: ranking_metrics(lists, restricted(data.relevant, classes == number), KS),
        )
    yield "exposure", lambda: [(coverage(e), gini(e)) for k in KS for e in [exposures(lists[:, :k], n_items)]]
    yield "novelty", lambda: list_means(lists, self_information(popularity), KS)
    yield "popularity", lambda: list_means(lists, popularity, KS)
    yield "ild_features", lambda: intra_list_diversity(lists, data.features, KS)
    yield "ild_vectors", lambda: intra_list_diversity(lists, data.factors, KS)


def main() -> None:
    """Compile, make the data, time each part, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = {"users": 140_000, "items": 27_000, "n": 100, "features": 20, "relevant": 15}
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=at_least(1), default=value)
    asked = parser.parse_args()
    for _, run in parts(synthetic_data(20, 200, 10, 3, 2)):
        run()
    data = synthetic_data(asked.users, asked.items, asked.n, asked.features, asked.relevant)
    reset_peak()
    total = 0.0
    for name, run in parts(data):
        started, cpu = time.perf_counter(), time.process_time()
        run()
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        total += seconds
        print(f"{name:<16}{seconds:>7.2f} s {cpu:>7.2f} s of CPU")
    print(f"total_s={total:.2f} peak_mb={peak_mb():.0f}")


if __name__ == "__main__":
    main()
