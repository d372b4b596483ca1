"""Compare fitted models on held-out interactions: means with intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation.bootstrap import interval, paired_difference
from models.evaluation.metrics import ranking_metrics
from models.interactions import touched_items
from nightly_recs.fitted import FittedModel
from nightly_recs.interactions import Interactions

_SAMPLES, _CONFIDENCE = 2000, 0.95


def compare(
    models: Sequence[FittedModel],
    held_out: Interactions,
    *,
    k: int = 10,
    metric: str = "ndcg",
    seed: int = 42,
) -> pd.DataFrame:
    """Judge models by what users liked later: all items are ranked, but for those that the user had seen.

    Args:
        models: fitted on the other part of `Interactions.split`.
        held_out: the later part.
        k: length of the lists.
        metric: the one that gets intervals, such as ndcg, recall, hit_rate or mrr.
        seed: of the bootstrap.

    Returns:
        A row for each model, best first: the metric's mean with its 95 % interval (bootstrap over users), the paired
        difference from the best model with its interval, other metrics, seconds of the fit, and the number of users.

    Raises:
        ValueError: there is no model, the models are of other data, or nobody with a training interaction liked
            anything later.
    """
    if not models:
        raise ValueError("there is no model to compare")
    for model in models:
        if not model.data.item_ids.equals(held_out.item_ids) or not model.data.user_ids.equals(
            held_out.user_ids
        ):
            raise ValueError(f"{model.name} was fitted on other users or items than those held out")
    seen = models[0].data.matrices.seen
    later = held_out.matrices.positive
    users = np.flatnonzero((np.diff(later.indptr) > 0) & (np.diff(seen.indptr) > 0))
    if not len(users):
        raise ValueError("nobody with a training interaction liked anything in the held-out part")
    eligible, relevant = touched_items(seen), later[users]
    values = {
        place: ranking_metrics(
            model.recommender.recommend(users, k, exclude=seen, items=eligible).items, relevant, [k]
        )
        for place, model in enumerate(models)
    }
    name = f"{metric}@{k}"
    if name not in values[0]:
        raise ValueError(
            f"there is no metric {metric!r}: {', '.join(each.partition('@')[0] for each in values[0])}"
        )
    best = max(values, key=lambda place: float(values[place][name].mean()))
    sampling: dict[str, Any] = {"samples": _SAMPLES, "confidence": _CONFIDENCE, "seed": seed}
    rows = []
    for place, model in enumerate(models):
        own = values[place]
        mean, low, high = interval(own[name], **sampling)
        behind = paired_difference(own[name], values[best][name], **sampling)
        others = {each: float(column.mean()) for each, column in own.items() if each != name}
        rows.append({
            "model": model.name, name: mean, "low": low, "high": high, "difference": behind.mean,
            "difference_low": behind.low, "difference_high": behind.high, **others, "fit_s": model.seconds,
            "users": len(users),
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("model").sort_values(name, ascending=False)
