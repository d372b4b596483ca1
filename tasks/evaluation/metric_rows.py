"""Rows of `model_metrics` beyond the ranking metrics of all users: slices, lists as such, ratings.

Every figure is of one half. Where users have values of their own it has an interval, by the bootstrap over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.beyond_accuracy import coverage, exposures, gini
from models.evaluation.bootstrap import Interval, intervals, ratio_intervals
from models.evaluation.slices import ITEM_CLASSES, USER_CLASSES
from tasks.artifacts import Evaluation, HeldOut
from tasks.config.settings import JudgeSettings
from tasks.preparation.item_statistics import ItemStatistics, load_item_statistics

HALVES = ("select", "report")
_OFFERED = "list_popularity@"

Name = tuple[str, str]
"""Model and metric, such as `als` and `ndcg@10`."""
Columns = dict[Name, NDArray[np.float64]]
Row = dict[str, Any]


def further_figures(
    evaluations: Sequence[Evaluation], held_out: HeldOut, settings: JudgeSettings, *, seed: int
) -> list[Row]:
    """All rows of both halves: slices of users, slices of items, lists, ratings. Without users there are none."""
    half, by = _arrays(held_out.folder, "users")["half"], load_item_statistics(held_out)
    bootstrap = {"samples": settings.bootstrap_samples, "confidence": settings.confidence, "seed": seed}
    rows: list[Row] = []
    for number, name in enumerate(HALVES):
        members = np.flatnonzero(half == number)
        for segment, columns in _slices(evaluations, by, members):
            rows += _mean_rows(columns, {"segment": segment, "half": name}, bootstrap)
        about = {"segment": "all", "half": name}
        of_lists = _columns(evaluations, "lists", members)
        rows += _mean_rows(of_lists, about, bootstrap)
        rows += _bias_rows(of_lists, by.history_popularity[members], about, bootstrap)
        for evaluation in evaluations:
            rows += _exposure_rows(evaluation, by, members, settings.k, about)
        rows += _rating_rows(evaluations, held_out, number, about, bootstrap)
    return rows


def figure(model: str, metric: str, found: Interval | float, about: Mapping[str, Any]) -> Row:
    """One row; `metric` is such as `ndcg@10`, or a name alone where no list is cut. A bare number has no interval."""
    label, _, k = metric.partition("@")
    value, low, high = found if isinstance(found, Interval) else (found, None, None)
    return {
        "model": model, **about, "metric": label, "k": int(k) if k else None,
        "value": value, "ci_low": low, "ci_high": high,
    }  # fmt: skip


def _slices(
    evaluations: Sequence[Evaluation], by: ItemStatistics, members: NDArray[np.int64]
) -> Iterator[tuple[str, Columns]]:
    """The ranking metrics of some users, segment by segment."""
    everything = _columns(evaluations, "per_user", members)
    for number, segment in enumerate(USER_CLASSES):
        inside = by.user_class[members] == number
        yield segment, {name: values[inside] for name, values in everything.items()}
    for segment in ITEM_CLASSES:
        yield segment, _columns(evaluations, segment, members)


def _mean_rows(columns: Columns, about: Row, bootstrap: Mapping[str, Any]) -> list[Row]:
    """A mean per column over the users that have a value."""
    rows = []
    for users, names in _of_the_same_users(columns):
        found = intervals(np.column_stack([columns[name][users] for name in names]), **bootstrap)
        of_users = {**about, "n_users": int(users.sum())}
        rows += [figure(*name, mean, of_users) for name, mean in zip(names, found, strict=True)]
    return rows


def _bias_rows(
    of_lists: Columns, had: NDArray[np.float64], about: Row, bootstrap: Mapping[str, Any]
) -> list[Row]:
    """Popularity bias: the mean popularity of what users are offered over that of what they had met, (n_users,).

    1 where lists are as popular as histories. It is GAP_r / GAP_p, the 1 + ΔGAP of Abdollahpouri et al. 2019, "The
    unfairness of popularity bias in recommendation".
    """
    offered = {name: values for name, values in of_lists.items() if name[1].startswith(_OFFERED)}
    rows = []
    for users, names in _of_the_same_users(offered):
        above = np.column_stack([offered[name][users] for name in names])
        found = ratio_intervals(above, np.repeat(had[users, None], len(names), axis=1), **bootstrap)
        of_users = {**about, "n_users": int(users.sum())}
        rows += [
            figure(model, metric.replace(_OFFERED, "popularity_bias@"), ratio, of_users)
            for (model, metric), ratio in zip(names, found, strict=True)
        ]
    return rows


def _exposure_rows(
    evaluation: Evaluation, by: ItemStatistics, members: NDArray[np.int64], ks: Sequence[int], about: Row
) -> list[Row]:
    """Coverage and Gini, which lists have together and no user has alone: without intervals."""
    lists = _arrays(evaluation.folder, "lists")["items"][members]
    rows = []
    for k in ks:
        exposure = exposures(lists[:, :k], len(by.popularity))[by.popularity > 0]
        if exposure.any():
            of_users = {**about, "n_users": len(lists)}
            rows.append(figure(evaluation.model, f"coverage@{k}", coverage(exposure), of_users))
            rows.append(figure(evaluation.model, f"gini@{k}", gini(exposure), of_users))
    return rows


def _rating_rows(
    evaluations: Sequence[Evaluation], held_out: HeldOut, half: int, about: Row, bootstrap: Mapping[str, Any]
) -> list[Row]:
    """RMSE and MAE over the held-out ratings of the half; k is null, for no list is cut."""
    later = _arrays(held_out.folder, "ratings")
    members = later["half"] == half
    models = [e for e in evaluations if (e.folder / "errors.npz").exists()]
    if not models or not members.any():
        return []
    _, user = np.unique(later["user_idx"][members], return_inverse=True)
    given = np.bincount(user).astype(np.float64)
    errors = [_arrays(e.folder, "errors")["error"][members].astype(np.float64) for e in models]
    sums = np.column_stack(
        [np.bincount(user, of_pair) for e in errors for of_pair in (e**2, np.abs(e))]
    ).astype(np.float64)
    found = ratio_intervals(sums, np.repeat(given[:, None], sums.shape[1], axis=1), **bootstrap)
    of_users = {**about, "n_users": len(given)}
    rows = []
    for evaluation, squared, absolute in zip(models, found[::2], found[1::2], strict=True):
        rows.append(figure(evaluation.model, "rmse", Interval(*np.sqrt(squared).tolist()), of_users))
        rows.append(figure(evaluation.model, "mae", absolute, of_users))
    return rows


def _of_the_same_users(columns: Columns) -> Iterator[tuple[NDArray[np.bool_], list[Name]]]:
    """Columns whose values belong to the same users, who share the bootstrap's samples, and which users they are."""
    together: dict[bytes, list[Name]] = {}
    for name, values in columns.items():
        together.setdefault(np.isfinite(values).tobytes(), []).append(name)
    for there, names in together.items():
        users = np.frombuffer(there, np.bool_)
        if users.any():
            yield users, names


def _columns(evaluations: Sequence[Evaluation], file: str, members: NDArray[np.int64]) -> Columns:
    """The arrays of one file of every evaluation, some users' rows; the lists themselves are no figure."""
    return {
        (evaluation.model, metric): values[members]
        for evaluation in evaluations
        for metric, values in _arrays(evaluation.folder, file).items()
        if metric != "items"
    }


def _arrays(folder: Path, name: str) -> dict[str, NDArray[Any]]:
    with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)
