"""Compare models that read side data, such as links between users, with the same models without.

Side data help where likes say little. So the differences are also those where only popular, middling or rare items are
relevant: a model may gain on rare items what does not show in the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.evaluation.bootstrap import detectable_difference, intervals
from models.evaluation.slices import ITEM_CLASSES
from models.registry import counterpart
from tasks.artifacts import Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.averages import load_per_user
from tasks.evaluation.metric_rows import HALVES, SegmentDifferenceRow


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
