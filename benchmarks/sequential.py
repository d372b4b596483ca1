"""Measure how well one model predicts the next item, on lines `user item item ...` in time order.

python -m benchmarks.sequential --data FILE --model sasrec [--protocol last|time] [--set factors=64] [--seed 42]

last  the last item of each user is the test. The model is fitted on all items before it; models that stop early take
      the item before it, among others, out of that for themselves. Not tested are users with fewer than three items,
      and those who had the last one before.
time  the file holds lines `user item timestamp` instead. The latest tenth of them is the test, with all of its first
      time; ranks are of each user's first item there. Users and items that the training part does not know do not
      count.

All items are ranked except those the user had before; nothing is sampled. Ties count half; an item that the model does
not know is last. The last line is machine-readable; fit_s and score_s include numba's compilation if its cache is cold.
"""

from __future__ import annotations

import argparse
import time
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.command import fitted, model_arguments, refuse_bad_input
from benchmarks.one_item import hits_and_gains, in_words, places
from models.base import Recommender
from models.interactions import Interactions
from tasks.errors import UsageError
from tasks.monitoring.memory import peak_mb

_TEST_SHARE = 0.1
_BLOCK = 512  # users scored at a time


class Split(NamedTuple):
    """Interactions to fit a model on, and one item to find for some users, (n,) indices each."""

    data: Interactions
    users: NDArray[np.int64]
    items: NDArray[np.int64]


def read_sequences(path: Path) -> Split:
    """Read lines `user item item ...` and take the last item of every line of at least three as the test.

    Raises:
        UsageError: the file cannot be read, holds anything but integers from 0 on or a user twice, or nothing can be
            tested.
    """
    rows = read_rows(path, "user item item ...")
    rows = [row for row in rows if len(row) > 1]
    users, repeated = np.unique([row[0] for row in rows], return_counts=True)
    if (repeated > 1).any():
        raise UsageError(
            f"{path} holds user {users[repeated > 1][0]} on {repeated.max()} lines, not on one; lines "
            "`user item timestamp` need --protocol time."
        )
    lengths = np.array([len(row) - 1 for row in rows], np.int64)
    tested = np.array([len(row) > 3 and row[-1] not in row[1:-1] for row in rows], bool)
    if not tested.any():
        raise UsageError(
            f"{path} holds no user with three items, the last of them a new one: nothing is tested."
        )
    items = np.fromiter(chain.from_iterable(row[1:] for row in rows), np.int64)
    place = np.arange(len(items)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    trained = place < np.repeat(lengths - tested, lengths)
    owner = np.repeat(np.arange(len(rows)), lengths)
    ids, items = np.unique(items, return_inverse=True)
    data = interactions(owner[trained], items[trained], place[trained] + 1, (len(rows), len(ids)))
    return Split(data, np.flatnonzero(tested), items[np.cumsum(lengths) - 1][tested])


def read_events(path: Path) -> Split:
    """Read lines `user item timestamp` and cut them by time; see the module.

    Raises:
        UsageError: the file cannot be read, or nothing can be tested.
    """
    rows = read_rows(path, "user item timestamp")
    if any(len(row) != 3 for row in rows):
        raise UsageError(f"{path} does not hold lines `user item timestamp`, as --protocol time needs.")
    users, items, times = np.array(rows).T
    users, items = (np.unique(ids, return_inverse=True)[1] for ids in (users, items))
    cutoff = np.quantile(times, 1 - _TEST_SHARE)
    old = times < cutoff
    data = interactions(users[old], items[old], times[old], (users.max() + 1, items.max() + 1))
    new = np.flatnonzero(~old)
    new = new[np.lexsort((times[new], users[new]))]
    known_user, known_item = (np.bincount(i[old], minlength=i.max() + 1) > 0 for i in (users, items))
    had = np.asarray(data.seen[users[new], items[new]]).ravel() > 0
    new = new[known_user[users[new]] & known_item[items[new]] & ~had]
    first = new[np.unique(users[new], return_index=True)[1]]
    if not len(first):
        raise UsageError(f"No user of {path} has known items both before and after the cutoff {cutoff:.0f}.")
    return Split(data, users[first], items[first])


def interactions(
    users: NDArray[np.int64], items: NDArray[np.int64], times: NDArray[np.int64], shape: tuple[int, int]
) -> Interactions:
    """Return likes with their times, the latest of each pair.

    Args:
        users: (n,) row indices.
        items: (n,) column indices.
        times: (n,) seconds, above 0.
        shape: (n_users, n_items).
    """
    order = np.lexsort((times, items, users))
    last = order[np.append(np.diff(users[order] * shape[1] + items[order]) > 0, True)]
    timestamp = sparse.csr_array((times[last].astype(np.int64), (users[last], items[last])), shape=shape)
    likes = Interactions.from_positive(timestamp)
    return Interactions(
        seen=likes.seen, rating=likes.seen, positive=likes.seen, composite=likes.seen, timestamp=timestamp,
        item_features=likes.item_features,
    )  # fmt: skip


def ranked(model: Recommender, split: Split) -> NDArray[np.float64]:
    """Return the place of each test item among all items that the user did not have; see `places`.

    Args:
        model: fitted on `split.data`.
        split: the test.
    """
    found = np.empty(len(split.users))
    for start in range(0, len(split.users), _BLOCK):
        users, items = (part[start : start + _BLOCK] for part in (split.users, split.items))
        scores, rows = model.score(users), np.arange(len(users))
        seen = sparse.csr_array(split.data.seen[users])
        n_seen = np.diff(seen.indptr)
        own = scores[rows, items]
        scores[np.repeat(rows, n_seen), seen.indices] = np.nan
        scores[rows, items] = np.nan  # it is not ranked among itself
        found[start : start + _BLOCK] = places(own, scores, scores.shape[1] - n_seen - 1)
    return found


def read_rows(path: Path, form: str) -> list[list[int]]:
    """Return the lines of a file of integers from 0 on, without blank ones.

    Args:
        path: of the file.
        form: of a line, for the error.

    Raises:
        UsageError: the file cannot be read, is empty or holds anything else.
    """
    try:
        rows = [
            [int(word) for word in line.split()] for line in path.read_text(encoding="ascii").splitlines()
        ]
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is not a readable file of lines `{form}`: {error}.") from None
    rows = [row for row in rows if row]
    if not rows:
        raise UsageError(f"{path} is empty.")
    if min(map(min, rows)) < 0:
        raise UsageError(
            f"{path} holds the negative number {min(map(min, rows))}: ids are integers from 0 on."
        )
    return rows


def main() -> None:
    """Fit, rank, evaluate, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    parser.add_argument("--protocol", choices=("last", "time"), default="last")
    name, config, seed, asked = model_arguments(parser)
    split = read_sequences(asked.data) if asked.protocol == "last" else read_events(asked.data)

    model, fit_s = fitted(name, config, split.data, seed)
    started = time.perf_counter()
    found = hits_and_gains(ranked(model, split))
    score_s = time.perf_counter() - started
    print(f"{in_words(found)} fit_s={fit_s:.1f} score_s={score_s:.1f} peak_mb={peak_mb():.0f}")


if __name__ == "__main__":
    refuse_bad_input(main)
