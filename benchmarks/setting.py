"""Compare one model with and without a setting, on the held-out users of one data set.

python -m benchmarks.setting DATASET --model kgcn --set knowledge=100 [--against knowledge=0]

DATASET is a name that `recs run` knows, or a folder. Both are evaluated as in a night, in a temporary home; nothing is
published. Options that --set and --against leave out have the model's defaults; other settings come from
`pipeline.toml` and the environment. The figures are means over the report half with bootstrap intervals; the
difference, --set − --against, is paired. The last line is machine-readable.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import at_least, model_config, plain_fit_errors, refuse_bad_input
from flows.terminal.console import Terminal, out
from models.base import Config
from models.evaluation.bootstrap import interval, paired_difference
from tasks.config.load import load_settings
from tasks.config.settings import ModelsSettings, PublishSettings, Settings
from tasks.errors import UsageError
from tasks.evaluation.metric_rows import HALVES
from tasks.ingestion.first_look import check_input
from tasks.run import dag
from tasks.run.context import Night
from tasks.run.lifecycle import run_night
from tasks.storage.home import Home, open_home

METRIC = "ndcg@10"


def main() -> None:
    """Evaluate both, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", metavar="DATASET")
    parser.add_argument("--model", required=True, metavar="NAME", help="a name of models/registry.py")
    for option, default in {"set": "an option to try", "against": "an option to compare it with"}.items():
        parser.add_argument(f"--{option}", action="append", default=[], metavar="K=V", help=default)
    parser.add_argument("--seed", type=at_least(0), default=42)
    asked = parser.parse_args()
    tried, other = (model_config(asked.model, options) for options in (asked.set, asked.against))
    judge = ("judge.k=[10]", f"judge.champion_metric={METRIC}")
    settings = load_settings(None, (*judge, f"run.seed={asked.seed}"))

    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as folder, Terminal(out) as terminal:
        home = open_home(
            asked.dataset,
            Path(folder) / "home",
            check_input=partial(check_input, settings=settings),
        )
        terminal.headline(home.dataset, home.path)
        a, b = (judged(home, settings, asked.model, config, terminal) for config in (tried, other))
    compare(a, b, settings, " ".join(asked.set), " ".join(asked.against))


def judged(
    home: Home, settings: Settings, model: str, config: Config, terminal: Terminal
) -> NDArray[np.float64]:
    """Return the metric of every user of the report half, (n_report,) float64.

    A second call in the same home reuses the stages that it shares with the first.

    Args:
        home: a temporary one.
        settings: those of a night.
        model: its name.
        config: its hyperparameters.
        terminal: shows the progress.
    """
    models = ModelsSettings.model_validate({"shelf": [model], model: config.model_dump(exclude_unset=True)})
    settings = settings.model_copy(update={"models": models, "publish": PublishSettings()})
    found: list[NDArray[np.float64]] = []
    run_night(home, settings, lambda night: found.append(of_report_half(night, model)), terminal)
    return found[0]


def of_report_half(night: Night, model: str) -> NDArray[np.float64]:
    """Run the first part of a night for one model; return its metric per user of the report half, lists backfilled.

    Raises:
        UsageError: no user is held out.
        NightError: the model cannot be fitted.
    """
    dag.take_in(night)
    before, held_out = dag.cut(night)
    if not held_out.n_report:
        raise UsageError("No user of this data set can be held out to report on.")
    backfill = dag.fit_backfill(night, before)
    with plain_fit_errors():
        fitted = night.run(dag.fit_call(night, before, model))
    evaluation = night.run(dag.evaluate_call(night, fitted, before, backfill, held_out))
    half = np.load(held_out.folder / "users.npz", allow_pickle=False)["half"]
    per_user = np.load(evaluation.folder / "per_user.npz", allow_pickle=False)[METRIC]
    of_report: NDArray[np.float64] = per_user[half == HALVES.index("report")]
    return of_report


def compare(
    a: NDArray[np.float64], b: NDArray[np.float64], settings: Settings, tried: str, other: str
) -> None:
    """Print both means, their difference, and the machine-readable line.

    Args:
        a: (n_report,) the metric with the options `tried`.
        b: (n_report,) the metric with the options `other`, of the same users.
        settings: `judge` and `run.seed` are used.
        tried: the options of --set, as text.
        other: the options of --against, as text.
    """
    judge, seed = settings.judge, settings.run.seed
    sampling: dict[str, Any] = {
        "samples": judge.bootstrap_samples,
        "confidence": judge.confidence,
        "seed": seed,
    }
    for options, values in ((tried, a), (other, b)):
        mean, low, high = interval(values, **sampling)
        print(f"{METRIC} {mean:.5f} [{low:.5f}, {high:.5f}]  {options or 'the defaults'}")
    mean, low, high, detectable = paired_difference(a, b, **sampling)
    print(f"difference {mean:+.5f} [{low:+.5f}, {high:+.5f}]; {len(a):,} users could show {detectable:.5f}")
    print(
        f"{METRIC}={a.mean():.5f} against={b.mean():.5f} difference={mean:.5f} low={low:.5f} high={high:.5f} "
        f"users={len(a)}"
    )


if __name__ == "__main__":
    refuse_bad_input(main)
