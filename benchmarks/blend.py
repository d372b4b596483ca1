"""Compare each ensemble with single models of the shelf, on the held-out users of whole data sets.

python -m benchmarks.blend [DATASET ...] [--set blend.method=ranks]
python -m benchmarks.blend [DATASET ...] --set models.shelf=popularity,two_tower --set blend.enabled=false

DATASET is a name that `recs run` knows, or a folder; without one: the demo, and ml-latest-small where ../shared/data
has it. Models are evaluated as in a night, in a temporary home; nothing is published. The blend is compared with the
single model that is the best on the select half, which a night without a blend would choose; the two stages with the
model that retrieves. Figures are means over the report half; the interval is that of the paired difference. The second
line of each ensemble is machine-readable.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.command import refuse_bad_input
from benchmarks.nights import SMALL
from flows.terminal.console import Terminal, out
from models.evaluation.bootstrap import paired_difference
from tasks.artifacts import Evaluation
from tasks.config.load import load_settings
from tasks.config.settings import PublishSettings, Settings
from tasks.errors import UsageError
from tasks.evaluation.metric_rows import HALVES
from tasks.ingestion.first_look import check_input
from tasks.run import dag
from tasks.run.context import Night
from tasks.run.lifecycle import run_night
from tasks.storage.home import open_home


def main() -> None:
    """Evaluate on every data set; print a sentence and a machine-readable line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="*", default=["demo", *([str(SMALL)] if SMALL.is_dir() else [])])
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for recs run")
    asked = parser.parse_args()
    settings = load_settings(None, asked.set).model_copy(update={"publish": PublishSettings()})
    for dataset in asked.dataset:
        with tempfile.TemporaryDirectory(prefix="nightly-recs-") as folder, Terminal(out) as terminal:
            home = open_home(
                dataset,
                Path(folder) / "home",
                check_input=partial(check_input, settings=settings),
            )
            terminal.headline(home.dataset, home.path)
            lines: list[str] = []
            run_night(home, settings, lambda night, lines=lines: lines.extend(compared(night)), terminal)
        print("\n".join(lines))


def compared(night: Night) -> list[str]:
    """Run the first part of a night, up to the evaluation of the ensembles; return the lines to print.

    Raises:
        UsageError: no user is held out to report on, or there is no ensemble.
    """
    dag.take_in(night)
    before, held_out = dag.cut(night)
    if not held_out.n_report:
        raise UsageError("No user of this data set can be held out to report on.")
    backfill = dag.fit_backfill(night, before)
    fitted, singles = dag.judge_shelf(night, before, backfill, held_out)
    ensembles = dag.learn_ensembles(night, before, (*fitted, *backfill), singles, held_out)
    if not ensembles:
        notes = (stage.note for stage in night.record.stages if stage.model in night.settings.ensembles)
        why = "; ".join([*night.record.failed_models.values(), *notes])
        raise UsageError(f"There is no ensemble: {why or 'none has enough members on the shelf'}.")
    judged = dag.judge_ensembles(night, ensembles, singles, before, backfill, held_out)
    if not judged:
        raise UsageError(f"No ensemble could be judged: {'; '.join(night.record.failed_models.values())}.")
    members = {each.model: each.members for each in ensembles}
    half = np.load(held_out.folder / "users.npz", allow_pickle=False)["half"]
    lines: list[str] = []
    for each in judged:
        alone = [
            single
            for single in singles
            if len(members[each.model]) > 1 or single.model in members[each.model]
        ]
        lines += gain(each, alone, half, night.settings)
    return lines


def gain(
    ensemble: Evaluation, singles: Sequence[Evaluation], half: np.ndarray, settings: Settings
) -> tuple[str, str]:
    """Compare an ensemble with the single model that is best on the select half.

    Args:
        ensemble: its evaluation.
        singles: those of the models to compare with.
        half: (n_users,) the half of each held-out user, an index into `HALVES`.
        settings: `judge` and `run.seed` are used.

    Returns:
        A sentence for people, and a machine-readable line.
    """
    metric, judge = settings.judge.champion_metric, settings.judge
    values = {
        e.model: np.load(e.folder / "per_user.npz", allow_pickle=False)[metric] for e in (*singles, ensemble)
    }
    select, report = (half == HALVES.index(name) for name in ("select", "report"))
    best = max((e.model for e in singles), key=lambda name: float(values[name][select].mean()))
    ours, theirs = values[ensemble.model][report], values[best][report]
    mean, low, high, detectable = paired_difference(
        ours, theirs, samples=judge.bootstrap_samples, confidence=judge.confidence, seed=settings.run.seed
    )
    relative = mean / theirs.mean() if theirs.mean() else np.inf
    folds = values[ensemble.model][select].mean() / values[best][select].mean() - 1
    return (
        f"{metric} {ensemble.model} {ours.mean():.4f}, {best} {theirs.mean():.4f}: {relative:+.1%}, {mean:+.4f} "
        f"[{low:+.4f}, {high:+.4f}]; {len(ours):,} users could show {detectable:.4f}; in the folds of the select "
        f"half {folds:+.1%}",
        f"{ensemble.model}={ours.mean():.5f} best={theirs.mean():.5f} model={best} relative={relative:.5f} "
        f"difference={mean:.5f} low={low:.5f} high={high:.5f} users={len(ours)}",
    )


if __name__ == "__main__":
    refuse_bad_input(main)
