"""Compare warm fits with cold ones: time and quality, when a night adds a little data to the night before.

python -m benchmarks.warm_start --dataset demo --model als [--model bpr ...] [--new 0.01] [--nights 1] [--share 0.2,0.3]
python -m benchmarks.warm_start --train train.txt --test test.txt --model als [--set factors=64]

The first fit is cold, on the training data without the last --nights parts of --new each; each further night adds one
part and starts from the fit of the night before. The fit of the last night is compared with a cold one on the same
data. With --dataset (a name that `recs run` knows, or a folder) the training data are the part before the cutoff, the
nights bring the newest interactions, and the judged users are all that are held out. With --train and --test, files as
for `benchmarks.accuracy`, they bring pairs drawn at random. Lists are not backfilled. --share tries several values of
`warm_share`; --repeats fits the last night several times and prints the median of the times. Differences are paired
over users, warm − cold, with bootstrap intervals of 95 %. Times are those of the processors, all threads together, so
that neighbours on the machine count little. --new 0.1 with twice the default --share shows what a refit on everything
is worth that starts from the fit before the cutoff of the same night.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from benchmarks.accuracy import read_lists
from benchmarks.command import at_least, model_config, plain_fit_errors, refuse_bad_input
from models.base import Config, Recommender
from models.evaluation.bootstrap import paired_difference
from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions, entries_of, only
from models.registry import recommender_class
from models.warm_start import WarmStart
from tasks.config.load import load_settings
from tasks.config.settings import PublishSettings
from tasks.errors import UsageError
from tasks.ingestion.first_look import check_input
from tasks.monitoring.events import SilentWatcher
from tasks.run import dag
from tasks.run.context import Night
from tasks.run.lifecycle import run_night
from tasks.storage.home import open_home
from tasks.training.warm_start import matched

METRICS = ("ndcg@10", "recall@20")
_SAMPLING = {"samples": 2000, "confidence": 0.95, "seed": 0}


@dataclass(frozen=True)
class World:
    """Training data, and what their users came to like.

    Attributes:
        data: all training data.
        order: (data.seen.nnz,) the place of each pair in the order in which the nights bring them.
        users: (n_judged,) rows of the judged users.
        relevant: (n_judged, n_items), their relevant items.
    """

    data: Interactions
    order: NDArray[np.int64]
    users: NDArray[np.int64]
    relevant: sparse.csr_array

    def until(self, share: float) -> Interactions:
        """Return the first `share` of the pairs; rows and columns stay."""
        if share >= 1:
            return self.data
        data, kept = self.data, self.order < round(share * len(self.order))
        places = sparse.csr_array(
            (kept.astype(np.int64) + 1, data.seen.indices, data.seen.indptr), data.seen.shape
        )
        parts = {
            name: only(matrix, entries_of(places, matrix) == 2)
            for name in ("seen", "rating", "positive", "composite", "timestamp")
            if (matrix := getattr(data, name)) is not None
        }
        return replace(data, **parts)


@dataclass(frozen=True)
class Fit:
    """A fitted model, the processor seconds that its fit took, and its metrics per judged user."""

    model: Recommender
    seconds: float
    figures: dict[str, NDArray[np.float64]]


def main() -> None:
    """Read the command line, and print a line for each model and share."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", metavar="DATASET")
    parser.add_argument("--train", type=Path, metavar="FILE")
    parser.add_argument("--test", type=Path, metavar="FILE")
    parser.add_argument("--model", action="append", required=True, metavar="NAME", help="may be repeated")
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="an option of all the models"
    )
    parser.add_argument(
        "--share", default="", metavar="S,S", help="values of warm_share (default: the model's own)"
    )
    parser.add_argument(
        "--new", type=float, default=0.01, metavar="SHARE", help="of the data that a night adds"
    )
    parser.add_argument("--nights", type=at_least(1), default=1, help="warm nights in a row")
    parser.add_argument("--repeats", type=at_least(1), default=1, help="fits whose median time is printed")
    parser.add_argument("--seed", type=at_least(0), default=42)
    asked = parser.parse_args()
    if (asked.dataset is None) == (asked.train is None or asked.test is None):
        raise UsageError("Give either --dataset, or both --train and --test.")
    if not 0 < asked.new * asked.nights < 1:
        raise UsageError(f"--new {asked.new} times --nights {asked.nights} must lie between 0 and 1.")
    shares = [[f"warm_share={share.strip()}"] for share in asked.share.split(",")] if asked.share else [[]]
    tried = {name: [model_config(name, (*asked.set, *share)) for share in shares] for name in asked.model}
    for name, configs in tried.items():
        if not recommender_class(name)(configs[0]).warm_parts():
            raise UsageError(f"The model {name} knows no warm start with these options.")
    if asked.dataset is None:
        world = from_files(asked.train, asked.test, asked.seed)
    else:
        world = from_dataset(asked.dataset, asked.seed)
    print(
        f"{'model':<12} share  cold s  warm s  ratio  metric     cold    warm    difference [95 %]",
        flush=True,
    )
    for name, configs in tried.items():
        for line in compared(name, configs, world, asked):
            print(line, flush=True)


def compared(name: str, configs: list[Config], world: World, asked: argparse.Namespace) -> Iterator[str]:
    """Yield the lines of a model: one for each config, which differ in `warm_share` only, and metric."""
    begin = 1 - asked.new * asked.nights
    first = fitted(name, configs[0], world, begin, None, asked.seed)
    cold = repeated(name, configs[0], world, None, asked)
    for config in configs:
        earlier = first.model
        for night in range(1, asked.nights):
            earlier = fitted(name, config, world, begin + night * asked.new, earlier, asked.seed).model
        warm = repeated(name, config, world, earlier, asked)
        for metric in METRICS:
            yield line(name, config, cold, warm, metric)


def line(name: str, config: Config, cold: Fit, warm: Fit, metric: str) -> str:
    """Return one line of the table."""
    a, b = warm.figures[metric], cold.figures[metric]
    found = paired_difference(a, b, **_SAMPLING)  # type: ignore[arg-type]
    share = config.model_dump()["warm_share"]
    return (
        f"{name:<12} {share:5.3g} {cold.seconds:7.2f} {warm.seconds:7.2f} {warm.seconds / cold.seconds:6.2f}  "
        f"{metric:<9} {b.mean():.5f} {a.mean():.5f} {found.mean:+.5f} [{found.low:+.5f}, {found.high:+.5f}]"
    )


def repeated(
    name: str, config: Config, world: World, earlier: Recommender | None, asked: argparse.Namespace
) -> Fit:
    """Fit on all data as often as asked; return the last fit with the median of the times."""
    fits = [fitted(name, config, world, 1, earlier, asked.seed) for _ in range(asked.repeats)]
    return replace(fits[-1], seconds=statistics.median(fit.seconds for fit in fits))


def fitted(
    name: str, config: Config, world: World, share: float, earlier: Recommender | None, seed: int
) -> Fit:
    """Fit a model on the first `share` of the data, cold or from an earlier fit, and evaluate it.

    Args:
        name: of the registry.
        config: the model's.
        world: the data.
        share: of its pairs.
        earlier: the fit to start from, or None. Matching its rows counts as a part of the fit.
        seed: of the fit.
    """
    data, model = world.until(share), recommender_class(name)(config)
    started = time.process_time()
    with plain_fit_errors():
        model.fit(data, seed=seed, warm_start=None if earlier is None else of_same_rows(earlier))
    seconds = time.process_time() - started
    lists = model.recommend(world.users, 20, exclude=world.data.seen).items
    return Fit(model, seconds, ranking_metrics(lists, world.relevant, [10, 20]))


def of_same_rows(earlier: Recommender) -> WarmStart:
    """Return the warm start from a fit whose rows are those of the new data."""
    rows = np.arange(len(earlier.known_users_)), np.arange(len(earlier.known_items_))
    return matched(earlier, *rows)


def from_files(train: Path, test: Path, seed: int) -> World:
    """Read files in LightGCN's format; the nights bring their pairs in a random order."""
    matrix, relevant = read_lists(train), read_lists(test)
    shape = tuple(np.maximum(matrix.shape, relevant.shape))
    matrix.resize(shape)
    relevant.resize(shape)
    users = np.flatnonzero(np.diff(relevant.indptr))
    order = np.random.default_rng(seed).permutation(matrix.nnz)
    return World(Interactions.from_positive(matrix), order, users, relevant[users])


def from_dataset(dataset: str, seed: int) -> World:
    """Take the data before the cutoff of a night in a temporary home; the nights bring them by their times."""
    settings = load_settings(None, (f"run.seed={seed}",)).model_copy(update={"publish": PublishSettings()})
    found: list[World] = []

    def flow(night: Night) -> None:
        dag.take_in(night)
        before, held_out = dag.cut(night)
        data = Interactions.load(before.folder)
        order = np.empty(data.seen.nnz, np.int64)
        order[np.argsort(data.timestamp.data, kind="stable")] = np.arange(len(order))
        users = np.load(held_out.folder / "users.npz", allow_pickle=False)["user_idx"].astype(np.int64)
        relevant = sparse.csr_array(sparse.load_npz(held_out.folder / "relevant.npz"))
        found.append(World(data, order, users, relevant))

    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as folder:
        home = open_home(dataset, Path(folder) / "home", check_input=partial(check_input, settings=settings))
        run_night(home, settings, flow, SilentWatcher())
    return found[0]


if __name__ == "__main__":
    refuse_bad_input(main)
