"""Score the lists that were served on a day by what users came to like inside the window after it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from tasks.config.settings import JudgeSettings, UtilitySettings
from tasks.outcomes.judged_lists import COLD, SEGMENTS, JudgedLists, Window, judge_lists
from tasks.outcomes.outcome_rows import n_hits_of, per_user_metrics
from tasks.replay.night import Served

HITS = "hits"
"""Number of items of the whole list that the user came to like."""


def score_day(
    con: duckdb.DuckDBPyConnection,
    served: Mapping[str, Served],
    store: Path,
    window: Window,
    utility: UtilitySettings,
    judge: JudgeSettings,
) -> pa.Table | None:
    """Return one row per variant, column and user who came to like something new; None if nobody did.

    All variants are judged by the same users and the same positives. Users without a list are judged by the fallback
    list, so that a variant that serves older lists pays for the users it does not know yet.

    Args:
        con: the history, after `read_histories`.
        served: variant → the lists that it serves on that day.
        store: the folder of the artifacts.
        window: after that day.
        utility: which interactions are positive.
        judge: list lengths.

    Returns:
        Columns variant, model, user_id, has_list, n_positives, hits, and one per metric, such as `ndcg@10`.
    """
    known: dict[str, pa.Table] = {}
    tables = []
    for variant, lists in served.items():
        for column, artifact in lists.lists.items():
            if artifact not in known:
                known[artifact] = _per_user(judge_lists(con, store / artifact, window, utility), judge)
            own = known[artifact]
            names = {"variant": variant, "model": column}
            for place, (title, value) in enumerate(names.items()):
                own = own.add_column(place, title, pa.array([value] * own.num_rows, pa.string()))
            tables.append(own)
    found = pa.concat_tables(tables) if tables else None
    return found if found is not None and found.num_rows else None


def _per_user(judged: JudgedLists, judge: JudgeSettings) -> pa.Table:
    metrics = per_user_metrics(judged, judge.k)
    return pa.table(
        {
            "user_id": judged.user_ids,
            "has_list": pa.array(judged.segment != SEGMENTS.index(COLD)),
            "n_positives": judged.n_positives,
            HITS: n_hits_of(judged).astype(np.float64),
            **metrics,
        }
    )
