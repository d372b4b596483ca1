"""Judge a model's similar items by link prediction, and average the figures of all models into rows.

A pair is the item that a user liked last before the cutoff and one that they came to like after it. Every pair counts
once; intervals draw users with all of their pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.base import IntArray, Recommender
from models.evaluation.bootstrap import Interval, detectable_difference, ratio_intervals
from models.evaluation.link_prediction import find_pairs
from models.evaluation.metrics import PAIR_K, PAIR_METRICS, PairMetric, at_k
from models.evaluation.slices import SIMILAR_COLD_ITEMS, SIMILAR_ITEMS
from tasks.artifacts import Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.metric_rows import HALVES, Half, MetricRow, SegmentDifferenceRow
from tasks.preparation.similar_pairs import load_similar_pairs

_FILE = "similar_items.npz"
_DECISIVE = PAIR_METRICS[0]

Values = NDArray[np.float64]


def judge_similar_items(model: Recommender, held_out: HeldOut, folder: Path) -> None:
    """Write `similar_items.npz`, an array (n_pairs,) for each of `PAIR_METRICS`, in the order of the pairs.

    Nothing is written without pairs, or for a model that has no similar items.

    Args:
        model: a fitted model.
        held_out: holds the pairs.
        folder: where to write.
    """
    pairs, _, _ = load_similar_pairs(held_out)
    if not len(pairs.query):
        return
    found = find_pairs(model, pairs, len(model.known_items_))
    if found.has_lists:
        values = {metric.name: metric.formula(found) for metric in PAIR_METRICS}
        np.savez(folder / _FILE, allow_pickle=False, **values)


def similar_item_rows(
    evaluations: Sequence[Evaluation],
    held_out: HeldOut,
    settings: JudgeSettings,
    *,
    baseline: str,
    seed: int,
) -> tuple[list[MetricRow], list[SegmentDifferenceRow]]:
    """Rows of `PAIR_METRICS` of all pairs and of those with a cold target, on each half; and differences.

    The figures of all models share the bootstrap's samples of users.

    Args:
        evaluations: of the models to make rows of; those without similar items have none.
        held_out: the pairs.
        settings: how the bootstrap is drawn.
        baseline: the model that every other one is compared with by `link_hits`, paired over users; if it has no
            figures there are no differences.
        seed: of the bootstrap.
    """
    pairs, half, is_cold = load_similar_pairs(held_out)
    values = {each.model: _values(each) for each in evaluations if (each.folder / _FILE).exists()}
    metrics: list[MetricRow] = []
    differences: list[SegmentDifferenceRow] = []
    for number, name in enumerate(HALVES):
        for segment, inside in (
            (SIMILAR_ITEMS, half == number),
            (SIMILAR_COLD_ITEMS, (half == number) & is_cold),
        ):
            if values and inside.any():
                found = _rows(values, pairs.user, inside, segment, name, baseline, settings, seed)
                metrics += found[0]
                differences += found[1]
    return metrics, differences


def _rows(
    values: dict[str, dict[str, Values]],
    user: IntArray,
    inside: NDArray[np.bool_],
    segment: str,
    half: Half,
    baseline: str,
    settings: JudgeSettings,
    seed: int,
) -> tuple[list[MetricRow], list[SegmentDifferenceRow]]:
    """Rows of the pairs that are `inside`, a segment of one half."""
    _, row, n_pairs = np.unique(user[inside], return_inverse=True, return_counts=True)
    figures = [(model, metric) for model in values for metric in PAIR_METRICS]
    others = [model for model in values if model != baseline] if baseline in values else []
    of_pairs = [values[model][metric.name] for model, metric in figures]
    of_pairs += [values[model][_DECISIVE.name] - values[baseline][_DECISIVE.name] for model in others]
    above: Values = np.column_stack([np.bincount(row, each[inside]) for each in of_pairs])
    below = np.repeat(n_pairs[:, None].astype(np.float64), above.shape[1], axis=1)
    means = ratio_intervals(
        above, below, samples=settings.bootstrap_samples, confidence=settings.confidence, seed=seed
    )
    n_users, n_figures = len(n_pairs), len(figures)
    metrics = [
        _metric_row(*figure, mean, segment, half, n_users)
        for figure, mean in zip(figures, means[:n_figures], strict=True)
    ]
    differences = [
        SegmentDifferenceRow(
            model=model,
            baseline=baseline,
            metric=at_k(_DECISIVE.name, PAIR_K),
            half=half,
            segment=segment,
            n_users=n_users,
            **mean._asdict(),
            detectable=_detectable(gain, below[:, 0], mean.mean, settings.confidence),
        )
        for model, mean, gain in zip(others, means[n_figures:], above.T[n_figures:], strict=True)
    ]
    return metrics, differences


def _metric_row(
    model: str, metric: PairMetric, found: Interval, segment: str, half: Half, n_users: int
) -> MetricRow:
    return MetricRow(
        model=model,
        segment=segment,
        half=half,
        n_users=n_users,
        metric=metric.name,
        k=PAIR_K if metric.cut_at_k else None,
        value=found.mean,
        ci_low=found.low,
        ci_high=found.high,
    )


def _detectable(gain: Values, n_pairs: Values, mean: float, confidence: float) -> float:
    """Return the detectable difference of a mean over pairs, (n_users,) sums of them given.

    Users have different numbers of pairs: the mean is a ratio, whose error is that of its linearisation (Cochran 1977,
    "Sampling techniques", section 6.4).
    """
    return detectable_difference((gain - mean * n_pairs) / n_pairs.mean(), confidence)


def _values(evaluation: Evaluation) -> dict[str, Values]:
    with np.load(evaluation.folder / _FILE, allow_pickle=False) as arrays:
        return dict(arrays)
