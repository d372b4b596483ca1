"""Choose the champion on the select half, and write down every figure of both halves.

The report half is only ever printed: nothing here decides by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.evaluation.bootstrap import detectable_difference, intervals
from tasks.figures import HALVES, Row, figure, further_figures
from tasks.references import Choice, Evaluation, HeldOut
from tasks.settings import JudgeSettings
from tasks.store import write_json

PerUser = Mapping[str, NDArray[np.float64]]


def choose(
    evaluations: tuple[Evaluation, ...],
    strangers: Evaluation,
    held_out: HeldOut,
    settings: JudgeSettings,
    *,
    seed: int,
    key: str,
    folder: Path,
) -> Choice:
    """The model with the best champion metric on the select half; ties go to the one that stands first on the shelf.

    Folder: `metrics.json` with `metrics` (rows of the `model_metrics` table, without run_id), `differences` (each
    model against popularity and against the champion, paired over the users of one half) and `segments` (what the
    classes of users and of items are).
    """
    half = np.load(held_out.folder / "users.npz", allow_pickle=False)["half"]
    cold_half = np.load(held_out.folder / "cold_half.npz", allow_pickle=False)["half"]
    per_user = {evaluation.model: _load(evaluation) for evaluation in evaluations}
    ranking, why = _ranked(per_user, half, settings.champion_metric)
    baselines = [name for name in dict.fromkeys(("popularity", ranking[0])) if name in per_user]
    rows, differences = _figures(per_user, "all", half, baselines, settings, seed)
    cold_rows, _ = _figures({strangers.model: _load(strangers)}, "cold", cold_half, [], settings, seed)
    rows += cold_rows + further_figures(evaluations, held_out, settings, seed=seed)
    segments = json.loads((held_out.folder / "segments.json").read_text(encoding="utf-8"))
    write_json(folder / "metrics.json", {"metrics": rows, "differences": differences, "segments": segments})
    return Choice(key, folder, ranking, why)


def _load(evaluation: Evaluation) -> PerUser:
    with np.load(evaluation.folder / "per_user.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def _ranked(
    per_user: Mapping[str, PerUser], half: NDArray[np.int8], metric: str
) -> tuple[tuple[str, ...], str]:
    """The models, best first by the select half, and why the first one is."""
    selecting = half == 0
    if not selecting.any():
        safe = tuple(sorted(per_user, key=lambda name: name != "popularity"))
        return safe, f"{safe[0]}, because no user could be held out to judge the models on"
    means = {name: float(values[metric][selecting].mean()) for name, values in per_user.items()}
    ranking = tuple(sorted(means, key=lambda name: -means[name]))
    if len(ranking) == 1:
        return ranking, f"{ranking[0]}, the only model"
    return ranking, (
        f"{ranking[0]} has the best {metric} on the {int(selecting.sum()):,} users of the select half: "
        f"{means[ranking[0]]:.4f}, before {ranking[1]} with {means[ranking[1]]:.4f}"
    )


def _figures(
    per_user: Mapping[str, PerUser],
    segment: str,
    half: NDArray[np.int8],
    baselines: Sequence[str],
    settings: JudgeSettings,
    seed: int,
) -> tuple[list[Row], list[Row]]:
    """Rows of `metrics` and of `differences`; all figures of one half share the bootstrap's samples of users."""
    metrics: list[Row] = []
    differences: list[Row] = []
    decisive = settings.champion_metric
    for number, name in enumerate(HALVES):
        members = half == number
        if not members.any():
            continue
        figures = [(model, metric) for model, values in per_user.items() for metric in values]
        pairs = [(model, baseline) for baseline in baselines for model in per_user if model != baseline]
        gains = [(per_user[a][decisive] - per_user[b][decisive])[members] for a, b in pairs]
        found = intervals(
            np.column_stack([*(per_user[model][metric][members] for model, metric in figures), *gains]),
            samples=settings.bootstrap_samples,
            confidence=settings.confidence,
            seed=seed,
        )
        of_half = {"half": name, "n_users": int(members.sum())}
        metrics += [
            figure(model, metric, mean, {"segment": segment, **of_half})
            for (model, metric), mean in zip(figures, found[: len(figures)], strict=True)
        ]
        differences += [
            {"model": model, "baseline": baseline, "metric": decisive, **of_half, **mean._asdict(),
             "detectable": detectable_difference(gain, settings.confidence)}
            for (model, baseline), mean, gain in zip(pairs, found[len(figures) :], gains, strict=True)
        ]  # fmt: skip
    return metrics, differences
