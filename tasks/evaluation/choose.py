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
from tasks.artifacts import Choice, Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.champion import Standing, decide
from tasks.evaluation.metric_rows import HALVES, Row, figure, further_figures
from tasks.storage.artifact_store import to_json, write_json
from tasks.storage.stage import stage

PerUser = Mapping[str, NDArray[np.float64]]


@stage("choose", note=lambda chosen: chosen.why)
def choose(
    evaluations: tuple[Evaluation, ...],
    candidates: Sequence[str],
    strangers: Evaluation,
    held_out: HeldOut,
    standing: Standing,
    settings: JudgeSettings,
    *,
    seed: int,
    key: str,
    folder: Path,
) -> Choice:
    """The champion by the select half, as `decide` says; ties go to what stands first on the shelf.

    Only one of the `candidates` can be it; other models are there to be compared with.

    Folder: `metrics.json` with `metrics` (rows of the `model_metrics` table, without run_id), `differences` (each
    model against popularity and against the champion, paired over the users of one half), `segments` (what the classes
    of users and of items are) and the `decision`.
    """
    half = np.load(held_out.folder / "users.npz", allow_pickle=False)["half"]
    cold_half = np.load(held_out.folder / "cold_half.npz", allow_pickle=False)["half"]
    per_user = {evaluation.model: _load(evaluation) for evaluation in evaluations}
    selecting = {name: per_user[name][settings.champion_metric][half == 0] for name in candidates}
    ranking, decision, why = decide(selecting, standing, settings, seed=seed)
    baselines = [name for name in dict.fromkeys(("popularity", ranking[0])) if name in per_user]
    rows, differences = _figures(per_user, "all", half, baselines, settings, seed)
    cold_rows, _ = _figures({strangers.model: _load(strangers)}, "cold", cold_half, [], settings, seed)
    rows += cold_rows + further_figures(evaluations, held_out, settings, seed=seed)
    figures = {
        "metrics": rows,
        "differences": differences,
        "segments": json.loads((held_out.folder / "segments.json").read_text(encoding="utf-8")),
        "decision": to_json(decision),
    }
    write_json(folder / "metrics.json", figures)
    return Choice(key, folder, ranking, why, decision)


def _load(evaluation: Evaluation) -> PerUser:
    with np.load(evaluation.folder / "per_user.npz", allow_pickle=False) as arrays:
        return dict(arrays)


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
