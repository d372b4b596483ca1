"""Compare the arms of a trial: what users did with the challenger's lists, and others with the champion's.

Users are the unit, as they were drawn: a user's value is the mean over the nights in which the user came to like
something new, each night by the lists that were the newest then, so that no interaction counts twice. The verdict is
that of the first `nights` nights: looking again every night until a difference shows would find one where none is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.evaluation.bootstrap import Difference, unpaired_differences
from tasks.config.settings import JudgeSettings
from tasks.errors import UsageError
from tasks.outcomes.trial_users import TrialWindow, read_trial_users
from tasks.recommendation.trial_arms import CONTROL, TRIAL, VARIANTS
from tasks.storage.run_records import Runs, TrialRecord

Verdict = Literal["better", "worse", "not decided", "too early"]
_NO_METRICS = {"user_id", "variant", "n_positives"}


@dataclass(frozen=True)
class ArmsCompared:
    """One metric of both arms, over the users who came to like something new.

    Attributes:
        metric: such as `ndcg@10`.
        control, trial: the means over users.
        difference: trial less control, unpaired, with its interval.
    """

    metric: str
    control: float
    trial: float
    difference: Difference


@dataclass(frozen=True)
class TrialResult:
    """The outcome of a trial so far.

    Attributes:
        trial: the challenger, the share, the salt, and the nights that decide.
        champions: the models of the control arm, in the order of the nights.
        windows: the nights that are counted, oldest first.
        n_over: the nights of the trial that are over, counted or not.
        n_users: users who came to like something new, by variant.
        acted: of all users with a list, the share of them per night, by variant.
        compared: the metrics; empty unless both arms have users.
        decisive: the metric of the verdict.
        verdict: whether the challenger's lists were better.
        why: the verdict in one or two sentences.
    """

    trial: TrialRecord
    champions: tuple[str, ...]
    windows: tuple[TrialWindow, ...]
    n_over: int
    n_users: dict[str, int]
    acted: dict[str, float]
    compared: tuple[ArmsCompared, ...]
    decisive: str
    verdict: Verdict
    why: str


def read_trial(runs: Runs) -> tuple[TrialRecord, tuple[TrialWindow, ...], dict[str, Any]]:
    """Return the newest trial of a home, its nights that have been judged, and the settings of its newest night.

    Nights belong to one trial if challenger, share and salt are the same.

    Raises:
        UsageError: no night had a trial.
    """
    mine = [run for run in runs.all() if run.summary.trial is not None and run.switched]
    if not mine or mine[0].summary.trial is None:
        raise UsageError(
            "No night with a trial has been published in this home.",
            'Set one in pipeline.toml:\n[publish]\ntrial = {model = "lightgcn", share = 0.1}',
        )
    trial = mine[0].summary.trial
    same = [
        run for run in mine if run.summary.trial is not None and _drawn(run.summary.trial) == _drawn(trial)
    ]
    found = (read_trial_users(runs.folder(run.run_id)) for run in same)
    windows = sorted((each for each in found if each is not None), key=lambda each: (each.since, each.run_id))
    return trial, tuple(windows), mine[0].settings


def _drawn(trial: TrialRecord) -> tuple[str, float, str]:
    return trial.model, trial.share, trial.salt


def compare_arms(
    trial: TrialRecord, windows: Sequence[TrialWindow], judge: JudgeSettings, *, seed: int
) -> TrialResult:
    """Compare the arms over the first nights of a trial.

    Args:
        trial: the trial.
        windows: its nights, oldest first, also the one that is not over.
        judge: the champion metric, the least number of users, and how the bootstrap is drawn.
        seed: of the bootstrap.
    """
    over = [window for window in windows if window.is_over]
    counted = over[: trial.nights] if len(over) >= trial.nights else list(windows)
    users = pool_users(counted)
    arms = {variant: users["variant"] == variant for variant in VARIANTS}
    n_users = {variant: int(members.sum()) for variant, members in arms.items()}
    decisive = _decisive_metric(users, judge)
    compared = _compared(users, arms, judge, seed) if min(n_users.values()) else ()
    verdict, why = _verdict(trial, len(over), n_users, compared, decisive, judge)
    return TrialResult(
        trial=trial,
        champions=tuple(dict.fromkeys(window.champion for window in counted)),
        windows=tuple(counted),
        n_over=len(over),
        n_users=n_users,
        acted=_acted(counted),
        compared=compared,
        decisive=decisive,
        verdict=verdict,
        why=why,
    )


def pool_users(windows: Sequence[TrialWindow]) -> dict[str, NDArray[Any]]:
    """Return one value per user and metric: the mean over the nights in which the user came to like something new.

    Args:
        windows: nights of one trial.

    Returns:
        Arrays (n_users,) by column: `user_id` (ascending), `variant`, `n_positives` (the sum) and the metrics that all
        nights have.
    """
    if not windows:
        return {"user_id": np.empty(0, object), "variant": np.empty(0, object), "n_positives": np.empty(0)}
    shared = [
        name for name in windows[0].users.column_names if all(name in w.users.column_names for w in windows)
    ]
    together = pa.concat_tables(
        [window.users.select(shared).replace_schema_metadata(None) for window in windows]
    )
    metrics = [name for name in shared if name not in _NO_METRICS]
    sums = [("n_positives", "sum"), *((name, "mean") for name in metrics)]
    by_user = together.group_by(["user_id", "variant"], use_threads=False).aggregate(sums).sort_by("user_id")
    return {
        "user_id": by_user["user_id"].to_numpy(),
        "variant": np.array(by_user["variant"].to_pylist(), object),
        "n_positives": by_user["n_positives_sum"].to_numpy(),
        **{name: by_user[f"{name}_mean"].to_numpy() for name in metrics},
    }


def _decisive_metric(users: dict[str, NDArray[Any]], judge: JudgeSettings) -> str:
    """Return the champion metric, or NDCG at its length where outcomes do not have it."""
    if judge.champion_metric in users:
        return judge.champion_metric
    return f"ndcg@{judge.champion_metric.partition('@')[2]}"


def _compared(
    users: dict[str, NDArray[Any]], arms: dict[str, NDArray[np.bool_]], judge: JudgeSettings, seed: int
) -> tuple[ArmsCompared, ...]:
    """Compare every metric of the pooled users; both arms have some."""
    metrics = [name for name in users if name not in _NO_METRICS]
    trial, control = (
        np.column_stack([users[name][arms[variant]] for name in metrics]) for variant in (TRIAL, CONTROL)
    )
    found = unpaired_differences(
        trial, control, samples=judge.bootstrap_samples, confidence=judge.confidence, seed=seed
    )
    means = zip(control.mean(axis=0).tolist(), trial.mean(axis=0).tolist(), strict=True)
    return tuple(
        ArmsCompared(name, *pair, each) for name, pair, each in zip(metrics, means, found, strict=True)
    )


def _acted(windows: Sequence[TrialWindow]) -> dict[str, float]:
    """Return, by variant, the share of the users with a list who came to like something new on a night, on average."""
    found = {}
    for variant in VARIANTS:
        listed = sum(window.n_listed.get(variant, 0) for window in windows)
        acted = sum(window.users["variant"].to_pylist().count(variant) for window in windows)
        found[variant] = acted / listed if listed else 0.0
    return found


def _verdict(
    trial: TrialRecord,
    n_over: int,
    n_users: dict[str, int],
    compared: Sequence[ArmsCompared],
    decisive: str,
    judge: JudgeSettings,
) -> tuple[Verdict, str]:
    """Return the verdict and its reason."""
    of = {"night": "nights", "user": "users"}

    def count(n: int, what: str) -> str:
        return f"{n:,} {what if n == 1 else of[what]}"

    if n_over < trial.nights:
        return (
            "too early",
            f"No verdict yet: {n_over:,} of {count(trial.nights, 'night')} {'is' if n_over == 1 else 'are'} over.",
        )
    row = next((each for each in compared if each.metric == decisive), None)
    if row is None or min(n_users.values()) < judge.min_users:
        fewest = min(n_users, key=lambda variant: n_users[variant])
        return "not decided", (
            f"Not decided after {count(trial.nights, 'night')}: only {count(n_users[fewest], 'user')} of the arm "
            f"{fewest} came to like something new, and {judge.min_users:,} are needed in each."
        )
    found = row.difference
    seen = f"{decisive} {found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    if found.low > 0 or found.high < 0:
        verdict: Verdict = "better" if found.low > 0 else "worse"
        return verdict, (
            f"The lists of {trial.model} are {verdict} than those of the champion after "
            f"{count(trial.nights, 'night')}: {seen}."
        )
    return "not decided", (
        f"Not decided after {count(trial.nights, 'night')}: {seen} holds 0. A true difference of "
        f"{found.detectable:.4f} would have been seen four times out of five."
    )
