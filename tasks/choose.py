"""Choose the champion on the select half, and write down every figure of both halves.

The report half is only ever printed: nothing here decides by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.bootstrap import interval, paired_difference
from tasks.references import Choice, Evaluation, HeldOut
from tasks.settings import JudgeSettings
from tasks.store import write_json

HALVES = ("select", "report")
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

    Folder: `metrics.json` with `metrics` (rows of the `model_metrics` table, without run_id) and `differences` (each
    model against popularity and against the champion, paired over the users of one half).
    """
    half = np.load(held_out.folder / "users.npz", allow_pickle=False)["half"]
    cold_half = np.load(held_out.folder / "cold_half.npz", allow_pickle=False)["half"]
    per_user = {evaluation.model: _load(evaluation) for evaluation in evaluations}
    champion, why = _champion(per_user, half, settings.champion_metric)
    draw = {"samples": settings.bootstrap_samples, "confidence": settings.confidence, "seed": seed}
    rows = [
        *(row for name in per_user for row in _rows(name, "all", per_user[name], half, draw)),
        *_rows(strangers.model, "cold", _load(strangers), cold_half, draw),
    ]
    differences = list(_differences(per_user, champion, half, settings.champion_metric, draw))
    write_json(folder / "metrics.json", {"metrics": rows, "differences": differences})
    return Choice(key, folder, champion, why)


def _load(evaluation: Evaluation) -> PerUser:
    with np.load(evaluation.folder / "per_user.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def _champion(per_user: Mapping[str, PerUser], half: NDArray[np.int8], metric: str) -> tuple[str, str]:
    selecting = half == 0
    if not selecting.any():
        first = next(iter(per_user))
        safe = "popularity" if "popularity" in per_user else first
        return safe, f"{safe}, because no user could be held out to judge the models on"
    means = {name: float(values[metric][selecting].mean()) for name, values in per_user.items()}
    champion = max(means, key=lambda name: means[name])
    others = {name: mean for name, mean in means.items() if name != champion}
    if not others:
        return champion, f"{champion}, the only model"
    runner_up = max(others, key=lambda name: others[name])
    return champion, (
        f"{champion} has the best {metric} on the {int(selecting.sum()):,} users of the select half: "
        f"{means[champion]:.4f}, before {runner_up} with {means[runner_up]:.4f}"
    )


def _rows(
    model: str, segment: str, values: PerUser, half: NDArray[np.int8], draw: Mapping[str, Any]
) -> Iterable[dict[str, Any]]:
    for number, name in enumerate(HALVES):
        members = half == number
        for metric, per_user in values.items():
            if members.any():
                found = interval(per_user[members], **draw)
                label, _, k = metric.partition("@")
                yield {
                    "model": model,
                    "half": name,
                    "segment": segment,
                    "metric": label,
                    "k": int(k),
                    "value": found.mean,
                    "ci_low": found.low,
                    "ci_high": found.high,
                    "n_users": int(members.sum()),
                }


def _differences(
    per_user: Mapping[str, PerUser],
    champion: str,
    half: NDArray[np.int8],
    metric: str,
    draw: Mapping[str, Any],
) -> Iterable[dict[str, Any]]:
    baselines = [name for name in dict.fromkeys(("popularity", champion)) if name in per_user]
    for number, name in enumerate(HALVES):
        members = half == number
        for baseline in baselines:
            for model in per_user:
                if model != baseline and members.any():
                    mine, theirs = per_user[model][metric][members], per_user[baseline][metric][members]
                    found = paired_difference(mine, theirs, **draw)
                    yield {
                        "model": model,
                        "baseline": baseline,
                        "half": name,
                        "metric": metric,
                        **{k: float(v) for k, v in found._asdict().items()},
                        "n_users": int(members.sum()),
                    }
