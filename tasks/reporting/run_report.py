"""Write and read the report of a night: its figures (`metrics.json`) and its page (`report.html`)."""

from __future__ import annotations

import json
import logging
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.evaluation.metrics import name_and_k
from tasks.artifacts import Choice
from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.evaluation.metric_rows import (
    DifferenceRow,
    Half,
    MetricRow,
    SegmentDifferenceRow,
    SegmentRow,
    find_row,
    read_metrics,
)
from tasks.publication.queries import why_no_record
from tasks.publication.targets.base import Target
from tasks.storage.home import Home
from tasks.storage.run_records import Quality, Run, Runs, Status
from tasks.storage.stage import stage

PAGE = "report.html"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """The record and the figures of a night.

    Attributes:
        run: its record.
        metrics: rows of `model_metrics`, without run_id; empty for a night that judged no model.
        differences: each model against popularity and against the champion, paired over users.
        segments: what the classes of users and of items are.
        similar_differences: each model against the one that makes the published similar items.
        side_data_differences: each model with side data against the same one without, and for new users against
            popularity.
    """

    run: Run
    metrics: Sequence[MetricRow]
    differences: Sequence[DifferenceRow]
    segments: Sequence[SegmentRow] = ()
    similar_differences: Sequence[SegmentDifferenceRow] = ()
    side_data_differences: Sequence[SegmentDifferenceRow] = ()

    def figure(
        self, model: str, metric: str, k: int | None, half: Half = "report", segment: str = "all"
    ) -> MetricRow | None:
        """Return one cell of a table of models × metrics, None if it is empty; see `find_row`."""
        return find_row(self.metrics, model, metric, k, half=half, segment=segment)


def write_report(folder: Path, choice: Choice) -> list[dict[str, Any]]:
    """Copy the night's `metrics.json` into the run's folder; return the rows of `model_metrics`, without run_id."""
    shutil.copyfile(choice.folder / "metrics.json", folder / "metrics.json")
    metrics: list[dict[str, Any]] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))[
        "metrics"
    ]
    return metrics


@stage("report", stored=False, retried=True)
def report(home: Home, record: Run, choice: Choice, status: Status, reason: str, *, target: Target) -> None:
    """Write a night's figures and its page beside its record, and the figures into the serving database.

    Args:
        home: of the night.
        record: its run record.
        choice: how the champion was chosen; holds the figures.
        status: how the night ends, which its record does not say yet.
        reason: why it ends so.
        target: the serving database.
    """
    metrics = write_report(Runs(home.runs).folder(record.run_id), choice)
    target.record_metrics(record.run_id, metrics)
    columns = ("check", "value", "limit", "passed")
    checks = [{name: getattr(result, name) for name in columns} for result in record.summary.checks]
    target.record_checks(record.run_id, checks)
    record.summary.quality = _quality(metrics, record.champion, choice.decision.metric)
    drift = record.summary.drift
    target.record_drift(record.run_id, [] if drift is None else map(asdict, drift.measures))
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    try_to_write_page(home, replace(record, status=status, reason=reason, finished_at=now))


def _quality(rows: Sequence[Mapping[str, Any]], champion: str | None, metric: str) -> Quality | None:
    """Return the champion's figure on the report half from the rows of `model_metrics`."""
    wanted = (champion, "report", "all", *name_and_k(metric))
    columns = ("model", "half", "segment", "metric", "k")
    found = [row["value"] for row in rows if tuple(row[name] for name in columns) == wanted]
    return Quality(metric, found[0]) if found else None


def page_path(home: Home, run: Run) -> Path:
    """Return the path of a run's page, which need not exist."""
    return Runs(home.runs).folder(run.run_id) / PAGE


def write_page(home: Home, run: Run) -> Path:
    """Write the page of `run` from its record and artifacts, replacing an older one at once; return its path."""
    from tasks.reporting.page.contents import gather  # noqa: PLC0415  (numba and jinja2 are slow to import)
    from tasks.reporting.page.render import render  # noqa: PLC0415

    path = page_path(home, run)
    partial = path.with_suffix(".partial")
    partial.write_text(render(gather(home, run)), encoding="utf-8")
    partial.replace(path)
    return path


def try_to_write_page(home: Home, run: Run) -> None:
    """Write the page of `run`; log errors instead of raising them, because a night must not fail by its page."""
    try:
        write_page(home, run)
    except Exception as error:
        log.warning(
            "The page of run %s could not be written: %s: %s", run.run_id, type(error).__name__, error
        )
        log.debug("It happened here:", exc_info=True)


def no_record(home: Home, settings: Settings | None, run_id: int) -> UsageError:
    """Return the error for a run of which a home has no record; `settings` name the database that may know why."""
    why = "" if settings is None else why_no_record(home, settings, run_id)
    listed = f"recs runs --home {shlex.quote(str(home.path))} lists the runs"
    if why:
        return UsageError(why, f"{listed}; those with seconds or a reason have a record.")
    return UsageError(f"There is no run {run_id} in {home.path}.", f"{listed}.")


def read_report(home: Home, run_id: int | None = None, *, settings: Settings | None = None) -> Report:
    """Return the report of a run, by default of the newest one.

    Raises:
        UsageError: there is no such run.
    """
    runs = Runs(home.runs)
    run = next(iter(runs.all()), None) if run_id is None else runs.find(run_id)
    if run is None:
        if run_id is not None:
            raise no_record(home, settings, run_id)
        raise UsageError(
            f"No night has run in {home.path}.", f"Run one: recs run --home {shlex.quote(str(home.path))}"
        )
    figures = read_metrics(runs.folder(run.run_id))
    return Report(
        run,
        figures.metrics,
        figures.differences,
        figures.segments,
        figures.similar_differences,
        figures.side_data_differences,
    )


def read_runs(home: Home) -> list[Run]:
    """Return the records of all nights of a home, newest first."""
    return Runs(home.runs).all()
