"""Measure how well one model ranks, on data in LightGCN's text format: lines `user item item ...`, dense integers.

python -m benchmarks.accuracy --train train.txt --test test.txt --model lightgcn [--k 20] [--set factors=64] [--seed 42]
python -m benchmarks.accuracy --train train.txt --test test.txt --model blend [--members als,bpr] [--set als.factors=64]

All items are ranked except each user's training items; no negatives are sampled and short lists are not backfilled.
recall@k = hits / |test items of the user|, averaged over users with a test item. In the figures with `_cold` only test
items with fewer than 5 training interactions count, for users with such an item. --links, --relations and --attributes
name what is known beside the interactions, for models that read it. A blend learns its weights on a tenth of each
user's training items, from members fitted on the others, and then has its members refitted on all of them; the test
file is only read to judge the result. The last line is machine-readable, with recall and
ndcg at each length of --k in its order; fit_s and score_s include numba's compilation if its cache is cold: take the
times of a second run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.blended import fitted_blend, member_configs
from benchmarks.command import add_model_arguments, at_least, fitted, model_config, refuse_bad_input
from benchmarks.side_data import side_data_arguments, with_side_data
from models.base import Recommender
from models.ensemble.blend import Blend
from models.ensemble.settings import BlendOptions
from models.evaluation.metrics import ranking_metrics
from models.evaluation.slices import COLD_BELOW, restricted
from models.interactions import Interactions
from tasks.config.settings import ModelsSettings
from tasks.errors import UsageError
from tasks.monitoring.memory import peak_mb

_MAX_ID = 2**31 - 1  # ids are row and column numbers of a matrix with int32 indices


def read_lists(path: Path) -> sparse.csr_array:
    """Return a file in LightGCN's format as a (n_users, n_items) float32 matrix of ones.

    Raises:
        UsageError: the file cannot be read, or holds anything but integers from 0 to 2³¹ − 1, or no item.
    """
    try:
        rows = [np.array(line.split(), np.int64) for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, ValueError, OverflowError) as error:
        raise UsageError(f"{path} is not a readable file of lines `user item item ...`: {error}.") from None
    for number, row in enumerate(rows, 1):
        if row.size and not 0 <= row.min() <= row.max() <= _MAX_ID:
            faulty = row.min() if row.min() < 0 else row.max()
            raise UsageError(
                f"Line {number} of {path} holds {faulty}: users and items are dense integers from 0 to {_MAX_ID}."
            )
    rows = [row for row in rows if len(row)]
    if not rows:
        raise UsageError(f"{path} is empty.")
    users = np.repeat([row[0] for row in rows], [len(row) - 1 for row in rows])
    items = np.fromiter(chain.from_iterable(row[1:] for row in rows), np.int64)
    if not len(items):
        raise UsageError(f"{path} names users, but none of them has an item.")
    matrix = sparse.csr_array((np.ones(len(items), np.float32), (users, items)))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def list_lengths(text: str) -> list[int]:
    """Read list lengths such as `10,20`: an argparse type. A repeated length counts once."""
    return list(dict.fromkeys(at_least(1)(part.strip()) for part in text.split(",")))


def _figures(
    lists: NDArray[np.int32], relevant: sparse.csr_array, lengths: list[int], ending: str = ""
) -> Iterator[str]:
    """Yield `recall@20=…` and `ndcg@20=…` for each length; nan if no list has a relevant item."""
    judged = np.diff(relevant.indptr) > 0
    per_user = ranking_metrics(lists[judged], relevant[judged], lengths)
    for k in lengths:
        for metric in ("recall", "ndcg"):
            values = per_user[f"{metric}@{k}"]
            yield f"{metric}@{k}{ending}={values.mean() if len(values) else np.nan:.5f}"


def prepared_fit(asked: argparse.Namespace) -> Callable[[sparse.csr_array], tuple[Recommender, float]]:
    """Return a function that fits the model that was asked for, and returns it with the seconds of all its fits.

    Raises:
        UsageError: as `model_config` and `member_configs`, or --members without a blend.
    """

    def known(data: Interactions) -> Interactions:
        return with_side_data(data, asked)

    if asked.model == Blend.name:
        names = asked.members.split(",") if asked.members else ModelsSettings().shelf
        configs = member_configs([name.strip() for name in names], asked.set)

        def blended(likes: sparse.csr_array) -> tuple[Recommender, float]:
            blend, report, seconds = fitted_blend(
                configs, likes, BlendOptions(), with_side_data=known, seed=asked.seed
            )
            print(
                f"blend: {report.method}, learned from {report.n_users:,} users; {report.scores}",
                file=sys.stderr,
            )
            return blend, seconds

        return blended
    if asked.members:
        raise UsageError(f"The model {asked.model} has no members.", "Ask for --model blend.")
    config = model_config(asked.model, asked.set)
    return lambda likes: fitted(asked.model, config, known(Interactions.from_positive(likes)), asked.seed)


def main() -> None:
    """Fit, rank, evaluate, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train", type=Path, required=True, metavar="FILE")
    parser.add_argument("--test", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--k",
        type=list_lengths,
        default=[20],
        metavar="K,K",
        help="lengths of the lists, as 10,20 (default: 20)",
    )
    side_data_arguments(parser)
    add_model_arguments(parser)
    parser.add_argument(
        "--members", metavar="NAMES", help="of a blend, with commas between them (default: the nightly shelf)"
    )
    asked = parser.parse_args()
    fit = prepared_fit(asked)

    train, test = read_lists(asked.train), read_lists(asked.test)
    shape = tuple(np.maximum(train.shape, test.shape))
    train.resize(shape)
    test.resize(shape)

    model, fit_s = fit(train)
    started = time.perf_counter()
    users = np.flatnonzero(np.diff(test.indptr))
    lists = model.recommend(users, max(asked.k), exclude=train).items
    score_s = time.perf_counter() - started
    cold = restricted(test, np.bincount(train.indices, minlength=shape[1]) < COLD_BELOW)[users]
    accuracy = [*_figures(lists, test[users], asked.k), *_figures(lists, cold, asked.k, "_cold")]
    print(f"{' '.join(accuracy)} fit_s={fit_s:.1f} score_s={score_s:.1f} peak_mb={peak_mb():.0f}")


if __name__ == "__main__":
    refuse_bad_input(main)
