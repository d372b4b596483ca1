"""Time the random walks of `pinsage` beside the limits that memory sets.

python -m benchmarks.walks [--items 62423] [--degree 500] [--train FILE] [--walkers 200] [--steps 3]

Without --train, which holds lines `user item item ...` in time order, the graph is random: every item has `--degree`
edges whose other ends are of all items alike, so that nothing of it stays in the cache. Two limits are printed beside:
reads_per_s are bare reads of two random cache lines a step, one of an array as large as the index of the rows and one
of an array as large as the edges, by the same random numbers, none waiting for another; stream_per_s is how often two
cache lines of 64 bytes pass when the edges are read from end to end. All three are the best of three runs, on all
threads, after a first one. The last line is machine-readable.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from scipy import sparse

from benchmarks.command import at_least, refuse_bad_input
from benchmarks.sequential import read_rows
from models.graph.item_pairs import ItemPairs
from models.graph.random_walks import Walks, alias_table, neighbourhoods, walked
from models.sequence.histories import Histories

_LINE = 64  # bytes
_LISTED = 20
_PARTS = 64


def main() -> None:
    """Make the graph, time the three, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=at_least(2), default=62_423, help="nodes of the random graph")
    parser.add_argument("--degree", type=at_least(1), default=500, help="edges of each of its nodes")
    parser.add_argument("--train", type=Path, metavar="FILE", help="likes, instead of a random graph")
    parser.add_argument("--walkers", type=at_least(1), default=200, help="walks from each item")
    parser.add_argument("--steps", type=at_least(1), default=3, help="steps of each walk")
    asked = parser.parse_args()
    graph = graph_of_likes(asked.train) if asked.train else random_graph(asked.items, asked.degree)
    print(f"{graph.shape[0]:,} items, {graph.nnz:,} edges, {numba.get_num_threads()} threads")

    walks = Walks(asked.walkers, asked.steps, restart=0.5)
    n_walks = int((np.diff(graph.indptr) > 0).sum()) * asked.walkers
    n_steps = n_walks * asked.steps
    table = alias_table(graph)
    rows = graph.indptr.astype(np.int64)
    walk_s = best_of_three(lambda: walked(rows, table, walks, _LISTED, seed=1))
    whole_s = best_of_three(lambda: neighbourhoods(graph, walks, _LISTED, seed=1))
    read_s = best_of_three(lambda: _read_at_random(rows, table, n_steps))
    stream_s = best_of_three(lambda: _read_all(table.reshape(-1).view(np.int64)))
    print(
        f"walks_per_s={n_walks / walk_s:.3g} steps_per_s={n_steps / walk_s:.3g} "
        f"reads_per_s={n_steps / read_s:.3g} stream_per_s={table.nbytes / stream_s / (2 * _LINE):.3g} "
        f"times_reads={walk_s / read_s:.2f} walk_s={walk_s:.3f} with_table_s={whole_s:.3f}"
    )


def random_graph(n: int, degree: int) -> sparse.csr_array:
    """Return a graph of `n` nodes, each with `degree` edges to random nodes, with random weights."""
    rng = np.random.default_rng(1)
    ends = rng.integers(n, size=n * degree, dtype=np.int32)
    weights = rng.random(n * degree, np.float32) + np.float32(0.1)
    return sparse.csr_array((weights, ends, np.arange(n + 1, dtype=np.int64) * degree), shape=(n, n))


def graph_of_likes(path: Path) -> sparse.csr_array:
    """Return the graph that `pinsage` makes by default of lines `user item item ...`."""
    rows = [row[1:] for row in read_rows(path, "user item item ...")]
    items = np.array([item for row in rows for item in row], np.int64)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    histories = Histories(items, np.arange(len(items)), starts)
    return ItemPairs(histories, window=5, most_s=np.inf, n_items=int(items.max()) + 1).graph()


def best_of_three(run: Callable[[], Any]) -> float:
    """Return the seconds of the fastest of three runs, after a first one."""
    run()
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


@numba.njit(parallel=True)
def _read_at_random(rows: Any, table: Any, n: Any) -> Any:
    """Read `n` random places of both arrays and return a sum, so that no read can be left out."""
    total = 0
    for part in numba.prange(_PARTS):
        state = np.uint64(part) * np.uint64(0xBF58476D1CE4E5B9)
        of_part = 0
        for _ in range(n // _PARTS):
            state += np.uint64(0x9E3779B97F4A7C15)
            drawn = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            drawn = (drawn ^ (drawn >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            drawn ^= drawn >> np.uint64(31)
            low, high = drawn & np.uint64(0xFFFFFFFF), drawn >> np.uint64(32)
            of_part += rows[(low * np.uint64(len(rows))) >> np.uint64(32)]
            of_part += table[(high * np.uint64(len(table))) >> np.uint64(32), 0]
        total += of_part
    return total


@numba.njit(parallel=True)
def _read_all(numbers: Any) -> Any:
    """Return the sum of all numbers."""
    total = 0
    for part in numba.prange(_PARTS):
        start, end = len(numbers) * part // _PARTS, len(numbers) * (part + 1) // _PARTS
        of_part = 0
        for at in range(start, end):
            of_part += numbers[at]
        total += of_part
    return total


if __name__ == "__main__":
    refuse_bad_input(main)
