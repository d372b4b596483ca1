"""Measure how well a model's similar items foresee what users like next: link prediction between items.

python -m benchmarks.similar --train train.txt --test test.txt --model rp3beta [--attributes FILE] [--set K=V]

Both files hold lines `user item item ...` in time order, dense integers. The model is fitted on the training file; for
each user the similar items of their last training item are asked for, and each test item of the user is looked up in
that list. Each pair of a user and a test item counts once; test items that the user had before do not count. A place
beyond the first 1,000 counts as not found. In `_cold` only test items with fewer than 5 training interactions count.
The last line is machine-readable; fit_s includes numba's compilation if its cache is cold.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.accuracy import COLD_BELOW
from benchmarks.command import fitted, model_arguments, refuse_bad_input
from benchmarks.sequential import interactions, read_rows
from benchmarks.side_data import side_data_arguments, with_side_data
from models.base import Recommender
from tasks.errors import UsageError
from tasks.monitoring.memory import peak_mb

_K = 10
_DEPTH = 1000
_BLOCK = 1024  # items asked about at a time


def places_of(model: Recommender, asked: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the place, from 1, of each wanted item among the 1,000 most similar to the asked one; inf if it is not.

    Args:
        model: a fitted model.
        asked: (n,) item indices.
        wanted: (n,) item indices.
    """
    found = np.full(len(asked), np.inf)
    distinct, which = np.unique(asked, return_inverse=True)
    for start in range(0, len(distinct), _BLOCK):
        lists = model.similar_items(distinct[start : start + _BLOCK], _DEPTH).items
        pairs = np.flatnonzero((which >= start) & (which < start + _BLOCK))
        hit, place = np.nonzero(lists[which[pairs] - start] == wanted[pairs, None])
        found[pairs[hit]] = place + 1
    return found


def _lists(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the user, the item and the place in its line, from 0, of every entry of a file of lists."""
    rows = [row for row in read_rows(path, "user item item ...") if len(row) > 1]
    if not rows:
        raise UsageError(f"{path} names users, but none of them has an item.")
    lengths = [len(row) - 1 for row in rows]
    users = np.repeat([row[0] for row in rows], lengths)
    place = np.concatenate([np.arange(length) for length in lengths])
    return users, np.array([item for row in rows for item in row[1:]], np.int64), place


def main() -> None:
    """Fit, ask for similar items, look the test items up, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path, required=True, metavar="FILE")
    parser.add_argument("--test", type=Path, required=True, metavar="FILE")
    side_data_arguments(parser, links=False)
    name, config, seed, asked = model_arguments(parser)
    users, items, place = _lists(asked.train)
    later_users, later_items, _ = _lists(asked.test)
    shape = (
        int(max(users.max(), later_users.max())) + 1,
        int(max(items.max(), later_items.max())) + 1,
    )
    data = with_side_data(interactions(users, items, place + 1, shape), asked)
    last = np.full(shape[0], -1)
    last[users] = items  # of a user's items in time order, the last one stays
    had = sparse.csr_array(data.seen)[later_users, later_items] > 0
    pairs = np.flatnonzero((last[later_users] >= 0) & ~np.asarray(had).ravel())
    if not len(pairs):
        raise UsageError(f"No user of {asked.test} has training items and new test items: nothing is tested.")

    model, fit_s = fitted(name, config, data, seed)
    started = time.perf_counter()
    places = places_of(model, last[later_users[pairs]], later_items[pairs])
    score_s = time.perf_counter() - started
    is_cold = np.bincount(items, minlength=shape[1])[later_items[pairs]] < COLD_BELOW
    cold = f"{(places[is_cold] <= _K).mean():.5f}" if is_cold.any() else "nan"
    print(
        f"hits@{_K}={(places <= _K).mean():.5f} mrr={(1 / places).mean():.5f} hits@{_K}_cold={cold} "
        f"pairs={len(pairs)} pairs_cold={is_cold.sum()} fit_s={fit_s:.1f} score_s={score_s:.1f} "
        f"peak_mb={peak_mb():.0f}"
    )


if __name__ == "__main__":
    refuse_bad_input(main)
