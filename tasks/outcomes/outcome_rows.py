"""Average what users did next into rows of `run_outcomes`, per variant, model and segment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from models.evaluation.bootstrap import Interval, ratio_intervals
from models.evaluation.metrics import name_and_k
from tasks.config.settings import JudgeSettings, UtilitySettings
from tasks.outcomes.judged_lists import (
    COLD,
    SEGMENTS,
    JudgedLists,
    Window,
    judge_lists,
)
from tasks.recommendation.trial_arms import VARIANTS

ALL = "all"
CONSUMED, FOUND, ACTED = "consumed", "found", "acted"
"""Shares without a length: of list items that were taken up, of taken-up items that a list held, of users who acted."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OutcomeRow:
    """One figure of a run's lists: a row of `run_outcomes`, without run_id, scored_by, period, since and until.

    Attributes:
        variant: `control` or `trial`; None for all users.
        model: `all`, or the model that placed the rows that count.
        segment: `all` (users with a list), one of their classes, or `cold` (users without one, by the fallback list).
        metric: `hit_rate`, `ndcg` or `recall` at `k`; `consumed`, `found` or `acted`, which have no k.
        value: the figure; a mean over users, or a ratio of sums over them.
        ci_low, ci_high: its interval.
        n_users: the users it is of: those who came to like something new; for `acted`, those with a list.
        n_interactions: the items that they came to like.
    """

    variant: str | None
    model: str
    segment: str
    metric: str
    k: int | None
    value: float
    ci_low: float
    ci_high: float
    n_users: int
    n_interactions: int


def score_lists(
    con: duckdb.DuckDBPyConnection,
    lists: Path,
    since: datetime,
    until: datetime,
    utility: UtilitySettings,
    judge: JudgeSettings,
    *,
    seed: int,
) -> tuple[OutcomeRow, ...]:
    """Score a run's lists by what users came to like at or after `since` and before `until`.

    Args:
        con: the warehouse, after `read_histories` with an `until` that is not before this one.
        lists: the folder of the run's lists (`recommendations.parquet`, `fallback_recommendations.parquet`).
        since, until: the window, UTC; `since` should be the `as_of` of the lists.
        utility: which interactions are positive.
        judge: list lengths, and how the bootstrap is drawn.
        seed: of the bootstrap.

    Returns:
        The figures; only `acted` where nobody came to like anything new, and nothing if the lists are empty.
    """
    return outcome_rows(judge_lists(con, lists, Window(since, until), utility), judge, seed=seed)


def outcome_rows(judged: JudgedLists, judge: JudgeSettings, *, seed: int) -> tuple[OutcomeRow, ...]:
    """Average the judged lists over all users, each class, the cold users, and each arm of a trial.

    A figure of a single model counts only the rows that it placed. Those of all models add up to the figure of `all` in
    `recall`, `ndcg` and `found`; `consumed` is the share of the model's own rows.

    Args:
        judged: users who came to like something new, and the hits in their lists.
        judge: list lengths, and how the bootstrap is drawn.
        seed: of the bootstrap.
    """
    rows: list[OutcomeRow] = []
    for variant, segment, members in _groups(judged):
        if members.any():
            rows += _figures(judged, members, variant, segment, judge, seed)
        if segment == ALL and judged.n_listed.get(variant):
            rows.append(_acted(judged, members, variant, judge.confidence))
    return tuple(rows)


def per_user_metrics(judged: JudgedLists, ks: tuple[int, ...], model: int | None = None) -> dict[str, Floats]:
    """Return the metrics of each judged user, (n_users,), by names such as `ndcg@10`.

    Args:
        judged: the users.
        ks: list lengths.
        model: index into `judged.models`: only rows that it placed can be hits; None for all rows.
    """
    hits, n_users = judged.hits, len(judged.n_positives)
    counted = np.ones(len(hits.user), bool) if model is None else hits.model == model
    ideal = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(2, max(ks) + 2)))])
    found: dict[str, Floats] = {}
    for k in ks:
        user, rank = hits.user[counted & (hits.rank <= k)], hits.rank[counted & (hits.rank <= k)]
        n_hits = np.bincount(user, minlength=n_users).astype(np.float64)
        gain = np.bincount(user, 1 / np.log2(rank + 1), minlength=n_users)
        found[f"hit_rate@{k}"] = (n_hits > 0).astype(np.float64)
        found[f"ndcg@{k}"] = gain / ideal[np.minimum(k, judged.n_positives)]
        found[f"recall@{k}"] = n_hits / judged.n_positives
    return found


def n_hits_of(judged: JudgedLists, model: int | None = None) -> Floats:
    """Return the number of hits in each user's whole list, (n_users,), of one model's rows or of all."""
    user = judged.hits.user if model is None else judged.hits.user[judged.hits.model == model]
    return np.bincount(user, minlength=len(judged.n_positives)).astype(np.float64)


def _groups(judged: JudgedLists) -> Iterator[tuple[str | None, str, NDArray[np.bool_]]]:
    """Yield variant, segment and the users of each group that has figures of its own."""
    with_list = judged.segment != SEGMENTS.index(COLD)
    for number, variant in ((None, None), *enumerate(VARIANTS)):
        if variant is not None and variant not in judged.n_listed:
            continue
        inside = with_list if number is None else with_list & (judged.variant == number)
        yield variant, ALL, inside
        for place, segment in enumerate(SEGMENTS):
            if segment != COLD:
                yield variant, segment, inside & (judged.segment == place)
    yield None, COLD, ~with_list


def _figures(
    judged: JudgedLists,
    members: NDArray[np.bool_],
    variant: str | None,
    segment: str,
    judge: JudgeSettings,
    seed: int,
) -> list[OutcomeRow]:
    """Rows of one group of users: of all rows of their lists and, for all users, of each model's rows."""
    bootstrap = {"samples": judge.bootstrap_samples, "confidence": judge.confidence, "seed": seed}
    placed = np.flatnonzero(judged.n_rows[members].any(axis=0) & (segment == ALL))
    models: list[tuple[str, int | None]] = [(ALL, None), *((judged.models[m], int(m)) for m in placed)]
    positives = judged.n_positives[members]

    def row(model: str, metric: str, found: Interval, users: NDArray[Any]) -> OutcomeRow:
        name, k = name_and_k(metric)
        return OutcomeRow(
            variant=variant, model=model, segment=segment, metric=name, k=k, value=found.mean,
            ci_low=found.low, ci_high=found.high, n_users=len(users), n_interactions=int(users.sum()),
        )  # fmt: skip

    hits = {name: n_hits_of(judged, model)[members] for name, model in models}
    figures = {
        (name, metric): (values[members], np.ones(len(positives)))
        for name, model in models
        for metric, values in per_user_metrics(judged, judge.k, model).items()
    }
    figures |= {(name, FOUND): (hits[name], positives.astype(np.float64)) for name, _ in models}
    rows = _ratio_rows(figures, bootstrap, row, positives)
    for name, model in models:
        listed = judged.n_rows[members].sum(axis=1) if model is None else judged.n_rows[members, model]
        there = listed > 0
        if there.any():  # where there is no fallback list either, nothing was listed
            share = {(name, CONSUMED): (hits[name][there], listed[there].astype(np.float64))}
            rows += _ratio_rows(share, bootstrap, row, positives[there])
    return rows


def _ratio_rows(
    figures: Mapping[tuple[str, str], tuple[Floats, Floats]],
    bootstrap: Mapping[str, Any],
    row: Callable[[str, str, Interval, NDArray[Any]], OutcomeRow],
    positives: NDArray[np.int64],
) -> list[OutcomeRow]:
    """Rows of Σ above / Σ below over the same users; with a `below` of ones that is a mean.

    One call for many figures, because drawing the samples takes most of the time.

    Args:
        figures: (n_users,) above and below, by model and metric.
        bootstrap: arguments of `ratio_intervals`.
        row: makes a row of model, metric, interval and `positives`.
        positives: (n_users,) the items that the users came to like.
    """
    above, below = (np.column_stack([pair[side] for pair in figures.values()]) for side in (0, 1))
    found = ratio_intervals(above, below, **bootstrap)
    return [row(*figure, share, positives) for figure, share in zip(figures, found, strict=True)]


def _acted(
    judged: JudgedLists, members: NDArray[np.bool_], variant: str | None, confidence: float
) -> OutcomeRow:
    """Share of the users with a list who came to like something new; Wilson's interval of a share."""
    from scipy.stats import binomtest  # noqa: PLC0415  (takes half a second)

    n_users, acted = judged.n_listed[variant], int(members.sum())
    low, high = binomtest(acted, n_users).proportion_ci(confidence, method="wilson")
    return OutcomeRow(
        variant=variant, model=ALL, segment=ALL, metric=ACTED, k=None, value=acted / n_users, ci_low=float(low),
        ci_high=float(high), n_users=n_users, n_interactions=int(judged.n_positives[members].sum()),
    )  # fmt: skip
