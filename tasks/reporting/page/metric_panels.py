"""The models' figures of a night and of those before it, read by what is there: a new metric shows by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.reporting.page.axis import Scale, scale
from tasks.reporting.page.wording import (
    LESS_IS_BETTER,
    metric_meaning,
    metric_name,
    segment_meaning,
    segment_name,
)
from tasks.storage.run_records import Run, Runs

Row = dict[str, Any]
_NIGHTS = 30


@dataclass(frozen=True)
class Figure:
    """A value with its interval, if it has one."""

    model: str
    value: float
    low: float | None
    high: float | None
    n_users: int | None


@dataclass(frozen=True)
class Panel:
    """One chart of dots and whiskers: a metric, a slice, or differences."""

    name: str
    meaning: str
    scale: Scale
    rows: tuple[Figure, ...]


@dataclass(frozen=True)
class Challenge:
    """The other models against the incumbent, on the select half: what the champion was decided by.

    An interval must lie above `least` on `wins_needed` nights in a row; `wins` has those that did tonight, and how
    often by now. Fewer users than `min_users` make no win.
    """

    panel: Panel
    incumbent: str
    least: float
    n_users: int
    wins_needed: int
    min_users: int
    wins: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Night:
    """One of the last nights, with its figures on the champion metric by model."""

    run_id: int
    started_at: datetime
    status: str
    champion: str | None
    figures: dict[str, Figure]


@dataclass(frozen=True)
class History:
    """The last nights, oldest first, and the models that any of them judged, best first."""

    metric: str
    nights: tuple[Night, ...]
    models: tuple[str, ...]
    scale: Scale

    def of(self, model: str) -> list[tuple[int, Figure]]:
        """The nights, by number, that judged `model`."""
        return [
            (number, night.figures[model])
            for number, night in enumerate(self.nights)
            if model in night.figures
        ]

    def of_champions(self) -> list[tuple[int, Figure]]:
        """The figures of each night's own champion."""
        crowned = [
            (number, night.figures.get(night.champion or "")) for number, night in enumerate(self.nights)
        ]
        return [(number, figure) for number, figure in crowned if figure is not None]


def read_figures(folder: Path) -> dict[str, list[Row]]:
    """The `metrics.json` of a run's folder; empty lists for a night that did not come so far."""
    try:
        found: dict[str, list[Row]] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"metrics": [], "differences": []}
    return found


def champion_metric(run: Run, rows: Sequence[Row]) -> tuple[str, int | None]:
    """The metric that the night chose by; for records without one, the first that was measured."""
    chosen: str = run.settings.get("judge", {}).get("champion_metric", "")
    if chosen:
        return _split_name(chosen)
    return (rows[0]["metric"], rows[0]["k"]) if rows else ("ndcg", 10)


def metric_panels(run: Run, rows: Sequence[Row]) -> tuple[Panel, ...]:
    """One panel per metric, of everybody with a history, on the report half; the champion metric first."""
    mine = [row for row in rows if row["half"] == "report" and row["segment"] == "all"]
    decisive = champion_metric(run, mine)
    names = dict.fromkeys((row["metric"], row["k"]) for row in mine)
    return tuple(
        _panel(metric_name(*name), metric_meaning(name[0]), _of(mine, name), up=name[0] not in LESS_IS_BETTER)
        for name in sorted(names, key=lambda name: name != decisive)
    )


def slice_panels(run: Run, rows: Sequence[Row], about: Sequence[Row]) -> tuple[Panel, ...]:
    """The champion metric in each slice, everybody first for comparison; all on one scale.

    `about` says what the slices hold, for those that have a row there.
    """
    mine = [row for row in rows if row["half"] == "report"]
    chosen = _of(mine, champion_metric(run, mine))
    segments = list(dict.fromkeys(row["segment"] for row in chosen))
    if segments == ["all"]:
        return ()
    common = _scale(_figure(row) for row in chosen)
    panels = []
    described = {row["segment"]: segment_meaning(row) for row in about}
    for segment in sorted(segments, key=lambda name: name != "all"):
        found = _best_first([row for row in chosen if row["segment"] == segment], up=True)
        users = f"{found[0].n_users:,} users judged" if found[0].n_users else ""
        meaning = " · ".join(filter(None, (described.get(segment), users)))
        panels.append(Panel(segment_name(segment), meaning, common, _few(run, found)))
    return tuple(panels)


def difference_panel(rows: Sequence[Row], baseline: str | None) -> Panel | None:
    """Each model against `baseline`, paired over users, on the report half."""
    mine = [row for row in rows if row["half"] == "report" and row["baseline"] == baseline]
    if not mine:
        return None
    figures = [Figure(r["model"], r["mean"], r["low"], r["high"], r.get("n_users")) for r in mine]
    figures.sort(key=lambda one: -one.value)
    return Panel(
        f"{metric_name(*_split_name(mine[0]['metric']))} against {baseline}",
        "",
        _scale(figures),
        tuple(figures),
    )


def challenge(run: Run) -> Challenge | None:
    """How the night's champion was decided, if it had an incumbent to beat."""
    decision = run.summary.decision
    if decision is None or decision.incumbent is None or decision.least is None or not decision.challenges:
        return None
    rows = decision.challenges
    figures = tuple(Figure(row.model, row.mean, row.low, row.high, None) for row in rows)
    name = metric_name(*_split_name(decision.metric))
    panel = Panel(f"{name} against {decision.incumbent}", "", _scale(figures), figures)
    wins = tuple((row.model, row.wins) for row in rows if row.wins)
    return Challenge(
        panel,
        decision.incumbent,
        decision.least,
        decision.n_users,
        decision.wins_needed,
        decision.min_users,
        wins,
    )


def history(runs: Runs, run: Run) -> History | None:
    """The nights up to `run`, as many as fit a chart; None unless at least two of them were judged."""
    decisive = champion_metric(run, read_figures(runs.folder(run.run_id))["metrics"])
    until = [one for one in runs.all() if one.run_id < run.run_id][: _NIGHTS - 1]
    nights = tuple(_night(runs, one, decisive) for one in (*reversed(until), run))
    if sum(bool(night.figures) for night in nights) < 2:
        return None
    latest = next(night for night in reversed(nights) if night.figures)
    models = sorted(
        {model for night in nights for model in night.figures},
        key=lambda model: -latest.figures[model].value if model in latest.figures else 0.0,
    )
    everything = [figure for night in nights for figure in night.figures.values()]
    return History(metric_name(*decisive), nights, tuple(models), _scale(everything))


def _night(runs: Runs, run: Run, decisive: tuple[str, int | None]) -> Night:
    rows = read_figures(runs.folder(run.run_id))["metrics"]
    mine = [row for row in rows if row["half"] == "report" and row["segment"] == "all"]
    figures = {row["model"]: _figure(row) for row in _of(mine, decisive)}
    return Night(run.run_id, run.started_at, run.status, run.champion, figures)


def _split_name(metric: str) -> tuple[str, int | None]:
    label, _, k = metric.partition("@")
    return label, int(k) if k else None


def _of(rows: Sequence[Row], name: tuple[str, int | None]) -> list[Row]:
    return [row for row in rows if (row["metric"], row["k"]) == name and row["value"] is not None]


def _figure(row: Row) -> Figure:
    return Figure(row["model"], row["value"], row.get("ci_low"), row.get("ci_high"), row.get("n_users"))


def _best_first(rows: Sequence[Row], *, up: bool) -> list[Figure]:
    return sorted(map(_figure, rows), key=lambda one: -one.value if up else one.value)


def _panel(name: str, meaning: str, rows: Sequence[Row], *, up: bool) -> Panel:
    figures = _best_first(rows, up=up)
    note = meaning if up else f"{meaning} Less is better.".strip()
    return Panel(name, note, _scale(figures), tuple(figures))


def _few(run: Run, figures: Sequence[Figure]) -> tuple[Figure, ...]:
    """In a slice: the champion, popularity and the best; all of them would hide what a slice is for."""
    shown = {run.champion, "popularity", figures[0].model}
    return tuple(figure for figure in figures if figure.model in shown or len(figures) <= 3)


def _scale(figures: Any) -> Scale:
    return scale(value for one in figures for value in (one.value, one.low, one.high))
