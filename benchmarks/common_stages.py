"""Time the stages that every night has: landing, cleaning, matrices, and the top 100 of random factors.

python -m benchmarks.common_stages [--like ml-25m] [--scale 0.1] [--no-events] [--folder FOLDER]
                                   [--factors 64] [--n 100] [--snapshot FOLDER]

For sizes at which a whole night would take too long. The matrices are those of the refit: everything is before the
cutoff. Each user's `--n` best items are found by `models/ranking/factor_scorer.py` on random factors, seen items left
out, a block of users at a time. The last line is machine-readable: for each stage seconds, and the largest resident
memory of the process while it ran.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy import sparse

from benchmarks.command import at_least, refuse_bad_input
from benchmarks.generated import add_data_arguments, data_of
from benchmarks.last_line import to_line
from models.interactions import Interactions
from models.ranking import factor_scorer
from tasks.config.data_settings import DataSettings
from tasks.config.settings import UtilitySettings
from tasks.errors import UsageError
from tasks.ingestion.clean import clean
from tasks.ingestion.land import land
from tasks.monitoring.memory import peak_mb, reset_peak
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.split import everything
from tasks.storage.warehouse import open_warehouse

USERS_PER_BLOCK = 20_000
Figures = dict[str, float]


def main() -> None:
    """Run the stages, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_arguments(parser)
    parser.add_argument("--factors", type=at_least(1), default=64)
    parser.add_argument("--n", type=at_least(1), default=100)
    parser.add_argument(
        "--snapshot", type=Path, metavar="FOLDER", help="a new folder: keep the matrices there"
    )
    asked = parser.parse_args()
    if asked.snapshot is not None and asked.snapshot.exists():
        raise UsageError(f"--snapshot {asked.snapshot} exists.", "Name a new folder.")
    source = data_of(asked)
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as where:
        seen = prepared(source, Path(where), asked.snapshot or Path(where) / "snapshot", figures)
        figures |= {"users": seen.shape[0], "items": seen.shape[1], "entries": seen.nnz}
        score(seen, asked.factors, asked.n, figures)
    print(to_line(figures))


def prepared(source: Path, folder: Path, matrices: Path, figures: Figures) -> sparse.csr_array:
    """Land, clean and build the matrices of everything; return the matrix of seen items.

    Args:
        source: the input folder.
        folder: for the warehouse and the split.
        matrices: a new folder, for the matrices.
        figures: receives seconds and memory.
    """
    settings = DataSettings()
    with open_warehouse(folder / "warehouse.duckdb") as con:
        with timed("land", figures):
            intake = land(con, source, settings, landed_at=datetime.now(UTC))
        with timed("clean", figures):
            data = clean(con, intake, settings)
        (folder / "split").mkdir()
        matrices.mkdir()
        with timed("utility", figures):
            split = everything(con, as_of=data.until, key="everything", folder=folder / "split")
            snapshot = build_snapshot(con, split, UtilitySettings(), key="snapshot", folder=matrices)
    return Interactions.load(snapshot.folder).seen


def score(seen: sparse.csr_array, factors: int, n: int, figures: Figures) -> None:
    """Find the best items of all users by random factors.

    Args:
        seen: (n_users, n_items), left out of the lists.
        factors: how many.
        n: length of the lists; shortened to the items that the most active user has not seen.
        figures: receives seconds and memory.
    """
    rng = np.random.default_rng(0)
    users = rng.standard_normal((seen.shape[0], factors), np.float32)
    items = rng.standard_normal((seen.shape[1], factors), np.float32)
    ties = rng.permutation(len(items)).astype(np.int32)
    n = min(n, len(items) - int(np.diff(seen.indptr).max()))
    factor_scorer.top_n(users, items, np.arange(1), n, tie_order=ties, exclude=seen)  # compiles
    with timed("score", figures):
        for start in range(0, len(users), USERS_PER_BLOCK):
            rows = np.arange(start, min(start + USERS_PER_BLOCK, len(users)))
            factor_scorer.top_n(users, items, rows, n, tie_order=ties, exclude=seen)


@contextmanager
def timed(stage: str, figures: Figures) -> Iterator[None]:
    """Add the seconds and the peak memory of a block to `figures`, as STAGE_s and STAGE_mb."""
    reset_peak()
    started = time.perf_counter()
    yield
    figures |= {f"{stage}_s": time.perf_counter() - started, f"{stage}_mb": peak_mb()}


if __name__ == "__main__":
    refuse_bad_input(main)
