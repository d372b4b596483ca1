"""The figures of a night, written down once and read by whoever shows them, and its page, `report.html`."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.artifacts import Choice
from tasks.errors import UsageError
from tasks.publication.targets.base import Target
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs, Status
from tasks.storage.stage import stage

PAGE = "report.html"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What a person wants to know about a night.

    Attributes:
        run: its record.
        metrics: rows of `model_metrics`, without run_id; empty for a night that did not come so far.
        differences: each model against popularity and against the champion, paired over users.
        segments: what the classes of users and of items are (see `tasks/preparation/item_statistics.py`).
    """

    run: Run
    metrics: list[dict[str, Any]]
    differences: list[dict[str, Any]]
    segments: list[dict[str, Any]] = field(default_factory=list)

    def figure(
        self, model: str, metric: str, k: int | None, half: str = "report", segment: str = "all"
    ) -> dict[str, Any] | None:
        """One cell of a table of models × metrics; `k` is None for figures of ratings."""
        wanted = {"model": model, "metric": metric, "k": k, "half": half, "segment": segment}
        return next((row for row in self.metrics if wanted.items() <= row.items()), None)

    def difference(self, model: str, baseline: str, half: str = "report") -> dict[str, Any] | None:
        """A model against another, on the champion metric."""
        wanted = {"model": model, "baseline": baseline, "half": half}
        return next((row for row in self.differences if wanted.items() <= row.items()), None)


def write_report(folder: Path, choice: Choice) -> list[dict[str, Any]]:
    """Put the night's `metrics.json` beside its `run.json`; returns the rows of `model_metrics`."""
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
    target.record_checks(record.run_id, [asdict(result) for result in record.summary.checks])
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    try_to_write_page(home, replace(record, status=status, reason=reason, finished_at=now))


def page_path(home: Home, run: Run) -> Path:
    """Where the page of a run is, or would be."""
    return Runs(home.runs).folder(run.run_id) / PAGE


def write_page(home: Home, run: Run) -> Path:
    """Draw the page of `run` from what it kept; it takes the place of an older one at one instant."""
    from tasks.reporting.page.contents import gather  # noqa: PLC0415  (numba and jinja2: only who draws waits for them)
    from tasks.reporting.page.render import render  # noqa: PLC0415

    path = page_path(home, run)
    partial = path.with_suffix(".partial")
    partial.write_text(render(gather(home, run)), encoding="utf-8")
    partial.replace(path)
    return path


def try_to_write_page(home: Home, run: Run) -> None:
    """`write_page` for a night itself, which must not fail by its page: what goes wrong is only said."""
    try:
        write_page(home, run)
    except Exception as error:
        log.warning(
            "The page of run %s could not be written: %s: %s", run.run_id, type(error).__name__, error
        )
        log.debug("It happened here:", exc_info=True)


def read_report(home: Home, run_id: int | None = None) -> Report:
    """The report of a run, by default the newest.

    Raises:
        UsageError: there is no such run.
    """
    runs = Runs(home.runs)
    run = next(iter(runs.all()), None) if run_id is None else runs.find(run_id)
    if run is None:
        asked = "No night has run" if run_id is None else f"There is no run {run_id}"
        raise UsageError(f"{asked} in {home.path}.", f"recs runs --home {home.path} lists the runs.")
    try:
        figures = json.loads((runs.folder(run.run_id) / "metrics.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        figures = {"metrics": [], "differences": []}
    return Report(run, figures["metrics"], figures["differences"], figures.get("segments", []))


def read_runs(home: Home) -> list[Run]:
    """Every night of a home, newest first."""
    return Runs(home.runs).all()
