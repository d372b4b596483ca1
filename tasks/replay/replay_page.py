"""The page of a replay, `replay.html`: the table, curves over the days, and the cumulative outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from models.evaluation.metrics import name_and_k
from tasks.replay.plan import BASE
from tasks.replay.replay import Replay
from tasks.replay.summary import Column, ColumnOutcome, Outcome, day_rows
from tasks.replay.variants import changes_of
from tasks.reporting.page.axis import Scale, scale
from tasks.reporting.page.charts import Points
from tasks.reporting.page.formats import duration, figure
from tasks.reporting.page.render import render_template
from tasks.reporting.page.summary import Tile
from tasks.storage.artifact_store import write_text

_COLOURS = 10  # of style.css: g0 to g9
POPULARITY = "popularity"


@dataclass(frozen=True)
class Row:
    """A column of the replay as a row of the page's table; `time_width` is in percent of the longest time."""

    label: str
    outcome: ColumnOutcome
    against: str
    time_width: float


@dataclass(frozen=True)
class Curve:
    """A line over the days.

    Attributes:
        label: the column.
        colour: the number of its colour.
        dashed: whether the colour is used a second time.
        parts: the line, in pieces: days on which nobody came to like anything new are gaps.
        end: its value on the last day that has one.
    """

    label: str
    colour: int
    dashed: bool
    parts: tuple[Points, ...]
    end: float


@dataclass(frozen=True)
class CurveChart:
    """Curves on one scale; `first` and `last` are the days at the ends."""

    title: str
    lead: str
    scale: Scale
    curves: tuple[Curve, ...]
    first: str
    last: str


@dataclass(frozen=True)
class _Series:
    """The figures of one column: (number of the day, value, hits) of the days that have any."""

    label: str
    values: tuple[tuple[int, float, int], ...]


def write_page(found: Replay, outcome: Outcome) -> Path:
    """Write `replay.html` into the folder of the results; it needs no other file."""
    path = found.results.folder / "replay.html"
    write_text(path, render_replay(found, outcome))
    return path


def render_replay(found: Replay, outcome: Outcome) -> str:
    """Return the page of a replay as HTML."""
    series = _series(found, outcome)
    metric, k = name_and_k(outcome.metric)
    means = [row.mean for row in outcome.columns if row.mean is not None]
    ends = [value for mean in means for value in (mean.low, mean.high)]
    return render_template(
        "replay.html.j2",
        dataset=found.dataset,
        plan=found.plan,
        outcome=outcome,
        metric_name=metric,
        k=k,
        tiles=_tiles(found, outcome),
        variants=[(each.name, changes_of(each, found.plan.variants[0])) for each in found.plan.variants[1:]],
        rows=_rows(outcome),
        scale=scale(ends),
        panels=_panels(found, outcome, series),
        cumulative=_cumulative(found, series),
        gaps=_gaps(found),
        failures=[(day.day, *failure) for day in found.days for failure in day.failures.items()],
    )


def label_of(column: Column) -> str:
    """Return the name of a column: its model, with its variant unless that is `base`."""
    variant, model = column
    return model if variant == BASE else f"{variant}: {model}"


def _tiles(found: Replay, outcome: Outcome) -> list[Tile]:
    first = outcome.columns[0]
    judged = sum(day.n_users > 0 for day in found.days)
    best = max((row for row in outcome.columns if row.mean), key=lambda row: row.mean or (0,), default=None)
    nights = [day.seconds for day in found.days if day.nights][1:]
    tiles = [
        Tile("Days", f"{len(found.days)}", f"after {judged} of them somebody came to like something new"),
        Tile(
            "Visits",
            f"{first.n_user_days:,}",
            f"of {first.n_users:,} users; {first.with_list:.0%} had a list",
        ),
        Tile(f"{outcome.metric} of the champion", figure(first.mean.mean if first.mean else None), ""),
    ]
    if best is not None and best.mean is not None:
        tiles.append(Tile("The best column", figure(best.mean.mean), label_of((best.variant, best.model))))
    if nights:
        each = duration(sum(nights) / len(nights))
        tiles.append(Tile("A replayed day after the first", each, "all variants and models, with judging"))
    return tiles


def _rows(outcome: Outcome) -> list[Row]:
    longest = max((row.seconds for row in outcome.columns), default=0.0) or 1.0
    return [
        Row(
            label_of((row.variant, row.model)),
            row,
            "" if row.against is None else "base: " * (row.variant != BASE) + row.against[1],
            round(100 * row.seconds / longest, 1),
        )
        for row in outcome.columns
    ]


def _series(found: Replay, outcome: Outcome) -> list[_Series]:
    """Return the figures of the shown columns."""
    metric, k = name_and_k(outcome.metric)
    number = {day.day: place for place, day in enumerate(found.days)}
    values: dict[Column, list[tuple[int, float, int]]] = {
        (row.variant, row.model): [] for row in outcome.columns
    }
    for row in day_rows(found):
        column = (row["variant"], row["model"])
        if (row["metric"], row["k"]) == (metric, k) and row["value"] is not None and column in values:
            values[column].append((number[row["day"]], row["value"], row["hits"]))
    return [_Series(label_of(column), tuple(own)) for column, own in values.items()]


def _panels(found: Replay, outcome: Outcome, series: list[_Series]) -> list[CurveChart]:
    """Return a small chart for each column, all on one scale."""
    on = scale(value for each in series for _, value, _ in each.values)
    charts = []
    for place, each in enumerate(series):
        shown = outcome.columns[place].mean
        lead = "" if shown is None else figure(shown.mean)
        points = [(number, value) for number, value, _ in each.values]
        curves = (_curve(found, each.label, place, points, on),) if points else ()
        charts.append(CurveChart(each.label, lead, on, curves, *_ends(found)))
    return charts


def _cumulative(found: Replay, series: list[_Series]) -> list[CurveChart]:
    """Return the charts of hits so far, and of hits so far above popularity's."""
    popular = next((each for each in series if each.label == POPULARITY), None)
    charts = [
        _sums_so_far(
            found, "Hits so far", "Listed items that their users came to like, added up over the days.",
            [(each.label, [(number, hits) for number, _, hits in each.values]) for each in series],
        )
    ]  # fmt: skip
    if popular is not None and popular.values:
        base = {number: hits for number, _, hits in popular.values}
        ahead = [
            (each.label, [(n, hits - base[n]) for n, _, hits in each.values if n in base]) for each in series
        ]
        lead = "The same, less those of popularity: above zero, a model's lists were taken up more."
        charts.append(_sums_so_far(found, "Hits so far above popularity", lead, ahead))
    return charts


def _sums_so_far(
    found: Replay, title: str, lead: str, steps: Iterable[tuple[str, list[tuple[int, int]]]]
) -> CurveChart:
    sums = [
        (label, list(zip((n for n, _ in each), accumulate(step for _, step in each), strict=True)))
        for label, each in steps
    ]
    on = scale(value for _, points in sums for _, value in points)
    curves = [
        _curve(found, label, place, points, on, over_gaps=True)
        for place, (label, points) in enumerate(sums)
        if points
    ]
    return CurveChart(title, lead, on, tuple(curves), *_ends(found))


def _curve(
    found: Replay,
    label: str,
    place: int,
    points: list[tuple[int, Any]],
    on: Scale,
    *,
    over_gaps: bool = False,
) -> Curve:
    """Return a column's curve.

    Args:
        found: the replay.
        label: of the column.
        place: of the column, which chooses the colour.
        points: number of the day and value, by day.
        on: the scale of the values.
        over_gaps: whether the line goes on over days without a value, as a sum does.
    """
    x = _x(found)
    parts: list[list[tuple[float, float]]] = []
    last = None
    for number, value in points:
        if last is None or (number > last + 1 and not over_gaps):
            parts.append([])
        parts[-1].append((x(number), round(100 - on.at(value), 2)))
        last = number
    dashed = place // _COLOURS % 2 == 1
    return Curve(label, place % _COLOURS, dashed, tuple(map(tuple, parts)), float(points[-1][1]))


def _gaps(found: Replay) -> list[tuple[float, float]]:
    """Return left end and width, in percent, of the days on which nobody came to like anything new."""
    width = 100 / max(1, len(found.days) - 1)
    x = _x(found)
    places = [(x(n) - width / 2, x(n) + width / 2) for n, day in enumerate(found.days) if not day.n_users]
    inside = [(max(0.0, left), min(100.0, right)) for left, right in places]
    return [(round(left, 2), round(right - left, 2)) for left, right in inside]


def _x(found: Replay) -> Callable[[int], float]:
    last = max(1, len(found.days) - 1)
    return lambda number: round(100 * number / last, 2)


def _ends(found: Replay) -> tuple[str, str]:
    return f"{found.days[0].day:%Y-%m-%d}", f"{found.days[-1].day:%Y-%m-%d}"
