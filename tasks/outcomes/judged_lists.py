"""Find what users came to like after a run's lists were made, and where in their lists it stood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from models.evaluation.slices import USER_CLASSES, user_classes
from tasks.config.settings import UtilitySettings
from tasks.preparation.time_windows import liking, open_windows, order_by_time
from tasks.recommendation.trial_arms import VARIANT, VARIANTS
from tasks.storage.warehouse import run_file

COLD = "cold"
SEGMENTS = (*USER_CLASSES, COLD)
"""Classes of users by their history when the window begins; those without a list are `cold`."""

FALLBACK = "fallback"
"""The model of the rows that users without a list were shown."""


@dataclass(frozen=True)
class Window:
    """A window of time, UTC: at or after `since`, and before `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Hits:
    """The listed items that their users came to like: (n_hits,) arrays.

    Attributes:
        user: rows of the judged users.
        rank: place in the list, from 1.
        model: indices into `JudgedLists.models`, the model that placed the item.
    """

    user: NDArray[np.int64]
    rank: NDArray[np.int64]
    model: NDArray[np.int64]


@dataclass(frozen=True)
class JudgedLists:
    """The lists of the users who came to like something new inside a window, and what the lists held of it.

    Attributes:
        window: the window.
        user_ids: (n_users,) external ids, ascending.
        segment: (n_users,) int8, indices into `SEGMENTS`.
        variant: (n_users,) int8, indices into `VARIANTS`, −1 outside a trial.
        n_positives: (n_users,) int64, the items that each came to like, at least 1.
        models: the names of all models that placed a row of these lists.
        n_rows: (n_users, n_models) int64, how many rows of each list each model placed.
        hits: the rows that hold one of the items.
        n_listed: the number of users with a list, by variant; None: of all.
    """

    window: Window
    user_ids: pa.Array
    segment: NDArray[np.int8]
    variant: NDArray[np.int8]
    n_positives: NDArray[np.int64]
    models: tuple[str, ...]
    n_rows: NDArray[np.int64]
    hits: Hits
    n_listed: dict[str | None, int]


def read_histories(con: duckdb.DuckDBPyConnection, until: datetime) -> None:
    """Create the temporary table `first_met` of all interactions before `until`, for any number of `judge_lists`."""
    order_by_time(con)
    run_file(con, "warehouse/outcomes/first_met.sql", until=until)


def judge_lists(
    con: duckdb.DuckDBPyConnection, lists: Path, window: Window, utility: UtilitySettings
) -> JudgedLists:
    """Find the users who came to like something new inside a window, and the hits in their lists.

    An item counts once for a user: if it became positive inside the window, and the user had no interaction of any kind
    with it before. Whether it is positive is seen from the end of the window, as for held-out interactions.

    Args:
        con: the warehouse, after `read_histories` with an `until` that is not before the window's.
        lists: the folder of a run's lists, as `Lists` describes it; `variant` may be missing.
        window: what happened in it counts; it should begin at the `as_of` of the lists.
        utility: which interactions are positive.
    """
    window_of_all_users(con, window)
    since = {"since": window.since}
    run_file(con, "warehouse/outcomes/later_positives.sql", **since, **liking(utility))
    _show_lists(con, lists / "recommendations.parquet")
    fallback = str(lists / "fallback_recommendations.parquet")
    run_file(con, "warehouse/outcomes/judged_lists.sql", fallback_path=fallback)
    users = con.sql("from judged_users order by user_row").to_arrow_table()
    n_users = users.num_rows
    placed = _columns(con, "warehouse/outcomes/rows_by_model.sql")
    hits = _columns(con, "warehouse/outcomes/hits.sql")
    models = tuple(sorted(set(placed["model"].tolist())))
    number = {model: place for place, model in enumerate(models)}
    n_rows = np.zeros((n_users, len(models)), np.int64)
    n_rows[placed["user_row"], _numbers(placed["model"], number)] = placed["n_rows"]
    return JudgedLists(
        window=window,
        user_ids=users["user_id"].combine_chunks(),
        segment=_segments(con, window, users["has_list"].to_numpy()),
        variant=_numbers(users["variant"].to_pylist(), dict(zip(VARIANTS, (0, 1), strict=True))).astype(
            np.int8
        ),
        n_positives=users["n_positives"].to_numpy().astype(np.int64),
        models=models,
        n_rows=n_rows,
        hits=Hits(
            hits["user_row"].astype(np.int64),
            hits["rank"].astype(np.int64),
            _numbers(hits["model"], number),
        ),
        n_listed=_listed_users(con),
    )


def window_of_all_users(con: duckdb.DuckDBPyConnection, window: Window) -> None:
    """Open the windowed views for all users from `since` to `until`."""
    run_file(con, "warehouse/split/common_cutoff.sql", as_of=window.until, cutoff=window.since)
    open_windows(con, "after", window.until)


def _show_lists(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Create the view `published_lists`; lists of runs without a trial, or of older versions, get a null variant."""
    rows = con.read_parquet(str(path))
    has_variant = VARIANT in pq.read_schema(path).names
    columns = "user_id, rank, item_id, model, " + ("variant" if has_variant else "null::text as variant")
    con.execute("drop view if exists published_lists")
    rows.project(columns).create_view("published_lists")


def _segments(
    con: duckdb.DuckDBPyConnection, window: Window, has_list: NDArray[np.bool_]
) -> NDArray[np.int8]:
    """Return each judged user's index into `SEGMENTS`."""
    histories = _columns(con, "warehouse/outcomes/histories.sql", since=window.since)
    user_row = np.ma.filled(histories["user_row"], -1)
    of_all, judged = user_classes(histories["n_met"]), user_row >= 0
    found = np.zeros(len(has_list), np.int8)  # `new`, the first class, without any history
    found[user_row[judged]] = of_all[judged]
    return np.where(has_list, found, SEGMENTS.index(COLD)).astype(np.int8)


def _listed_users(con: duckdb.DuckDBPyConnection) -> dict[str | None, int]:
    counted = run_file(con, "warehouse/outcomes/listed_users.sql").fetchall()
    by_variant: dict[str | None, int] = {variant: n for variant, n in counted if variant is not None}
    return {None: sum(n for _, n in counted), **by_variant}


def _numbers(values: Sequence[Any] | NDArray[Any], number: dict[str, int]) -> NDArray[np.int64]:
    """Return the number of each value, −1 for null."""
    return np.fromiter((number.get(value, -1) for value in values), np.int64, len(values))


def _columns(con: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> dict[str, NDArray[Any]]:
    columns = run_file(con, name, **parameters).fetchnumpy()
    return {column: np.asanyarray(values) for column, values in columns.items()}
