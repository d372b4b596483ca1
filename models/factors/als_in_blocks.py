"""ALS over blocks of users and items, for data whose factors one machine cannot hold.

The steps are those of a fit as a whole. Only the order of the sums in Gramians and in the mean weight differs, so that
the factors are equal but for rounding. They depend on the number of blocks, and not on where the blocks live.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.base import FloatArray, Progress
from models.factors.als_block import ITEMS, USERS
from models.factors.als_weights import penalty_of
from models.numerics.outliers import limit_of
from models.row_blocks import Blocks, Runner, cuts_of


class Alternation(NamedTuple):
    """Hyperparameters and seed of a fit in blocks; see `ALSConfig`."""

    factors: int
    alpha: float
    regularization: float | None
    degree_exponent: float
    iterations: int
    seed: int


def alternate_in_blocks(
    blocks: Blocks, user_cuts: NDArray[np.int64], asked: Alternation, progress: Progress
) -> NDArray[np.int64]:
    """Fit all blocks, which have just been made.

    Args:
        blocks: of `ALSBlock`.
        user_cuts: (n_blocks + 1,) the first user of each, and the number of users.
        asked: hyperparameters.
        progress: called after every round.

    Returns:
        (n_blocks + 1,) the first item of each block, and the number of items.
    """
    degrees: NDArray[np.int64] = reduce(add, blocks.call("degrees"))
    ridge = asked.alpha * _weigh(blocks, degrees, asked)
    # A row costs as much as half a vector of entries beside its own.
    item_cuts = cuts_of(degrees + asked.factors / 2, len(user_cuts) - 1)
    cuts = (user_cuts, item_cuts)
    blocks.exchange("entries_by_item", "begin", cuts, asked.factors, asked.seed, about=(item_cuts,))
    blocks.exchange("needs", "note_needs")
    for done in range(1, asked.iterations + 1):
        for side in (USERS, ITEMS):
            gram: FloatArray = reduce(add, blocks.call("gram", 1 - side))  # in the order of blocks
            blocks.exchange("vectors_for", "solve", side, gram, ridge, about=(1 - side,))
        progress(done, asked.iterations)
    return item_cuts


def _weigh(blocks: Blocks, degrees: NDArray[np.int64], asked: Alternation) -> float:
    """Make the confidences of all entries; return the penalty."""
    greatest = np.concatenate(blocks.call("divide", degrees, asked.degree_exponent))
    total, n_entries = sum(blocks.call("limit", limit_of(greatest))), int(degrees.sum())
    squares = sum(blocks.call("weigh", n_entries / total if total else 1, asked.alpha))
    if not n_entries:
        return 0.0
    used = int(np.count_nonzero(greatest)), int(np.count_nonzero(degrees))
    return penalty_of(n_entries, used, squares / n_entries, asked.regularization)


def collected(
    blocks: Blocks, runner: Runner, shape: tuple[int, int], factors: int
) -> tuple[FloatArray, FloatArray]:
    """Return the factors of all blocks, memory-mapped: (n_users, f) and (n_items, f) float32.

    The blocks write them into files, one block after the other, so that they are nowhere in memory twice.

    Args:
        blocks: of `ALSBlock`, fitted.
        runner: where they live.
        shape: (n_users, n_items).
        factors: length of the vectors.
    """
    paths = [runner.folder / name for name in ("users.f32", "items.f32")]
    for path, n_rows in zip(paths, shape, strict=True):
        with path.open("wb") as file:
            file.truncate(n_rows * factors * 4)
    blocks.in_turn("write", paths)
    users, items = (
        np.memmap(path, np.float32, "r", shape=(n_rows, factors))
        if n_rows
        else np.empty((0, factors), np.float32)
        for path, n_rows in zip(paths, shape, strict=True)
    )
    return users, items
