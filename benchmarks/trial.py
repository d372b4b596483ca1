"""Trials on the simulated world: is a better arm found, and how often do two equal arms seem to differ?

python -m benchmarks.trial [--champion popularity] [--challenger als] [--share 0.3] [--nights 7] [--days 7]
                           [--salts 200] [--users 2000] [--seed 7]

The world is the demo's; its last nights, --days days apart, are run again: both models are fitted on what lay before
each night and list items for everybody, and users are judged by what they did until the next night. Then trials are
held, each with a salt of its own, by the code that `recs outcomes --trial` runs. The log does not depend on the lists,
so that the arm whose lists foresee it better is the better one, by a difference that the whole population shows. In
an A/A trial both arms have the champion's lists: what is found there is a false alarm, and about 1 in 20 is expected.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from scipy.stats import binomtest

from benchmarks.command import at_least, model_config, refuse_bad_input
from tasks.artifacts import FittedModel, Lists, Snapshot
from tasks.config.data_settings import DataSettings
from tasks.config.settings import JudgeSettings, RecommendSettings, UtilitySettings
from tasks.datasets.synthetic.generate import generate_demo
from tasks.errors import UsageError
from tasks.ingestion.clean import clean
from tasks.ingestion.land import land
from tasks.outcomes.judged_lists import SEGMENTS, JudgedLists, Window, judge_lists, read_histories
from tasks.outcomes.trial import TrialResult, compare_arms
from tasks.outcomes.trial_users import TrialWindow, users_table
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.split import everything
from tasks.recommendation.recommend import recommend
from tasks.recommendation.trial_arms import Arms
from tasks.storage.run_records import TrialRecord
from tasks.storage.warehouse import open_warehouse
from tasks.training.fit import fit

UTILITY = UtilitySettings()
RECOMMEND = RecommendSettings(n=20, similar_n=1, fallback_n=20)


@dataclass(frozen=True)
class JudgedNight:
    """One night, its users judged by the lists of each model.

    Attributes:
        judged: by model.
    """

    number: int
    judged: dict[str, JudgedLists]

    def window(self, arms: Arms, control: str, trial: str) -> TrialWindow:
        """Return the night as a trial in which the arms get the lists of two of the models."""
        parts = []
        for place, model in enumerate((control, trial)):
            judged = self.judged[model]
            drawn = arms.in_trial(judged.user_ids.to_pylist())
            listed = judged.segment != SEGMENTS.index("cold")
            members = listed & (drawn if place else ~drawn)
            parts.append(users_table(judged, (10, 20), np.where(members, place, -1).astype(np.int8)))
        window = judged.window
        return TrialWindow(
            self.number, window.since, window.until, True, control, {}, pa.concat_tables(parts)
        )


def simulate(
    folder: Path, models: Sequence[str], *, users: int, nights: int, days: int, seed: int
) -> list[JudgedNight]:
    """Run the last nights of the simulated world again, and judge everybody by the lists of each model.

    Args:
        folder: an empty folder for the world and for what is made of it.
        models: names of models.
        users: of the world; items and ratings grow with them.
        nights: how many.
        days: between two of them.
        seed: of the world and of the fits.
    """
    generate_demo(
        folder / "raw", users=users, items=max(users, 300), ratings=100 * users, tags=users, seed=seed
    )
    with open_warehouse(folder / "warehouse.duckdb") as con:
        settings = DataSettings()
        data = clean(con, land(con, folder / "raw", settings, landed_at=datetime(2027, 1, 1)), settings)
        read_histories(con, data.until)
        ends = [data.until - timedelta(days=days * left) for left in range(nights, -1, -1)]
        return [
            JudgedNight(number, dict(_judged(con, folder / str(number), models, since, until, seed)))
            for number, (since, until) in enumerate(pairwise(ends), 1)
        ]


def _judged(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    models: Sequence[str],
    since: datetime,
    until: datetime,
    seed: int,
) -> Iterator[tuple[str, JudgedLists]]:
    """Yield each model and the users judged by its lists, made of what lay before `since`."""

    def place(name: str) -> Path:
        made = folder / name
        made.mkdir(parents=True)
        return made

    split = everything(con, as_of=since, key="split", folder=place("split"))
    snapshot = build_snapshot(con, split, UTILITY, key="snapshot", folder=place("snapshot"))
    fitted = {
        name: fit(snapshot, name, model_config(name, ()), seed=seed, key=name, folder=place(name))
        for name in dict.fromkeys((*models, "popularity"))
    }
    for name in models:
        lists = _lists(con, snapshot, fitted[name], fitted["popularity"], place(f"lists of {name}"), seed)
        yield name, judge_lists(con, lists.folder, Window(since, until), UTILITY)


def _lists(
    con: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    model: FittedModel,
    popularity: FittedModel,
    folder: Path,
    seed: int,
) -> Lists:
    return recommend(
        con, snapshot, model, (popularity,), (popularity,), RECOMMEND, rules=(), seed=seed, key="lists", folder=folder
    )  # fmt: skip


def hold_trials(
    nights: Sequence[JudgedNight],
    control: str,
    challenger: str,
    *,
    share: float,
    salts: int,
    judge: JudgeSettings,
) -> list[TrialResult]:
    """Hold one trial per salt on the same nights and lists.

    Args:
        nights: judged by the lists of both models.
        control, challenger: the models of the arms; the same one for A/A trials.
        share: of the users in the trial.
        salts: how many trials.
        judge: the champion metric, and how the bootstrap is drawn.
    """
    results = []
    for number in range(salts):
        arms = Arms(share, f"salt {number}")
        windows = [night.window(arms, control, challenger) for night in nights]
        trial = TrialRecord(challenger, share, arms.salt, len(nights))
        results.append(compare_arms(trial, windows, judge, seed=number))
    return results


def main() -> None:
    """Read the command line, hold the trials, print how often which verdict was spoken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--champion", default="popularity", metavar="MODEL")
    parser.add_argument("--challenger", default="als", metavar="MODEL")
    parser.add_argument(
        "--share", type=float, default=0.3, help="of the users who get the challenger's lists"
    )
    parser.add_argument("--nights", type=at_least(1), default=7)
    parser.add_argument("--days", type=at_least(1), default=7, help="between two nights")
    parser.add_argument("--salts", type=at_least(1), default=200, help="trials of each kind")
    parser.add_argument("--users", type=at_least(100), default=2000)
    parser.add_argument("--seed", type=at_least(0), default=7)
    asked = parser.parse_args()
    if not 0 < asked.share < 1:
        raise UsageError(f"--share {asked.share:g} is not above 0 and below 1.")
    judge = JudgeSettings()
    models = (asked.champion, asked.challenger)
    for name in models:
        model_config(name, ())  # refuses what is no model before minutes are spent
    with tempfile.TemporaryDirectory(prefix="nightly-recs-trial-") as folder:
        nights = simulate(
            Path(folder), models, users=asked.users, nights=asked.nights, days=asked.days, seed=asked.seed
        )
    for control, challenger, kind in ((*models, "A/B"), (models[0], models[0], "A/A")):
        results = hold_trials(nights, control, challenger, share=asked.share, salts=asked.salts, judge=judge)
        _print_results(kind, control, results, judge)


def _print_results(kind: str, control: str, results: Sequence[TrialResult], judge: JudgeSettings) -> None:
    """Print the first trial, and how often each verdict was spoken; the last line is machine-readable."""
    first = results[0]
    print(f"{kind} trials of {first.trial.model} against {control}")
    print(f"  the first: {first.n_users['trial']:,} and {first.n_users['control']:,} users. {first.why}")
    n = len(results)
    counts = {
        name: sum(each.verdict == name for each in results) for name in ("better", "worse", "not decided")
    }
    print("  " + ", ".join(f"{name} {count} of {n}" for name, count in counts.items()))
    decided = n - counts["not decided"]
    low, high = binomtest(decided, n).proportion_ci(judge.confidence, method="exact")
    print(f"kind={kind} share_decided={decided / n:.3f} ci_low={low:.3f} ci_high={high:.3f} trials={n}")


if __name__ == "__main__":
    refuse_bad_input(main)
