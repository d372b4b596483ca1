"""Compare two nights: what changed in settings, data, figures, times and lists.

Everything is read from the runs' records and artifacts, which are kept as long as their lists are in the serving
database, and for the newest nights also where they were held back: a held-back night can be compared to the live one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.evaluation.bootstrap import Difference, paired_difference
from models.evaluation.metrics import at_k
from tasks.artifacts import Evaluation, HeldOut
from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.evaluation.metric_rows import HALVES, MetricRow, read_metrics
from tasks.reporting.list_samples import (
    TOP,
    Id,
    Kept,
    Listed,
    Mover,
    best_of,
    kept_since,
    movers,
    sample_users,
)
from tasks.reporting.page.metric_panels import champion_metric
from tasks.reporting.run_artifacts import RunArtifacts, find_artifacts
from tasks.reporting.run_report import no_record
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs

_N_MOVERS = 10
_REPORT = HALVES.index("report")


@dataclass(frozen=True)
class Changed:
    """A setting or a count with its value in either run; None where a run has none."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True)
class JudgedTwice:
    """A model's figure in either run; `paired` is b − a over the users, None unless both judged the same users."""

    name: str
    a: float
    b: float
    paired: Difference | None


@dataclass(frozen=True)
class TwoLists:
    """The top of one user's list in either run."""

    user_id: Id
    a: tuple[Listed, ...]
    b: tuple[Listed, ...]


@dataclass(frozen=True)
class ListChanges:
    """Changes from the lists of run A to those of run B."""

    kept: Kept
    movers: tuple[Mover, ...]
    users: tuple[TwoLists, ...]


@dataclass(frozen=True)
class Comparison:
    """The differences between two runs. `lists` is None where a run has no lists; `why_no_lists` says which run."""

    a: Run
    b: Run
    settings: tuple[Changed, ...]
    data: tuple[Changed, ...]
    metric: str
    judged: tuple[JudgedTwice, ...]
    stages: tuple[Changed, ...]
    lists: ListChanges | None
    why_no_lists: str


def compare(
    home: Home, run_a: int, run_b: int, *, n_users: int, settings: Settings | None = None
) -> Comparison:
    """Return what changed from `run_a` to `run_b`.

    Args:
        home: of both runs.
        run_a: the id of a run.
        run_b: the id of another run, usually a later one.
        n_users: for how many users to compare the lists, from the least to the most active.
        settings: name the serving database, which may know a run without a record; None to leave that out.

    Raises:
        UsageError: a run is unknown or has not ended, or both are the same.
    """
    if run_a == run_b:
        raise UsageError(f"Run {run_a} is the same as itself.", "Give two different runs.")
    runs, store = Runs(home.runs), home.artifact_store
    a, b = (_ended(runs, home, settings, run_id) for run_id in (run_a, run_b))
    artifacts_a, artifacts_b = find_artifacts(store, a), find_artifacts(store, b)
    metric, judged = _judged(runs, a, b, artifacts_a, artifacts_b)
    without = " and ".join(
        str(run.run_id) for run, artifacts in ((a, artifacts_a), (b, artifacts_b)) if artifacts.lists is None
    )
    return Comparison(
        a=a,
        b=b,
        settings=_changed(_asked(a), _asked(b)),
        data=_changed(_counts(a, artifacts_a), _counts(b, artifacts_b), keep_equal=True),
        metric=metric,
        judged=judged,
        stages=_changed(_seconds(a), _seconds(b), keep_equal=True),
        lists=None if without else _lists(artifacts_a, artifacts_b, n_users),
        why_no_lists=f"The lists of run {without} were never made, or are not kept any more."
        if without
        else "",
    )


def _ended(runs: Runs, home: Home, settings: Settings | None, run_id: int) -> Run:
    run = runs.find(run_id)
    if run is None:
        raise no_record(home, settings, run_id)
    if run.status == "running":
        raise UsageError(f"Run {run_id} has not ended yet.", "Wait for it, or run again if it was killed.")
    return run


def _asked(run: Run) -> dict[str, Any]:
    """Return the settings of a run, and the rules of single items that were applied."""
    rules = run.summary.rules
    return dict(_flat(run.settings)) | ({"item_rules": rules} if rules else {})


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield nested settings with dotted names."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _changed(a: dict[str, Any], b: dict[str, Any], *, keep_equal: bool = False) -> tuple[Changed, ...]:
    names = dict.fromkeys((*a, *b))
    rows = (Changed(name, a.get(name), b.get(name)) for name in names)
    return tuple(row for row in rows if keep_equal or row.a != row.b)


def _counts(run: Run, artifacts: RunArtifacts) -> dict[str, int]:
    """Return how much data a run learned from, and the rows of its lists."""
    counts = {}
    for source in run.summary.intake:
        counts[f"{source.source}, clean"] = source.clean
        if source.quarantined:
            counts[f"{source.source}, rejected"] = source.quarantined
    if artifacts.snapshot is not None:
        snapshot = artifacts.snapshot
        counts |= {"users": snapshot.n_users - snapshot.n_untouched_users, "items": snapshot.n_items}
        counts |= {"positive": artifacts.snapshot.n_positive}
    if artifacts.lists is not None:
        counts["rows of lists"] = artifacts.lists.n_rows
    return counts


def _seconds(run: Run) -> dict[str, float]:
    """Return the seconds of each stage and model, and of all stages."""
    seconds: dict[str, float] = {}
    for stage in run.stages:
        name = stage.stage if stage.model is None else f"{stage.stage} {stage.model}"
        seconds[name] = seconds.get(name, 0.0) + stage.seconds
    return seconds | {"all stages": sum(stage.seconds for stage in run.stages)}


def _judged(
    runs: Runs, a: Run, b: Run, artifacts_a: RunArtifacts, artifacts_b: RunArtifacts
) -> tuple[str, tuple[JudgedTwice, ...]]:
    """Compare every model that both runs judged, and the champions if they differ, on the champion metric of `b`."""
    rows_a, rows_b = (read_metrics(runs.folder(run.run_id)).metrics for run in (a, b))
    label, k = champion_metric(b, rows_b)
    of_a, of_b = (_values(rows, label, k) for rows in (rows_a, rows_b))
    name = at_k(label, k)
    pairs = {model: (model, model) for model in of_b if model in of_a}
    if a.champion in of_a and b.champion in of_b and a.champion != b.champion:
        pairs = {f"champion: {a.champion} → {b.champion}": (a.champion, b.champion)} | pairs
    same_users = (
        artifacts_a.held_out is not None
        and artifacts_b.held_out is not None
        and artifacts_a.held_out.key == artifacts_b.held_out.key
    )
    found = []
    for title, (one, other) in pairs.items():
        paired = None
        if same_users and artifacts_b.held_out is not None:
            evaluations = artifacts_a.evaluations.get(one), artifacts_b.evaluations.get(other)
            paired = _paired(*evaluations, artifacts_b.held_out, name, b)
        found.append(JudgedTwice(title, of_a[one], of_b[other], paired))
    return name, tuple(found)


def _values(rows: Sequence[MetricRow], metric: str, k: int | None) -> dict[str, float]:
    """Return the metric of each model, of all users of the report half."""
    wanted = (metric, k, "report", "all")
    return {row.model: row.value for row in rows if (row.metric, row.k, row.half, row.segment) == wanted}


def _paired(
    a: Evaluation | None, b: Evaluation | None, held_out: HeldOut, metric: str, run: Run
) -> Difference | None:
    """Return b − a over the users of the report half; None if the values of one are not kept any more."""
    judge = run.settings.get("judge")
    if a is None or b is None or judge is None:
        return None
    with np.load(held_out.folder / "users.npz", allow_pickle=False) as users:
        mine = users["half"] == _REPORT
    values = []
    for evaluation in (b, a):
        with np.load(evaluation.folder / "per_user.npz", allow_pickle=False) as per_user:
            if metric not in per_user:
                return None
            values.append(per_user[metric][mine])
    return paired_difference(
        *values, samples=judge["bootstrap_samples"], confidence=judge["confidence"], seed=run.seed
    )


def _lists(artifacts_a: RunArtifacts, artifacts_b: RunArtifacts, n_users: int) -> ListChanges:
    assert artifacts_a.lists is not None and artifacts_b.lists is not None  # noqa: S101, PT018  (for the type checker)
    users: tuple[TwoLists, ...] = ()
    if artifacts_b.everything is not None:
        sampled = sample_users(artifacts_b.lists, artifacts_b.everything, n_users)
        earlier = best_of(artifacts_a.lists, [user.user_id for user in sampled])
        users = tuple(TwoLists(user.user_id, earlier.get(user.user_id, ()), user.rows) for user in sampled)
    return ListChanges(
        kept_since(artifacts_b.lists, artifacts_a.lists, TOP),
        movers(artifacts_b.lists, artifacts_a.lists, _N_MOVERS),
        users,
    )
