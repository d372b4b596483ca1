"""Coordinates of lines and bars for the templates, in percent of a chart, from its upper left corner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tasks.reporting.page.axis import Scale, scale
from tasks.reporting.page.histograms import Attention
from tasks.reporting.page.metric_panels import Figure, History, PastNight
from tasks.storage.run_records import Run

Points = tuple[tuple[float, float], ...]
Judged = Sequence[tuple[int, Figure]]


@dataclass(frozen=True)
class Spark:
    """A model's small line on its own scale, its newest value, and the change since the night before."""

    model: str
    points: Points
    newest: float
    change: float | None


@dataclass(frozen=True)
class Mark:
    """One night of the history: how it ended, its champion and the champion's value."""

    x: float
    run_id: int
    status: str
    champion: str | None
    value: float | None


@dataclass(frozen=True)
class HistoryChart:
    """The line of the nights' champions with its band of intervals, popularity's line, and a small line per model."""

    metric: str
    scale: Scale
    line: Points
    band: Points
    popularity: Points
    marks: tuple[Mark, ...]
    sparks: tuple[Spark, ...]
    first: str
    last: str


@dataclass(frozen=True)
class StageBar:
    """One stage; `start` and `width` are in percent of the time of all stages."""

    name: str
    seconds: float
    start: float
    width: float
    stored: bool
    peak_mb: float


@dataclass(frozen=True)
class AttentionChart:
    """The curves of `Attention` as points, the most popular items at the left."""

    curves: Attention
    interactions: Points
    places: Points


def path(points: Iterable[tuple[float, float]]) -> str:
    """Return points in the syntax of an SVG polyline."""
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def history_chart(found: History) -> HistoryChart:
    """Return the chart of the last nights, evenly spaced."""
    champions = found.of_champions()

    def x(number: int) -> float:
        return round(100 * number / (len(found.nights) - 1), 2)

    def line(figures: Judged) -> Points:
        return _line(figures, x, found.scale)

    upper = [(x(n), 100 - found.scale.at(f.high)) for n, f in champions if f.high is not None]
    lower = [(x(n), 100 - found.scale.at(f.low)) for n, f in champions if f.low is not None]
    values = dict(champions)
    return HistoryChart(
        found.metric,
        found.scale,
        line(champions),
        (*upper, *reversed(lower)),
        line(found.of("popularity")),
        tuple(
            Mark(x(n), night.run_id, night.status, night.champion, values[n].value if n in values else None)
            for n, night in enumerate(found.nights)
        ),
        tuple(_spark(model, found.of(model), x) for model in found.models),
        _moment(found.nights[0]),
        _moment(found.nights[-1]),
    )


def _line(figures: Judged, x: Callable[[int], float], on: Scale) -> Points:
    return tuple((x(number), round(100 - on.at(figure.value), 2)) for number, figure in figures)


def _spark(model: str, figures: Judged, x: Callable[[int], float]) -> Spark:
    own = scale((figure.value for _, figure in figures), zero=False)
    newest, before = figures[-1][1].value, figures[-2][1].value if len(figures) > 1 else None
    return Spark(model, _line(figures, x, own), newest, None if before is None else newest - before)


def _moment(night: PastNight) -> str:
    return f"{night.started_at:%Y-%m-%d %H:%M}"


def timeline(run: Run) -> tuple[StageBar, ...]:
    """Return a bar for each stage, one after the other in the order in which they ended, as wide as they took long."""
    total = sum(stage.seconds for stage in run.stages) or 1.0
    bars, done = [], 0.0
    for stage in run.stages:
        name = stage.stage if stage.model is None else f"{stage.stage} {stage.model}"
        start, width = (round(100 * part / total, 2) for part in (done, stage.seconds))
        bars.append(StageBar(name, stage.seconds, start, width, stage.stored, stage.peak_mb))
        done += stage.seconds
    return tuple(bars)


def attention_chart(found: Attention) -> AttentionChart:
    """Return the curves from the lower left to the upper right corner."""
    x = found.share_of_items

    def curve(shares: Sequence[float]) -> Points:
        return tuple(
            (round(100 * at, 2), round(100 - 100 * share, 2)) for at, share in zip(x, shares, strict=True)
        )

    return AttentionChart(found, curve(found.interactions), curve(found.places))
