"""Compare two models on the newest like of each user, paired over the users (leave-one-out).

python -m benchmarks.leave_one_out --data ratings.csv --model neumf --against bpr [--set factors=64] [--seed 42]

The data are lines `user item rating timestamp`, separated by tabs or, in a .csv file with a header, by commas. Ratings
from 3.5 on are likes. The newest like of each user with at least two is the test; of likes with the same time it is the
last one in the file. Models are fitted on everything else. The test item is ranked twice: among all items that the user
has not rated, and among 99 of them, drawn by the seed. Ties count half; items that a model does not know rank last.

Prints each mean with its 95 % bootstrap interval, and the paired differences, model − against; the last line holds
these for machines. `all` is among all items, `99` among the drawn ones. `python -m benchmarks.ncf_files` writes the
same split as files.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.command import fitted, model_arguments, model_config, refuse_bad_input
from benchmarks.one_item import candidate_scores, hits_and_gains, places
from benchmarks.ratings import LIKED, interactions, read_ratings
from models.base import Config, Recommender
from models.evaluation.bootstrap import interval, paired_difference
from models.interactions import Interactions
from tasks.errors import UsageError

N_NEGATIVES = 99
_SAMPLING: dict[str, Any] = {"samples": 2000, "confidence": 0.95, "seed": 0}
_BLOCK = 512  # users scored at a time


class Carve(NamedTuple):
    """Interactions to fit models on, and one item to find for some users.

    Attributes:
        data: everything but the test items.
        users: (n,) int64 user indices, ascending.
        items: (n,) int64, the test item of each.
        negatives: (n, 99) int64 items that the user has not rated, none twice; −1 pads where there are fewer.
    """

    data: Interactions
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    negatives: NDArray[np.int64]


def carve(rows: NDArray[np.float64], *, seed: int) -> Carve:
    """Hold out the newest like of each user with at least two, and draw the negatives.

    Args:
        rows: (n, 4) user, item, rating and timestamp, of `read_ratings`.
        seed: of the negatives.

    Raises:
        UsageError: a user rated an item twice, or nobody has two likes.
    """
    users, items = (np.unique(rows[:, column], return_inverse=True)[1] for column in (0, 1))
    shape = (int(users.max()) + 1, int(items.max()) + 1)
    rated = sparse.csr_array((np.ones(len(rows), np.float32), (users, items)), shape=shape)
    rated.sum_duplicates()
    if rated.nnz < len(rows):
        raise UsageError(f"The data hold {len(rows) - rated.nnz} second ratings of the same user and item.")
    likes = np.flatnonzero(rows[:, 2] >= LIKED)
    likes = likes[np.lexsort((likes, rows[likes, 3], users[likes]))]
    newest = likes[np.append(np.diff(users[likes]) > 0, True)] if len(likes) else likes
    test = newest[np.bincount(users[likes], minlength=shape[0])[users[newest]] >= 2]
    if not len(test):
        raise UsageError(f"No user has two ratings of at least {LIKED:g}, so that one could be held out.")
    kept = np.delete(np.arange(len(rows)), test)
    data = interactions(rows[kept], users[kept], items[kept], shape)
    return Carve(data, users[test], items[test], _negatives(rated, users[test], seed))


def _negatives(rated: sparse.csr_array, users: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    drawn = np.full((len(users), N_NEGATIVES), -1)
    for place, user in enumerate(users):
        unrated = np.ones(rated.shape[1], np.bool_)
        unrated[rated.indices[rated.indptr[user] : rated.indptr[user + 1]]] = False
        row = rng.permutation(np.flatnonzero(unrated))[:N_NEGATIVES]
        drawn[place, : len(row)] = row
    return drawn


def evaluated(model: Recommender, split: Carve) -> dict[str, NDArray[np.float64]]:
    """Return the figures of every test user, (n,) float64 each.

    Args:
        model: fitted on `split.data`.
        split: the test.

    Returns:
        `all.hr@10`, `all.ndcg@10`, `99.hr@10` and `99.ndcg@10`.
    """
    scores = candidate_scores(model, split.users, np.column_stack([split.items, split.negatives]))
    among = {"99": places(scores[:, 0], scores[:, 1:], (split.negatives >= 0).sum(axis=1))}
    all_places = np.empty(len(split.users))
    for start in range(0, len(split.users), _BLOCK):
        part = slice(start, start + _BLOCK)
        seen = sparse.csr_array(split.data.seen[split.users[part]])
        others = model.score(split.users[part])
        others[np.repeat(np.arange(len(others)), np.diff(seen.indptr)), seen.indices] = np.nan
        others[np.arange(len(others)), split.items[part]] = np.nan  # not ranked among itself
        n_others = others.shape[1] - 1 - np.diff(seen.indptr)
        all_places[part] = places(scores[part, 0], others, n_others)
    among = {"all": all_places, **among}
    return {
        f"{name}.{figure}": values
        for name, place in among.items()
        for figure, values in hits_and_gains(place).items()
    }


def compare(split: Carve, contestants: list[tuple[str, Config]], seed: int) -> None:
    """Fit two models, print their figures and their differences, first − second, and the machine-readable line.

    Args:
        split: what they are fitted on and tested by.
        contestants: names and configs of the two.
        seed: of both fits.
    """
    found = []
    for name, config in contestants:
        model, fit_s = fitted(name, config, split.data, seed)
        found.append(evaluated(model, split))
        print(f"{name}: fitted in {fit_s:.1f} s")
        for figure, values in found[-1].items():
            print("  {} {:.5f} [{:.5f}, {:.5f}]".format(figure, *interval(values, **_SAMPLING)))
    last = []
    for figure in found[0]:
        mean, low, high, detectable = paired_difference(found[0][figure], found[1][figure], **_SAMPLING)
        print(
            f"difference of {figure} {mean:+.5f} [{low:+.5f}, {high:+.5f}]; {len(split.users)} users could show "
            f"{detectable:.5f}"
        )
        last.append(f"{figure}_difference={mean:.5f} {figure}_low={low:.5f} {figure}_high={high:.5f}")
    print(" ".join([*last, f"users={len(split.users)}"]))


def main() -> None:
    """Carve, fit, rank, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FILE")
    parser.add_argument("--against", default="bpr", metavar="NAME", help="the other model (default: bpr)")
    parser.add_argument(
        "--against-set", action="append", default=[], metavar="K=V", help="an option of the other model"
    )
    name, config, seed, asked = model_arguments(parser)
    split = carve(read_ratings(asked.data), seed=seed)
    contestants = [(name, config), (asked.against, model_config(asked.against, asked.against_set))]
    compare(split, contestants, seed)


if __name__ == "__main__":
    refuse_bad_input(main)
