"""The page that lists all nights of a home, `runs/index.html`, and the links between the pages of single nights.

A page is written once, so it cannot name the night after it. It links to `next.html` beside it, a small page without
a script that leads to the next night's page, and is written again when there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path

from models.evaluation.metrics import name_and_k
from tasks.evaluation.metric_rows import read_metrics
from tasks.reporting.page.axis import Scale, scale
from tasks.reporting.page.metric_panels import champion_metric, metric_title
from tasks.storage.artifact_store import write_text
from tasks.storage.run_records import Run, Runs

PAGE, NEXT, INDEX = "report.html", "next.html", "index.html"
CURVE_NIGHTS = 365
"""The newest nights that the curves show."""

_UNITS = (("hours", 3600.0, 18_000.0), ("minutes", 60.0, 300.0), ("seconds", 1.0, 0.0))
"""Units of the duration: name, seconds, and the longest night from which it is used."""


@dataclass(frozen=True)
class NightRow:
    """One night of the list; `quality` is the champion's metric on the report half, `seconds` by the clock."""

    run_id: int
    started_at: datetime
    as_of: datetime | None
    status: str
    champion: str | None
    metric: str
    quality: float | None
    rows: int | None
    seconds: float | None
    has_page: bool
    reason: str


@dataclass(frozen=True)
class Curve:
    """A line over the nights with a dot for each: (x, y, run, status, value), in percent from the upper left."""

    name: str
    meaning: str
    scale: Scale
    dots: tuple[tuple[float, float, int, str, float], ...]
    first: str
    last: str

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The places of the dots."""
        return tuple((x, y) for x, y, *_ in self.dots)


@dataclass(frozen=True)
class AllNights:
    """The contents of the page: the nights, newest first, and the curves with values of at least two nights."""

    dataset: str
    nights: tuple[NightRow, ...]
    curves: tuple[Curve, ...]


def gather_nights(runs: Runs) -> AllNights | None:
    """Return what the page of all nights shows; None without a night."""
    found = runs.all()
    if not found:
        return None
    nights = tuple(_row(runs, run) for run in found)
    return AllNights(found[0].dataset, nights, _curves(nights))


def page_before(runs: Runs, run: Run) -> int | None:
    """Return the newest night before `run` that has a page; None if there is none."""
    earlier = [run_id for run_id in _with_page(runs) if run_id < run.run_id]
    return earlier[-1] if earlier else None


def link_pages(runs: Runs, no_later: str) -> None:
    """Write `next.html` beside every page whose next night has changed since it was written.

    Args:
        runs: the records of the home.
        no_later: the text of `next.html` beside the newest page.
    """
    paged = _with_page(runs)
    for run_id, after in zip_longest(paged, paged[1:]):
        path = runs.folder(run_id) / NEXT
        text = no_later if after is None else _lead_to(after)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


def _lead_to(run_id: int) -> str:
    """Return a page without a script that leads to the page of a night at once."""
    page = f"../{run_id}/{PAGE}"
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={page}">'
        f'<title>Run {run_id}</title><a href="{page}">Run {run_id}</a></html>\n'
    )


def _with_page(runs: Runs) -> list[int]:
    """Return the runs that have a page, oldest first."""
    names = (path.parent.name for path in runs.root.glob(f"[0-9]*/{PAGE}"))
    return sorted(int(name) for name in names if name.isdecimal())


def _row(runs: Runs, run: Run) -> NightRow:
    folder = runs.folder(run.run_id)
    seconds = None if run.finished_at is None else (run.finished_at - run.started_at).total_seconds()
    metric, quality = _quality(folder, run)
    return NightRow(
        run.run_id, run.started_at, run.as_of, run.status, run.champion, metric, quality, run.rows, seconds,
        (folder / PAGE).is_file(), run.reason,
    )  # fmt: skip


def _quality(folder: Path, run: Run) -> tuple[str, float | None]:
    """Return the name of the champion's metric and its value on the report half; an empty name without figures."""
    if run.summary.quality is not None:
        return metric_title(*name_and_k(run.summary.quality.metric)), run.summary.quality.value
    if run.status == "published" and run.summary.drift is not None:
        return "", None  # this version judged no user of the report half
    rows = [row for row in read_metrics(folder).metrics if (row.half, row.segment) == ("report", "all")]
    if not rows:
        return "", None
    name, k = champion_metric(run, rows)
    mine = [row.value for row in rows if (row.model, row.metric, row.k) == (run.champion, name, k)]
    return metric_title(name, k), mine[0] if mine else None


def _curves(nights: Sequence[NightRow]) -> tuple[Curve, ...]:
    newest = nights[:CURVE_NIGHTS][::-1]
    metric = next((night.metric for night in reversed(newest) if night.quality is not None), "")
    quality = [night.quality if night.metric == metric else None for night in newest]
    longest = max((night.seconds for night in newest if night.seconds is not None), default=0.0)
    unit, length = next((name, size) for name, size, least in _UNITS if longest >= least)
    duration = [None if night.seconds is None else night.seconds / length for night in newest]
    return tuple(
        curve
        for curve in (
            _curve(f"Quality: {metric}", "Of each night's champion, on the report half.", newest, quality),
            _curve(f"Duration in {unit}", "From start to end, by the clock.", newest, duration),
        )
        if curve is not None
    )


def _curve(
    name: str, meaning: str, nights: Sequence[NightRow], values: Sequence[float | None]
) -> Curve | None:
    """Return the curve of one value; None unless at least two nights have one."""
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return None
    on = scale(value for _, value in known)
    dots = tuple(
        (
            round(100 * place / (len(nights) - 1), 2),
            round(100 - on.at(value), 2),
            nights[place].run_id,
            nights[place].status,
            value,
        )
        for place, value in known
    )
    return Curve(name, meaning, on, dots, _moment(nights[0]), _moment(nights[-1]))


def _moment(night: NightRow) -> str:
    return f"{night.started_at:%Y-%m-%d %H:%M}"
