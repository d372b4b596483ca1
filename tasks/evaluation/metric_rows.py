"""Rows of figures, as `metrics.json` and the `model_metrics` table have them, and reading and writing that file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from tasks.artifacts import Decision, HeldOut
from tasks.storage.artifact_store import to_json, write_json

Half = Literal["select", "report"]
HALVES: tuple[Half, ...] = ("select", "report")
"""The halves of the held-out users, in the order of their numbers in `HeldOut`."""

FILE = "metrics.json"


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One figure of a model: a row of `model_metrics`, without run_id.

    Attributes:
        segment: `all`, `cold`, or the name of a slice or of similar items (`models/evaluation/slices.py`) or of a cold
            start (`models/evaluation/cold_start.py`).
        half: `select` or `report`.
        n_users: how many users the value is of; 0 in records of older versions.
        metric: the metric's name, such as `ndcg`.
        k: the length at which lists are cut; None for figures of ratings.
        ci_low, ci_high: the interval; None where users have no values of their own.
    """

    model: str
    segment: str
    half: Half
    n_users: int = 0
    metric: str
    k: int | None = None
    value: float
    ci_low: float | None = None
    ci_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class DifferenceRow:
    """A model's champion metric minus that of `baseline`, paired over the users of one half.

    Attributes:
        metric: such as `ndcg@10`.
        mean, low, high: the mean difference and its interval.
        detectable: the true difference that so many users would show four times out of five.
    """

    model: str
    baseline: str
    metric: str
    half: Half
    n_users: int = 0
    mean: float
    low: float
    high: float
    detectable: float


@dataclass(frozen=True, kw_only=True)
class SegmentDifferenceRow(DifferenceRow):
    """The difference of two models in a slice or by their similar items; `segment` as in `MetricRow`."""

    segment: str


@dataclass(frozen=True, kw_only=True)
class SegmentRow:
    """The size and the limits of a class of users or of items.

    Attributes:
        segment: its name.
        of: `users` or `items`.
        n: how many of them the training part has.
        least, greatest: the fewest and most items that such a user has met, or users that have met such an item.
    """

    segment: str
    of: str
    n: int
    least: int
    greatest: int


@dataclass(frozen=True, kw_only=True)
class NightMetrics:
    """All figures of a night, as `metrics.json` has them. All empty for a night that judged no model.

    Attributes:
        metrics: the figures of the models.
        differences: each model against popularity and against the champion, on the champion metric.
        segments: what the classes of users and of items are.
        similar_differences: each model against the one that makes the published similar items, on `link_hits`.
        side_data_differences: on the champion metric, each model with side data against the same one without, for all
            relevant items and those of each class; and each model that knows new users by side data against popularity,
            for these users.
    """

    metrics: tuple[MetricRow, ...] = ()
    differences: tuple[DifferenceRow, ...] = ()
    segments: tuple[SegmentRow, ...] = ()
    similar_differences: tuple[SegmentDifferenceRow, ...] = ()
    side_data_differences: tuple[SegmentDifferenceRow, ...] = ()

    def row(
        self, model: str, metric: str, k: int | None, *, half: Half = "report", segment: str = "all"
    ) -> MetricRow | None:
        """Return the figure of a model, or None if there is none; see `find_row`."""
        return find_row(self.metrics, model, metric, k, half=half, segment=segment)

    def difference(self, model: str, baseline: str, *, half: Half) -> DifferenceRow | None:
        """Return the difference of a model to another on the champion metric, or None if there is none.

        Args:
            model: its name.
            baseline: the name of the other one.
            half: of the held-out users.
        """
        wanted = (model, baseline, half)
        return next((row for row in self.differences if (row.model, row.baseline, row.half) == wanted), None)


def find_row(
    rows: Sequence[MetricRow], model: str, metric: str, k: int | None, *, half: Half, segment: str
) -> MetricRow | None:
    """Return the figure of a model in `rows`, or None if there is none.

    Args:
        rows: where to look.
        model: its name.
        metric: such as `ndcg`.
        k: the list length; None for figures of ratings.
        half: of the held-out users.
        segment: `all`, `cold`, or the name of a slice or of a cold start.
    """
    wanted = (model, metric, k, half, segment)
    return next(
        (row for row in rows if (row.model, row.metric, row.k, row.half, row.segment) == wanted), None
    )


_NIGHT_METRICS = TypeAdapter(NightMetrics)
_SEGMENTS = TypeAdapter(tuple[SegmentRow, ...])


def read_metrics(folder: Path) -> NightMetrics:
    """Read the `metrics.json` of a folder; without one, as for a night that failed early, there are no figures."""
    try:
        text = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return NightMetrics()
    return _NIGHT_METRICS.validate_json(text)


def write_metrics(folder: Path, figures: NightMetrics, decision: Decision) -> None:
    """Write `metrics.json`.

    Args:
        folder: where to write.
        figures: of all models.
        decision: how the champion was chosen by those of the select half.
    """
    write_json(folder / FILE, {**asdict(figures), "decision": to_json(decision)})


def read_segments(held_out: HeldOut) -> tuple[SegmentRow, ...]:
    """Read what the classes of users and of items are, from before the cutoffs."""
    return _SEGMENTS.validate_json((held_out.folder / "segments.json").read_bytes())
