"""Measure how far leave_last flatters a model by what other users did after a user's cutoff.

python -m benchmarks.look_ahead DATASET --model item_knn [--set k=100] [--parts 12] [--seed 42]

DATASET is a name that `recs run` knows, or a folder. Its leave_last split is judged twice, on the same users and
relevant items: once as in a night, by a model that learned from everybody's interactions before their own cutoffs; and
once without looking ahead. For that the users are sorted by their newest training interaction and cut into parts, and
the model of each part learns from interactions that are older than the first of these, and from the part's own users.
Fewer interactions than a night would have are left for the earlier parts, but no more than on the night of that day.
The difference, looking ahead − not, is paired over the users; lists are not backfilled. The last line is
machine-readable.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.command import at_least, fitted, model_arguments, refuse_bad_input
from flows.terminal.console import Terminal, out
from models.base import BoolArray, Config
from models.evaluation.bootstrap import paired_difference
from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions, load_matrix
from tasks.config.load import load_settings
from tasks.errors import UsageError
from tasks.run import dag
from tasks.run.context import Night
from tasks.run.lifecycle import run_night
from tasks.storage.home import open_home

METRIC, LENGTH = "ndcg@10", 10


def known_on(data: Interactions, moment: int, users: NDArray[np.int64]) -> Interactions:
    """Return the interactions before a moment, and all of the given users; shapes stay.

    Args:
        data: the interactions.
        moment: Unix seconds.
        users: (n,) rows that stay whole.
    """
    rows = np.zeros(data.n_users, bool)
    rows[users] = True
    kept = data.timestamp.copy()
    kept.data = (data.timestamp.data < moment) | np.repeat(rows, np.diff(data.timestamp.indptr))
    return replace(
        data,
        seen=_where(data.seen, kept),
        rating=_where(data.rating, kept),
        positive=_where(data.positive, kept),
        composite=_where(data.composite, kept),
        timestamp=_where(data.timestamp, kept),
    )


def _where(matrix: sparse.csr_array, kept: sparse.csr_array) -> sparse.csr_array:
    """Return `matrix` with the entries at which `kept`, which has an entry wherever `matrix` has one, is true."""
    width = matrix.shape[1]
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    of_kept = np.repeat(np.arange(kept.shape[0]), np.diff(kept.indptr)) * width + kept.indices
    chosen: BoolArray = kept.data[np.searchsorted(of_kept, rows * width + matrix.indices)]
    return sparse.csr_array((matrix.data[chosen], (rows[chosen], matrix.indices[chosen])), shape=matrix.shape)


def without_looking_ahead(
    data: Interactions,
    users: NDArray[np.int64],
    relevant: sparse.csr_array,
    model: tuple[str, Config, int],
    parts: int,
) -> NDArray[np.float64]:
    """Return the metric of each user, (n,), by models that know only what was known on the user's day.

    Args:
        data: everybody's interactions before their own cutoffs.
        users: (n,) the judged users.
        relevant: (n, n_items) their held-out positives.
        model: name, config and seed.
        parts: number of models.
    """
    name, config, seed = model
    newest = np.array([data.timestamp.data[slice(*data.timestamp.indptr[u : u + 2])].max() for u in users])
    found = np.empty(len(users))
    for part in np.array_split(np.argsort(newest, kind="stable"), parts):
        known = known_on(data, int(newest[part].min()), users[part])
        lists = fitted(name, config, known, seed)[0].recommend(users[part], LENGTH, exclude=data.seen).items
        found[part] = ranking_metrics(lists, relevant[part], [LENGTH])[METRIC]
    return found


def main() -> None:
    """Cut the data set as leave_last does, judge twice, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("--parts", type=at_least(1), default=12)
    name, config, seed, asked = model_arguments(parser)
    settings = load_settings(None, ("split.method=leave_last", f"run.seed={seed}"))
    found: list[tuple[Interactions, NDArray[np.int64], sparse.csr_array]] = []

    def cut(night: Night) -> None:
        dag.take_in(night)
        before, held_out = dag.cut(night)
        users = np.load(held_out.folder / "users.npz", allow_pickle=False)["user_idx"]
        found.append((Interactions.load(before.folder), users, load_matrix(held_out.folder, "relevant")))

    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as folder, Terminal(out) as terminal:
        run_night(open_home(asked.dataset, Path(folder) / "home"), settings, cut, terminal)
    data, users, relevant = found[0]
    if len(users) < asked.parts:
        raise UsageError(f"{len(users)} users can be judged, fewer than --parts {asked.parts}.")
    lists = fitted(name, config, data, seed)[0].recommend(users, LENGTH, exclude=data.seen).items
    ahead = ranking_metrics(lists, relevant, [LENGTH])[METRIC]
    honest = without_looking_ahead(data, users, relevant, (name, config, seed), asked.parts)
    judge = settings.judge
    mean, low, high, _ = paired_difference(
        ahead, honest, samples=judge.bootstrap_samples, confidence=judge.confidence, seed=seed
    )
    print(
        f"{METRIC}={ahead.mean():.5f} without={honest.mean():.5f} difference={mean:+.5f} low={low:+.5f} "
        f"high={high:+.5f} users={len(users)}"
    )


if __name__ == "__main__":
    refuse_bad_input(main)
