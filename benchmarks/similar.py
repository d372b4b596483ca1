"""Measure how well a model's similar items foresee what users like next: link prediction between items.

python -m benchmarks.similar --train train.txt --test test.txt --model rp3beta [--attributes FILE] [--set K=V]

Both files hold lines `user item item ...` in time order, dense integers. The model is fitted on the training file; for
each user the similar items of their last training item are asked for, and each test item of the user is looked up in
that list. Each pair of a user and a test item counts once; test items that the user had before do not count. A place
beyond the first 1,000 counts as not found. In `_cold` only test items with fewer than 5 training interactions count.
The metrics are those of the night (`models/evaluation/link_prediction.py`, docs/judging.md). The last line is
machine-readable; fit_s includes numba's compilation if its cache is cold.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.command import fitted, model_arguments, refuse_bad_input
from benchmarks.sequential import interactions, read_rows
from benchmarks.side_data import side_data_arguments, with_side_data
from models.evaluation.link_prediction import Pairs, find_pairs, last_liked
from models.evaluation.metrics import PAIR_K, PAIR_METRICS
from models.evaluation.slices import COLD_BELOW
from tasks.errors import UsageError
from tasks.monitoring.memory import peak_mb


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
    last = last_liked(data.positive, data.timestamp)
    had = np.asarray(sparse.csr_array(data.seen)[later_users, later_items] > 0).ravel()
    asked_of = (last[later_users] >= 0) & ~had
    user, target = np.unique(np.column_stack([later_users, later_items])[asked_of], axis=0).T
    if not len(user):
        raise UsageError(f"No user of {asked.test} has training items and new test items: nothing is tested.")

    model, fit_s = fitted(name, config, data, seed)
    started = time.perf_counter()
    found = find_pairs(model, Pairs(user, last[user], target), shape[1])
    score_s = time.perf_counter() - started
    hits, reciprocal, auc = (metric.formula(found) for metric in PAIR_METRICS)
    is_cold = np.bincount(items, minlength=shape[1])[target] < COLD_BELOW
    cold = f"{hits[is_cold].mean():.5f}" if is_cold.any() else "nan"
    print(
        f"hits@{PAIR_K}={hits.mean():.5f} mrr={reciprocal.mean():.5f} hits@{PAIR_K}_cold={cold} "
        f"auc={auc.mean():.5f} pairs={len(user)} pairs_cold={is_cold.sum()} fit_s={fit_s:.1f} score_s={score_s:.1f} "
        f"peak_mb={peak_mb():.0f}"
    )


if __name__ == "__main__":
    refuse_bad_input(main)
