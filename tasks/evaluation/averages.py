"""Average metrics per user into rows of `model_metrics`: for all users and for slices of them, on each half.

Every figure is of one half. Where users have values of their own it has an interval, by the bootstrap over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.beyond_accuracy import exposures
from models.evaluation.bootstrap import Interval, detectable_difference, intervals, ratio_intervals
from models.evaluation.cold_start import NEW_ITEMS, NEW_USERS, RANDOM_ORDER, random_order_metrics
from models.evaluation.metrics import EXPOSURE_METRICS, HISTORY_RATIOS, RATING_METRICS, at_k, name_and_k
from models.evaluation.slices import ITEM_CLASSES, USER_CLASSES
from models.interactions import load_matrix
from tasks.artifacts import Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.evaluation.metric_rows import HALVES, DifferenceRow, Half, MetricRow
from tasks.preparation.item_statistics import ItemStatistics, load_item_statistics

Name = tuple[str, str]
"""Model and metric, such as `als` and `ndcg@10`."""
Columns = dict[Name, NDArray[np.float64]]
PerUser = Mapping[str, NDArray[np.float64]]
"""A model's values, (n_users,) each, by metric such as `ndcg@10`."""


def load_per_user(evaluation: Evaluation, segment: str = "all") -> PerUser:
    """Load the ranking metrics of an evaluation per held-out user, in the order of `HeldOut`.

    Args:
        evaluation: of one model.
        segment: `all`; one of `ITEM_CLASSES`, where users without a relevant item of the class have NaN; or
            `NEW_USERS_BY_SIDE_DATA`, in the order of the cold users.
    """
    return _arrays(evaluation.folder, "per_user" if segment == "all" else segment)


def ranking_rows(
    per_user: Mapping[str, PerUser],
    segment: str,
    half: NDArray[np.int8],
    baselines: Sequence[str],
    settings: JudgeSettings,
    *,
    seed: int,
) -> tuple[list[MetricRow], list[DifferenceRow]]:
    """Rows of the ranking metrics of all users of each half, and of the differences on the champion metric.

    All figures of one half share the bootstrap's samples of users. A half without users has no rows.

    Args:
        per_user: by model; the values of all models are in the same order of users.
        segment: the segment that these users are.
        half: (n_users,) the place in `HALVES` of each user.
        baselines: the models that every other model is compared with.
        settings: the champion metric, and how the bootstrap is drawn.
        seed: of the bootstrap.
    """
    metrics: list[MetricRow] = []
    differences: list[DifferenceRow] = []
    decisive = settings.champion_metric
    for number, name in enumerate(HALVES):
        members = half == number
        n_users = int(members.sum())
        if not n_users:
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
        users = _Users(segment, name, n_users)
        metrics += [
            users.row(*figure, mean) for figure, mean in zip(figures, found[: len(figures)], strict=True)
        ]
        differences += [
            DifferenceRow(
                model=model,
                baseline=baseline,
                metric=decisive,
                half=name,
                n_users=n_users,
                **mean._asdict(),
                detectable=detectable_difference(gain, settings.confidence),
            )
            for (model, baseline), mean, gain in zip(pairs, found[len(figures) :], gains, strict=True)
        ]
    return metrics, differences


def further_rows(
    evaluations: Sequence[Evaluation], held_out: HeldOut, settings: JudgeSettings, *, seed: int
) -> list[MetricRow]:
    """Rows of both halves beyond `ranking_rows`: slices of users and of items, lists as such, ratings.

    Args:
        evaluations: of the models to make rows of.
        held_out: the users that they were judged on; without users there are no rows.
        settings: list lengths, and how the bootstrap is drawn.
        seed: of the bootstrap.
    """
    half, by = _arrays(held_out.folder, "users")["half"], load_item_statistics(held_out)
    bootstrap = {"samples": settings.bootstrap_samples, "confidence": settings.confidence, "seed": seed}
    rows: list[MetricRow] = []
    for number, name in enumerate(HALVES):
        members = np.flatnonzero(half == number)
        for segment, columns in _slices(evaluations, by, members):
            rows += _mean_rows(columns, segment, name, bootstrap)
        of_lists = _columns(evaluations, "lists", members)
        rows += _mean_rows(of_lists, "all", name, bootstrap)
        rows += _history_ratio_rows(of_lists, by.history_popularity[members], name, bootstrap)
        for evaluation in evaluations:
            rows += _exposure_rows(evaluation, by, members, settings.k, name)
        rows += _rating_rows(evaluations, held_out, number, bootstrap)
    return rows


def cold_start_rows(
    evaluations: Sequence[Evaluation], held_out: HeldOut, settings: JudgeSettings, *, seed: int
) -> list[MetricRow]:
    """Rows of both halves for new users, by how many likes the models were given, and for new items.

    Beside models that rank new items there are the expected figures of random order. Segments without figures have no
    rows.

    Args:
        evaluations: of the models to make rows of.
        held_out: the users that they were judged on.
        settings: list lengths, and how the bootstrap is drawn.
        seed: of the bootstrap.
    """
    bootstrap = {"samples": settings.bootstrap_samples, "confidence": settings.confidence, "seed": seed}
    of_cold = _arrays(held_out.folder, "cold_users")["half"]
    of_new_items = _arrays(held_out.folder, "new_item_users")["half"]
    n_relevant = np.diff(load_matrix(held_out.folder, "new_item_relevant").indptr)
    n_new = int(np.count_nonzero(load_item_statistics(held_out).popularity == 0))
    rows: list[MetricRow] = []
    for number, name in enumerate(HALVES):
        members = np.flatnonzero(of_cold == number)
        for segment in NEW_USERS.values():
            rows += _mean_rows(_columns(evaluations, segment, members), segment, name, bootstrap)
        members = np.flatnonzero(of_new_items == number)
        columns = _columns(evaluations, NEW_ITEMS, members)
        if columns:
            by_chance = random_order_metrics(n_relevant[members], n_new, settings.k)
            columns |= {(RANDOM_ORDER, metric): values for metric, values in by_chance.items()}
        rows += _mean_rows(columns, NEW_ITEMS, name, bootstrap)
    return rows


@dataclass(frozen=True)
class _Users:
    """The segment, half and number of the users that figures are of."""

    segment: str
    half: Half
    n_users: int

    def row(self, model: str, metric: str, found: Interval | float) -> MetricRow:
        """Return the row of a figure of a metric such as `ndcg@10`; a bare number has no interval."""
        name, k = name_and_k(metric)
        value, low, high = found if isinstance(found, Interval) else (found, None, None)
        return MetricRow(
            model=model,
            segment=self.segment,
            half=self.half,
            n_users=self.n_users,
            metric=name,
            k=k,
            value=value,
            ci_low=low,
            ci_high=high,
        )


def _slices(
    evaluations: Sequence[Evaluation], by: ItemStatistics, members: NDArray[np.int64]
) -> Iterator[tuple[str, Columns]]:
    """Yield each slice's name with the ranking metrics of its users, among `members`."""
    everything = _columns(evaluations, "per_user", members)
    for number, segment in enumerate(USER_CLASSES):
        inside = by.user_class[members] == number
        yield segment, {name: values[inside] for name, values in everything.items()}
    for segment in ITEM_CLASSES:
        yield segment, _columns(evaluations, segment, members)


def _mean_rows(columns: Columns, segment: str, half: Half, bootstrap: Mapping[str, Any]) -> list[MetricRow]:
    """Rows of the mean of every column over the users that have a value."""
    rows = []
    for users, names in _by_users_with_values(columns):
        found = intervals(np.column_stack([columns[name][users] for name in names]), **bootstrap)
        of = _Users(segment, half, int(users.sum()))
        rows += [of.row(*name, mean) for name, mean in zip(names, found, strict=True)]
    return rows


def _history_ratio_rows(
    of_lists: Columns, history: NDArray[np.float64], half: Half, bootstrap: Mapping[str, Any]
) -> list[MetricRow]:
    """Rows of `HISTORY_RATIOS`: the mean of a list metric over the mean of `history`, (n_users,).

    For popularity bias `history` is the mean popularity of what each user had met. It is GAP_r / GAP_p, the 1 + ΔGAP of
    Abdollahpouri et al. 2019, "The unfairness of popularity bias in recommendation".
    """
    rows = []
    for ratio in HISTORY_RATIOS:
        offered = {name: values for name, values in of_lists.items() if name_and_k(name[1])[0] == ratio.above}
        for users, names in _by_users_with_values(offered):
            above = np.column_stack([offered[name][users] for name in names])
            below = np.repeat(history[users, None], len(names), axis=1)
            of = _Users("all", half, int(users.sum()))
            rows += [
                of.row(model, at_k(ratio.name, name_and_k(metric)[1]), found)
                for (model, metric), found in zip(
                    names, ratio_intervals(above, below, **bootstrap), strict=True
                )
            ]
    return rows


def _exposure_rows(
    evaluation: Evaluation, by: ItemStatistics, members: NDArray[np.int64], ks: Sequence[int], half: Half
) -> list[MetricRow]:
    """Rows of `EXPOSURE_METRICS`, without intervals: lists have them together, and no user has one alone."""
    lists = _arrays(evaluation.folder, "lists")["items"][members]
    of = _Users("all", half, len(lists))
    rows = []
    for k in ks:
        exposure = exposures(lists[:, :k], len(by.popularity))[by.popularity > 0]
        if exposure.any():
            rows += [
                of.row(evaluation.model, at_k(metric.name, k), metric.formula(exposure))
                for metric in EXPOSURE_METRICS
            ]
    return rows


def _rating_rows(
    evaluations: Sequence[Evaluation], held_out: HeldOut, half: int, bootstrap: Mapping[str, Any]
) -> list[MetricRow]:
    """Rows of `RATING_METRICS` over the held-out ratings of the half; k is None, for no list is cut."""
    later = _arrays(held_out.folder, "ratings")
    members = later["half"] == half
    models = [e for e in evaluations if (e.folder / "errors.npz").exists()]
    if not models or not members.any():
        return []
    _, user = np.unique(later["user_idx"][members], return_inverse=True)
    given = np.bincount(user).astype(np.float64)
    errors = [_arrays(e.folder, "errors")["error"][members].astype(np.float64) for e in models]
    sums = np.column_stack(
        [np.bincount(user, metric.formula(error)) for error in errors for metric in RATING_METRICS]
    ).astype(np.float64)
    found = ratio_intervals(sums, np.repeat(given[:, None], sums.shape[1], axis=1), **bootstrap)
    figures = [(evaluation.model, metric) for evaluation in models for metric in RATING_METRICS]
    of = _Users("all", HALVES[half], len(given))
    return [
        of.row(model, metric.name, Interval(*metric.of_mean(np.array(mean)).tolist()))
        for (model, metric), mean in zip(figures, found, strict=True)
    ]


def _by_users_with_values(columns: Columns) -> Iterator[tuple[NDArray[np.bool_], list[Name]]]:
    """Group the columns that have values for the same users, so that they share the bootstrap's samples.

    Yields which users they are, (n_users,) bool, and the columns' names; columns without any value are left out.
    """
    together: dict[bytes, list[Name]] = {}
    for name, values in columns.items():
        together.setdefault(np.isfinite(values).tobytes(), []).append(name)
    for there, names in together.items():
        users = np.frombuffer(there, np.bool_)
        if users.any():
            yield users, names


def _columns(evaluations: Sequence[Evaluation], file: str, members: NDArray[np.int64]) -> Columns:
    """Return the arrays of one file of every evaluation that has it, the rows of `members`, without the lists."""
    return {
        (evaluation.model, metric): values[members]
        for evaluation in evaluations
        if (evaluation.folder / f"{file}.npz").exists()
        for metric, values in _arrays(evaluation.folder, file).items()
        if metric != "items"
    }


def _arrays(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)
