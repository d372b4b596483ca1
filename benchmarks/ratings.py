"""Measure how well one model predicts ratings, on lines `user item rating timestamp`.

python -m benchmarks.ratings --base u1.base --test u1.test --model mf [--set implicit_term=true] [--seed 42]

Columns are separated by tabs or, in a .csv file, which begins with a header, by commas: MovieLens' u1.base and
ratings.csv are such files. Every line of the test file is predicted. The last line is machine-readable.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.command import fitted, model_arguments, refuse_bad_input
from models.interactions import Interactions
from tasks.errors import UsageError

LIKED = 3.5  # the least positive rating, as in pipeline.toml


def read_ratings(path: Path) -> NDArray[np.float64]:
    """Return user, item, rating and timestamp of every line, (n, 4) float64.

    Raises:
        UsageError: the file cannot be read or has another format.
    """
    try:
        if path.suffix == ".csv":
            rows = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
        else:
            rows = np.loadtxt(path, delimiter="\t", ndmin=2)
    except (OSError, ValueError) as error:
        separator = "comma" if path.suffix == ".csv" else "tab"
        raise UsageError(
            f"{path} is not a readable file of {separator}-separated numbers: {error}."
        ) from None
    if rows.size == 0 or rows.shape[1] != 4:
        raise UsageError(f"{path} does not hold lines of `user item rating timestamp`.")
    if not np.isfinite(rows).all():
        raise UsageError(f"{path} holds a value that is not a finite number.")
    return rows


def interactions(
    rows: NDArray[np.float64],
    users: NDArray[np.int64],
    items: NDArray[np.int64],
    shape: tuple[int, int] | None = None,
) -> Interactions:
    """Return the rows as interactions to fit a model on.

    Args:
        rows: (n, 4), of `read_ratings`.
        users: (n,) the dense index of each row's user.
        items: (n,) the dense index of each row's item.
        shape: (n_users, n_items); None for just these users and items.
    """
    shape = shape or (int(users.max()) + 1, int(items.max()) + 1)

    def matrix(
        values: NDArray[np.generic], keep: NDArray[np.bool_] | slice = slice(None)
    ) -> sparse.csr_array:
        found = sparse.csr_array((values[keep], (users[keep], items[keep])), shape=shape)
        found.sort_indices()
        return found

    ones, liked = np.ones(len(rows), np.float32), rows[:, 2] >= LIKED
    return Interactions(
        seen=matrix(ones),
        rating=matrix(rows[:, 2].astype(np.float32)),
        positive=matrix(ones, liked),
        composite=matrix(ones, liked),
        timestamp=matrix(rows[:, 3].astype(np.int64)),
        item_features=sparse.csr_array((shape[1], 0), dtype=np.float32),
    )


def main() -> None:
    """Fit, predict, evaluate, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", type=Path, required=True, metavar="FILE")
    parser.add_argument("--test", type=Path, required=True, metavar="FILE")
    name, config, seed, asked = model_arguments(parser)
    base, test = read_ratings(asked.base), read_ratings(asked.test)
    user_ids, users = np.unique(base[:, 0], return_inverse=True)
    item_ids, items = np.unique(base[:, 1], return_inverse=True)
    data = interactions(base, users, items)
    if data.seen.nnz < len(base):
        raise UsageError(
            f"{asked.base} holds {len(base) - data.seen.nnz} second ratings of the same user and item."
        )

    model, fit_s = fitted(name, config, data, seed)
    try:
        predicted = model.predict(positions(test[:, 0], user_ids), positions(test[:, 1], item_ids))
    except NotImplementedError as error:
        raise UsageError(f"{error}.") from None
    error = predicted - test[:, 2]
    print(f"rmse={np.sqrt(np.mean(error**2)):.5f} mae={np.abs(error).mean():.5f} fit_s={fit_s:.1f}")


def positions(ids: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the position of each id in the sorted array `known`, (n,) int64; −1 where it is not there."""
    at = np.searchsorted(known, ids).clip(max=len(known) - 1)
    return np.where(known[at] == ids, at, -1)


if __name__ == "__main__":
    refuse_bad_input(main)
