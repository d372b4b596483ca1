"""Judge the lists that a model makes for users who were not trained on, from all, three or one of their likes.

python -m benchmarks.new_users --ratings ratings.csv --model als [--set K=V] [--seed 0]

The file has a header and the columns user, item, rating and time in this order, as MovieLens' ratings.csv. Ratings from
--like on are likes, and what a rating lies above its user's mean is the composite utility. A quarter of the users with
at least eight likes is left out of the training. The first 70 % of their likes are their history, the others are looked
for in the list; the whole history is left out of the lists even where the model gets only its last items, so that the
figures compare. The last line is machine-readable.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv
from scipy import sparse

from benchmarks.command import fitted, model_arguments, refuse_bad_input
from models.base import Recommender
from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions
from models.new_users import NewUsers
from tasks.errors import UsageError

LEAST_LIKES = 8
KEPT = 0.7
K = 10
LENGTHS = {"all": None, "3": 3, "1": 1}


def main() -> None:
    """Fit without the new users, make their lists, print NDCG@10 by the length of the history."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", required=True, type=Path, metavar="FILE")
    parser.add_argument(
        "--like", type=float, default=4.0, metavar="RATING", help="least rating that is a like"
    )
    name, config, seed, asked = model_arguments(parser)
    data = read_ratings(asked.ratings, asked.like)
    histories, wanted, rest = leave_users_out(data, np.random.default_rng(seed))
    model, seconds = fitted(name, config, rest, seed)
    found = {key: ndcg(model, histories, wanted, length) for key, length in LENGTHS.items()}
    figures = " ".join(f"ndcg@{K}_{key}={value:.4f}" for key, value in found.items())
    print(f"model={name} new_users={len(histories)} {figures} fit_s={seconds:.1f}")


def read_ratings(path: Path, like: float) -> Interactions:
    """Return the ratings of a file; of a pair that is there twice the last line counts.

    Raises:
        UsageError: there is no such file, or it has not four columns of numbers.
    """
    try:
        table = csv.read_csv(path)
        users, items, ratings, times = (table.column(at).to_numpy() for at in range(4))
        ratings, times = ratings.astype(np.float32), times.astype(np.int64)
    except (OSError, pa.ArrowInvalid, IndexError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}.", "Give a file such as MovieLens' ratings.csv."
        ) from None
    row, column = (np.unique(ids, return_inverse=True)[1] for ids in (users, items))
    shape = (row.max() + 1, column.max() + 1)
    _, last = np.unique((row * shape[1] + column)[::-1], return_index=True)
    row, column, ratings, times = (each[::-1][last] for each in (row, column, ratings, times))
    mean = np.bincount(row, ratings) / np.bincount(row)
    above, liked = ratings - mean[row], ratings >= like

    def matrix(values: NDArray[np.generic], kept: NDArray[np.bool_]) -> sparse.csr_array:
        return sparse.csr_array((values[kept], (row[kept], column[kept])), shape=shape)

    every, ones = np.ones(len(row), bool), np.ones(len(row), np.float32)
    return Interactions(
        seen=matrix(ones, every), rating=matrix(ratings, every), positive=matrix(ones, liked),
        composite=matrix(above.astype(np.float32), above > 0), timestamp=matrix(times, every),
        item_features=sparse.csr_array((shape[1], 0), dtype=np.float32),
    )  # fmt: skip


def leave_users_out(
    data: Interactions, rng: np.random.Generator
) -> tuple[list[NDArray[np.int32]], sparse.csr_array, Interactions]:
    """Return histories of some users, oldest first, their later likes, and the data without these users."""
    degree = np.diff(data.positive.indptr)
    able = np.flatnonzero(degree >= LEAST_LIKES)
    chosen = np.sort(rng.choice(able, len(able) // 4, replace=False))
    histories, later = [], []
    for user in chosen:
        items = data.positive.indices[slice(*data.positive.indptr[user : user + 2])]
        times = data.timestamp[[user]].toarray()[0, items]
        items = items[np.argsort(times, kind="stable")]
        histories.append(items[: int(KEPT * len(items))])
        later.append(items[int(KEPT * len(items)) :])
    others = sparse.diags_array(~np.isin(np.arange(data.n_users), chosen), dtype=np.float32)

    def without(matrix: sparse.csr_array) -> sparse.csr_array:
        kept = sparse.csr_array(others.astype(matrix.dtype) @ matrix)
        kept.eliminate_zeros()
        kept.sort_indices()
        return kept

    names = ("seen", "rating", "positive", "composite")
    matrices = {name: without(getattr(data, name)) for name in names}
    stamps = sparse.csr_array(data.timestamp.multiply(matrices["seen"]).astype(np.int64))
    rest = Interactions(**matrices, timestamp=stamps, item_features=data.item_features)
    return histories, NewUsers.of(later, data.n_items).likes(), rest


def ndcg(
    model: Recommender, histories: list[NDArray[np.int32]], wanted: sparse.csr_array, length: int | None
) -> float:
    """Return the mean NDCG@10 of lists from the last `length` items of each history; None takes all."""
    new = NewUsers.of([history[-length:] if length else history for history in histories], wanted.shape[1])
    whole = NewUsers.of(histories, wanted.shape[1]).likes()
    lists = model.fold_in(new).recommend(np.arange(len(histories)), K, exclude=whole)
    return float(ranking_metrics(lists.items, wanted, [K])[f"ndcg@{K}"].mean())


if __name__ == "__main__":
    refuse_bad_input(main)
