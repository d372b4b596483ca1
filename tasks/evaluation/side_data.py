"""Figures of what side data, such as links between users, are worth: to each model, and for new users.

Side data help where likes say little. So each model that reads them is compared with the same one without also where
only popular, middling or rare items are relevant; and models that know users without any interaction are compared with
popularity, whose list these users would get otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from models.evaluation.bootstrap import detectable_difference, intervals
from models.evaluation.cold_start import NEW_USERS_BY_SIDE_DATA
from models.evaluation.slices import ITEM_CLASSES
from models.registry import counterpart
from tasks.artifacts import Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.averages import load_per_user, ranking_rows
from tasks.evaluation.metric_rows import HALVES, MetricRow, SegmentDifferenceRow

_FALLBACK = "popularity"  # makes the list of users whom no model knows


def judged_counterparts(models: Sequence[str]) -> dict[str, str]:
    """Return each of `models` that reads side data → the same model without, where both are among them."""
    found = {model: counterpart(model) for model in models}
    return {model: other for model, other in found.items() if other is not None and other in found}


def counterpart_rows(
    evaluations: Sequence[Evaluation],
    held_out: HeldOut,
    counterparts: Mapping[str, str],
    settings: JudgeSettings,
    *,
    seed: int,
) -> list[SegmentDifferenceRow]:
    """Rows of the champion metric of each model minus that of its counterpart, paired over the users of each half.

    The segments are `all` and the classes of items. In the latter the users are those with a relevant item of the
    class. A segment of a half without users has no rows.

    Args:
        evaluations: of the judged models.
        held_out: the users that they were judged on.
        counterparts: model with side data → the same model without, both among the judged.
        settings: the champion metric, and how the bootstrap is drawn.
        seed: of the bootstrap.
    """
    if not counterparts:
        return []
    half = np.load(held_out.folder / "users.npz", allow_pickle=False)["half"]
    judged = {each.model: each for each in evaluations}
    metric = settings.champion_metric
    rows = []
    for segment in ("all", *ITEM_CLASSES):
        names = {*counterparts, *counterparts.values()}
        values = {name: load_per_user(judged[name], segment)[metric] for name in names}
        gains = np.column_stack([values[model] - values[other] for model, other in counterparts.items()])
        for number, name in enumerate(HALVES):
            mine = gains[(half == number) & np.isfinite(gains).all(axis=1)]
            if not len(mine):
                continue
            found = intervals(
                mine, samples=settings.bootstrap_samples, confidence=settings.confidence, seed=seed
            )
            rows += [
                SegmentDifferenceRow(
                    model=model,
                    baseline=other,
                    metric=metric,
                    half=name,
                    segment=segment,
                    n_users=len(mine),
                    **mean._asdict(),
                    detectable=detectable_difference(gain, settings.confidence),
                )
                for (model, other), mean, gain in zip(counterparts.items(), found, mine.T, strict=True)
            ]
    return rows


def new_user_rows(
    evaluations: Sequence[Evaluation], held_out: HeldOut, settings: JudgeSettings, *, seed: int
) -> tuple[list[MetricRow], list[SegmentDifferenceRow]]:
    """Rows of the ranking metrics for new users with nothing given, and of the differences to popularity.

    All models have the same users: those of whom at least one model has learned something. The models are those that
    know one of them, and popularity. Without such a user there are no rows.

    Args:
        evaluations: of the judged models.
        held_out: the new users.
        settings: the champion metric, and how the bootstrap is drawn.
        seed: of the bootstrap.
    """
    known = {each.model: _known_new_users(each) for each in evaluations}
    able = {model: users for model, users in known.items() if users.any()}
    if not able:
        return [], []
    together = np.any([*able.values()], axis=0)
    per_user = {
        each.model: {
            metric: values[together] for metric, values in load_per_user(each, NEW_USERS_BY_SIDE_DATA).items()
        }
        for each in evaluations
        if each.model in {*able, _FALLBACK}
    }
    half = np.load(held_out.folder / "cold_users.npz", allow_pickle=False)["half"][together]
    baselines = [_FALLBACK] if _FALLBACK in per_user else []
    metrics, gains = ranking_rows(per_user, NEW_USERS_BY_SIDE_DATA, half, baselines, settings, seed=seed)
    return metrics, [SegmentDifferenceRow(**asdict(gain), segment=NEW_USERS_BY_SIDE_DATA) for gain in gains]


def _known_new_users(evaluation: Evaluation) -> NDArray[np.bool_]:
    """Return of which new users the model has learned something, (n_cold,); empty if there was none to learn of."""
    path = evaluation.folder / "known_new_users.npz"
    if not path.exists():
        return np.zeros(0, bool)
    known: NDArray[np.bool_] = np.load(path, allow_pickle=False)["known"]
    return known
