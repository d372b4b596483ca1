"""Time diversity, caps, rules and explanations for all users, beyond plain scoring.

python -m benchmarks.after_scoring [--users 140000 --items 27000 --factors 64 --n 100 --history 100]

Data: random factors, a catalogue of 20 genres (one to three per item), long-tailed histories of `--history` items on
average. Everything is on: diversity by vectors of `--factors`, a cap of 3 items per genre, three pinned, a hundred
boosted and a hundred blocked items, and an explanation for every row. Blocks of users go through all parts, as in a
night. Each part is timed in elapsed seconds and in CPU seconds, which a busy machine hardly changes. The last line is
machine-readable: elapsed and CPU seconds beyond plain scoring, and the peak memory of the process.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy import sparse

from benchmarks.command import at_least
from models.factors.bpr import BPR
from models.numerics.unit_vectors import unit_vectors_or_mean
from tasks.monitoring.memory import peak_mb, reset_peak
from tasks.recommendation.explanations import explain_lists
from tasks.recommendation.item_rules import ItemRules
from tasks.recommendation.rerank import Reranking

GENRES, BLOCK = 20, 4096
PARTS = ("plain", "arranged", "reasons")  # scoring, all of `Reranking`, explanations


def random_model(n_users: int, n_items: int, factors: int, rng: np.random.Generator) -> BPR:
    """Return a BPR model with random factors, as if fitted.

    Args:
        n_users: rows of its user factors.
        n_items: rows of its item factors.
        factors: columns of both.
        rng: the source of randomness.
    """
    model = BPR()
    model.user_factors_ = rng.standard_normal((n_users, factors), np.float32)
    model.item_factors_ = rng.standard_normal((n_items, factors), np.float32)
    model.item_bias_ = np.empty(0, np.float32)
    model.known_users_, model.known_items_ = np.ones(n_users, bool), np.ones(n_items, bool)
    model.tie_order_ = rng.permutation(n_items).astype(np.int32)
    return model


def long_tailed(n_users: int, n_items: int, mean: int, rng: np.random.Generator) -> sparse.csr_array:
    """Return positives, (n_users, n_items) float32 ones: log-normal counts per user, items by a squared uniform number.

    Args:
        n_users: number of rows.
        n_items: number of columns.
        mean: of the positives per user, before duplicates are merged.
        rng: the source of randomness.
    """
    sizes = np.minimum(rng.lognormal(np.log(mean) - 0.5, 1, n_users).astype(np.int64) + 1, n_items // 4)
    items = (rng.random(sizes.sum()) ** 2 * n_items).astype(np.int32)
    indptr = np.concatenate([[0], np.cumsum(sizes)])
    liked = sparse.csr_array((np.ones(len(items), np.float32), items, indptr), shape=(n_users, n_items))
    liked.sum_duplicates()
    liked.data[:] = 1
    return liked


def everything_on(model: BPR, n: int, rng: np.random.Generator) -> Reranking:
    """Return every step after scoring but new items, which another model scores."""
    n_items = len(model.item_factors_)
    genres = np.zeros((n_items, GENRES), np.float32)
    for _ in range(3):
        genres[np.arange(n_items), rng.integers(0, GENRES, n_items)] = 1
    chosen = rng.permutation(n_items)
    blocked, boosts = np.zeros(n_items, bool), np.zeros(n_items, np.float32)
    blocked[chosen[:100]], boosts[chosen[100:200]] = True, 0.2
    pinned = {int(chosen[200]): 1, int(chosen[201]): 5, int(chosen[202]): None}
    return Reranking(
        n=n,
        eligible=~blocked,
        rules=ItemRules(blocked, pinned, boosts),
        diversity=0.3,
        max_per_genre=3,
        new_item_share=0.0,
        new_item_model=None,
        is_new=np.zeros(n_items, bool),
        vectors=unit_vectors_or_mean(model.item_factors_),
        genres=sparse.csr_array(genres),
    )


def main() -> None:
    """Time plain lists, reranked lists and explanations."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = {"users": 140_000, "items": 27_000, "factors": 64, "n": 100, "history": 100}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=at_least(1), default=value)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    model = random_model(asked.users, asked.items, asked.factors, rng)
    liked = long_tailed(asked.users, asked.items, asked.history, rng)
    after = everything_on(model, asked.n, rng)
    print(f"{asked.users:,} users × {asked.items:,} items, {liked.nnz:,} likes, lists of {asked.n}")
    spent = np.zeros((len(PARTS), 2))
    for start in (0, *range(0, asked.users, BLOCK)):
        if start == 0:  # the first block runs twice, because it compiles
            spent[:] = 0
            reset_peak()
        users = np.arange(start, min(start + BLOCK, asked.users))
        times = [now()]
        model.recommend(users, asked.n, exclude=liked)
        times.append(now())
        lists = after.lists([model], users, liked)
        times.append(now())
        explain_lists(lists, users, [model], [], liked)
        times.append(now())
        spent += np.diff(times, axis=0)
    for part, (wall, processor) in zip(PARTS, spent, strict=True):
        print(f"{part:<10}{wall:7.1f} s  {processor:7.1f} s of CPU")
    wall, processor = spent[1] + spent[2] - spent[0]
    print(f"total_s={wall:.1f} processor_s={processor:.1f} peak_mb={peak_mb():.0f}")


def now() -> tuple[float, float]:
    """Return the elapsed seconds of a clock and the CPU seconds of this process."""
    return time.perf_counter(), time.process_time()


if __name__ == "__main__":
    main()
