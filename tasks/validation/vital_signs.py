"""What a night says of itself beside its lists: what came in, and how well the champion was judged.

Each function returns values by the name of their check (`checks.py`); None where there is nothing to say. Judged
figures come from the select half alone: to publish or not is a choice too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from statistics import median
from typing import Any

from tasks.artifacts import Choice, CleanData
from tasks.storage.run_records import Run

NIGHTS = 7
"""With so many nights the quality of tonight is compared."""

_DAY = timedelta(days=1)
Values = dict[str, float | None]


def of_intake(data: CleanData, run: Run, live: Run | None) -> Values:
    """How many rows were rejected, and how old the newest interaction is.

    `live` is the run that readers see; None where tonight's data may be older than its.
    """
    behind = live.data_until - run.data_until if live and live.data_until and run.data_until else None
    return {
        "rejected_rows": max(
            (count.quarantined / max(count.rows_in, 1) for count in data.counts), default=0.0
        ),
        "input_age_days": (run.started_at - data.newest_interaction) / _DAY,
        "days_behind_live": None if behind is None else max(0.0, behind / _DAY),
    }


def of_judging(choice: Choice | None, run: Run, runs: Iterable[Run], *, min_users: int) -> Values:
    """How the model behind the lists compares with popularity tonight, and with the last nights' champions.

    Both speak of the upper end of its interval: what could be chance is no reason to hold lists back.
    """
    silent: Values = {"champion_above_popularity": None, "quality": None}
    if choice is None or choice.decision.n_users < min_users:
        return silent
    figures = json.loads((choice.folder / "metrics.json").read_text(encoding="utf-8"))
    metric, _, k = choice.decision.metric.partition("@")
    own = {"model": run.champion, "half": "select"}
    gain = _one(figures["differences"], own | {"baseline": "popularity"})
    best = _one(figures["metrics"], own | {"segment": "all", "metric": metric, "k": int(k)})
    before = [quality for quality in map(_quality, comparable(run, runs)) if quality]
    return {
        "champion_above_popularity": gain["high"] if gain else None,
        "quality": best["ci_high"] / median(before) if best and before else None,
    }


def comparable(run: Run, runs: Iterable[Run]) -> Sequence[Run]:
    """The newest published nights of earlier data that were judged as this one is, at most `NIGHTS`, newest first."""
    same = [
        other
        for other in runs
        if other.status == "published"
        and other.as_of is not None
        and run.as_of is not None
        and other.as_of < run.as_of
        and other.protocol == run.protocol
    ]
    return sorted(same, key=lambda other: (other.as_of, other.run_id), reverse=True)[:NIGHTS]


def _quality(run: Run) -> float | None:
    """The metric of the model behind a night's lists."""
    decision = run.summary.decision
    return None if decision is None else decision.means.get(run.champion or "")


def _one(rows: list[dict[str, Any]], wanted: dict[str, Any]) -> dict[str, Any] | None:
    return next((row for row in rows if wanted.items() <= row.items()), None)
