"""The outcome of a replay: a figure with its interval per column, and the figures of every day."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from models.evaluation.bootstrap import Interval, ratio_intervals
from models.evaluation.metrics import name_and_k
from tasks.config.settings import JudgeSettings
from tasks.replay.plan import BASE, CHAMPION
from tasks.replay.replay import Replay
from tasks.storage.warehouse import run_file

Column = tuple[str, str]
"""A variant, and a model or `champion`."""


@dataclass(frozen=True)
class ColumnOutcome:
    """The outcome of one column's lists.

    Attributes:
        variant, model: the column.
        mean: the mean over users and days, with its interval; None if nobody came to like anything new.
        against: the column that the difference is to; None for the first.
        difference: the paired difference on the days that both have, with its interval; None if there are none.
        n_users: number of different users.
        n_user_days: number of pairs of user and day.
        hits: number of listed items that users came to like.
        with_list: share of the pairs in which the user had a list, and not the fallback list.
        seconds: of a night of this column, the mean over its nights after the first.
    """

    variant: str
    model: str
    mean: Interval | None
    against: Column | None
    difference: Interval | None
    n_users: int
    n_user_days: int
    hits: int
    with_list: float
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """The outcome of a replay.

    Attributes:
        metric: the metric of `mean` and `difference`, such as `ndcg@10`.
        confidence: of the intervals.
        columns: the columns, `base` and its champion first. Models of other variants are left out where their lists
            were those of `base` on all days, because the variant's settings do not concern them.
    """

    metric: str
    confidence: float
    columns: tuple[ColumnOutcome, ...]


def columns_of(found: Replay) -> tuple[Column, ...]:
    """Return all columns that any day has, by variant in its order, the champion first."""
    columns: dict[Column, None] = {}
    for variant in found.plan.variants:
        columns.update(
            {(variant.name, model): None for day in found.days if variant.name in day.served
             for model in day.served[variant.name].lists}
        )  # fmt: skip
    return tuple(columns)


def summarise(found: Replay) -> Outcome:
    """Average all days of a replay, with intervals over users: a user who came back on several days is one unit.

    A model of `base` is compared with the champion of `base`, a column of another variant with the same one of `base`.
    """
    settings = found.plan.variants[0].settings
    judge, columns = settings.judge, columns_of(found)
    against = {column: other for column in columns if (other := _compared_with(column, columns)) is not None}
    with _judged(found) as con:
        sums = _sums(con, judge.champion_metric, columns, against)
    seconds = _mean_seconds(found)
    rows = [
        _outcome(column, sums.get(column), against.get(column), seconds[column], judge, settings.run.seed)
        for column in columns
        if column[0] == BASE or column[1] == CHAMPION or not _is_as_in_base(column, found)
    ]
    return Outcome(judge.champion_metric, judge.confidence, tuple(rows))


def write_csv(found: Replay) -> Path:
    """Write `replay.csv` into the folder of the results: a row per day, variant, model and metric."""
    path = found.results.folder / "replay.csv"
    partial = path.with_name(f".{path.name}.partial")
    with _judged(found) as con:
        per_day(con, found).to_csv(str(partial))
    shutil.move(partial, path)
    return path


def day_rows(found: Replay) -> list[dict[str, Any]]:
    """Return the rows of `replay.csv`."""
    with _judged(found) as con:
        return per_day(con, found).to_arrow_table().to_pylist()  # type: ignore[no-any-return]


def per_day(con: duckdb.DuckDBPyConnection, found: Replay) -> duckdb.DuckDBPyRelation:
    """Return the figures of every day as a relation of `con`, which holds `judged_users`."""
    places = {column: place for place, column in enumerate(columns_of(found))}
    served = [
        {
            "day": day.day, "until": day.until, "variant": variant, "model": model,
            "made_by": lists.champion if model == CHAMPION else model, "made_at": lists.as_of,
            "seconds": lists.seconds[model], "position": places[variant, model],
        }
        for day in found.days
        for variant, lists in day.served.items()
        for model in lists.lists
    ]  # fmt: skip
    con.register("served", pa.Table.from_pylist(served))
    names = _metric_names(found.plan.variants[0].settings.judge)
    parts = [name_and_k(name) for name in names]
    metrics = pa.table(
        {
            "position": range(len(names)),
            "name": names,
            "metric": [metric for metric, _ in parts],
            "k": pa.array([k for _, k in parts], pa.int32()),
        }
    )
    con.register("metrics", metrics)
    run_file(con, "warehouse/replay/per_day.sql")
    return con.sql("from per_day order by day, position, metric_position").project(
        "* exclude (position, metric_position)"
    )


def _metric_names(judge: JudgeSettings) -> list[str]:
    return [f"{metric}@{k}" for k in judge.k for metric in ("hit_rate", "ndcg", "recall")]


@contextmanager
def _judged(found: Replay) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database with the view `judged_users` over the files of all days."""
    con = duckdb.connect(":memory:")
    try:
        con.execute("set global timezone = 'UTC'")
        union = []
        for day in found.days:
            users = found.results.users_of(day)
            if users is not None:
                rows = con.read_parquet(str(users))
                union.append(rows.project(f"timestamp '{day.day.isoformat(sep=' ')}' as day, *"))
        if union:
            everything = union[0]
            for rows in union[1:]:
                everything = everything.union(rows)
            everything.to_table("judged_users")
        else:
            _empty(con, _metric_names(found.plan.variants[0].settings.judge))
        yield con
    finally:
        con.close()


def _empty(con: duckdb.DuckDBPyConnection, metrics: list[str]) -> None:
    """Create `judged_users` without a row."""
    fields = {"day": pa.timestamp("us"), "variant": pa.string(), "model": pa.string(), "user_id": pa.int64()}
    fields |= {"has_list": pa.bool_(), "n_positives": pa.int64(), "hits": pa.float64()}
    schema = pa.schema(fields | dict.fromkeys(metrics, pa.float64()))
    con.from_arrow(schema.empty_table()).to_table("judged_users")


def _is_as_in_base(column: Column, found: Replay) -> bool:
    """Return whether a model of another variant had the same lists as the one of `base` on all days."""
    variant, model = column
    return all(
        day.served[variant].lists.get(model) == day.served[BASE].lists.get(model)
        for day in found.days
        if variant in day.served and BASE in day.served
    )


def _compared_with(column: Column, columns: tuple[Column, ...]) -> Column | None:
    variant, model = column
    if column == (BASE, CHAMPION):
        return None
    other = (BASE, CHAMPION) if variant == BASE else (BASE, model)
    return other if other in columns else None


def _sums(
    con: duckdb.DuckDBPyConnection, metric: str, columns: tuple[Column, ...], against: dict[Column, Column]
) -> dict[Column, dict[str, Any]]:
    """Return, for each column with any user, arrays of sums per user, as paired.sql describes them."""
    rows = con.table("judged_users").project(
        f'day, variant, model, user_id, has_list, n_positives, hits, "{metric}" as value'
    )
    rows.create_view("judged")
    pairs = [(*column, *against.get(column, (None, None))) for column in columns]
    names = ("variant", "model", "of_variant", "of_model")
    table = {name: pa.array([pair[i] for pair in pairs], pa.string()) for i, name in enumerate(names)}
    con.register("comparisons", pa.table(table))
    found = run_file(con, "warehouse/replay/paired.sql").fetchnumpy()
    arrays = {name: np.asarray(values) for name, values in found.items()}
    sums = {}
    for column in columns:
        own = (arrays["variant"] == column[0]) & (arrays["model"] == column[1])
        if own.any():
            sums[column] = {name: values[own] for name, values in arrays.items()}
    return sums


def _outcome(
    column: Column,
    sums: dict[str, Any] | None,
    against: Column | None,
    seconds: float,
    judge: JudgeSettings,
    seed: int,
) -> ColumnOutcome:
    if sums is None:
        return ColumnOutcome(*column, None, against, None, 0, 0, 0, 0.0, seconds)

    def ratio(above: Any, below: Any) -> Interval | None:
        there = below > 0
        if not there.any():
            return None
        above, below = (np.asarray(each[there], np.float64)[:, None] for each in (above, below))
        samples, confidence = judge.bootstrap_samples, judge.confidence
        [found] = ratio_intervals(above, below, samples=samples, confidence=confidence, seed=seed)
        return found

    days = int(sums["n_days"].sum())
    return ColumnOutcome(
        *column,
        mean=ratio(sums["total"], sums["n_days"]),
        against=against,
        difference=None if against is None else ratio(sums["difference"], sums["n_paired"]),
        n_users=len(sums["user_id"]),
        n_user_days=days,
        hits=int(sums["hits"].sum()),
        with_list=float(sums["with_list"].sum() / days),
        seconds=seconds,
    )


def _mean_seconds(found: Replay) -> dict[Column, float]:
    """Return the mean time of a column's nights after the first, which is always cold and also compiles code."""
    took: dict[Column, list[float]] = {column: [] for column in columns_of(found)}
    for day in found.days:
        for variant in day.nights:
            if variant not in day.failures:
                for model, seconds in day.served[variant].seconds.items():
                    took[variant, model].append(seconds)
    return {column: float(np.mean(each[1:] or each)) if each else 0.0 for column, each in took.items()}
