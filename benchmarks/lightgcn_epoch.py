"""Time an epoch of LightGCN on the CPU: our lazy propagation against the plain version with autograd.

python -m benchmarks.lightgcn_epoch [--train train.txt] [--factors 64] [--layers 3] [--batches 20]

The plain version is the paper's: BPR with one negative, batches of 2,048, forward and backward propagation for every
batch, Adam. Only `--batches` batches of its epoch are timed and extrapolated; ours is timed for a whole epoch, with all
its negatives. Both are warmed up first. The last line is machine-readable.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import cast

import numpy as np
from scipy import sparse

from benchmarks import plain_lightgcn
from benchmarks.accuracy import read_lists
from benchmarks.command import at_least, model_config, refuse_bad_input
from models.graph.lightgcn import LightGCN
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.propagation import normalized_adjacency
from models.interactions import Interactions

GOWALLA = Path(__file__).parents[2] / "shared" / "data" / "gowalla" / "train.txt"


def main() -> None:
    """Time both, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path, default=GOWALLA, metavar="FILE")
    parser.add_argument("--factors", type=int, default=64)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument(
        "--batches", type=at_least(1), default=20, help="number of the plain version's batches to time"
    )
    asked = parser.parse_args()
    options = (f"factors={asked.factors}", f"layers={asked.layers}", "device=cpu")
    config = cast(LightGCNConfig, model_config("lightgcn", options))
    matrix = read_lists(asked.train)
    ours, plain = seconds_of_ours(matrix, config), seconds_of_autograd(matrix, config, asked.batches)
    print(f"ours_s={ours:.2f} autograd_s={plain:.1f} ratio={plain / ours:.1f}")


def seconds_of_ours(matrix: sparse.csr_array, config: LightGCNConfig) -> float:
    """Return the seconds of one epoch of lazy propagation: the mean of three, after a first one."""
    ends: list[float] = []
    LightGCN(config.model_copy(update={"epochs": 4, "start": "random"})).fit(
        Interactions.from_positive(matrix), seed=1, progress=lambda *_: ends.append(time.perf_counter())
    )
    return (ends[-1] - ends[0]) / 3


def seconds_of_autograd(matrix: sparse.csr_array, config: LightGCNConfig, batches: int) -> float:
    """Return the seconds of one epoch of the plain version, extrapolated from some of its batches.

    Args:
        matrix: (n_users, n_items), the positives.
        config: of LightGCN; loss, negatives and epochs are replaced by the paper's.
        batches: how many to time.
    """
    plain = config.model_copy(update={"loss": "bpr", "negatives": 1, "epochs": 2})
    n_positives = min(matrix.nnz, batches * plain_lightgcn.BATCH)
    rng = np.random.default_rng(1)
    kept = rng.choice(matrix.nnz, n_positives, replace=False)
    some = sparse.csr_array(
        (np.ones(n_positives, np.float32), (matrix.nonzero()[0][kept], matrix.indices[kept])),
        shape=matrix.shape,
    )
    adjacency = normalized_adjacency(matrix)  # of the whole graph; only the batches are fewer
    base = 0.1 * rng.standard_normal((adjacency.shape[0], plain.factors), np.float32)
    ends: list[float] = []
    plain_lightgcn.train(base, some, adjacency, plain, rng, lambda *_: ends.append(time.perf_counter()))
    return (ends[1] - ends[0]) * matrix.nnz / n_positives


if __name__ == "__main__":
    refuse_bad_input(main)
