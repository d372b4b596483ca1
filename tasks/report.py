"""The figures of a night, written down once and read by whoever shows them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.errors import UsageError
from tasks.home import Home
from tasks.references import Choice
from tasks.runs import Run, Runs


@dataclass(frozen=True)
class Report:
    """What a person wants to know about a night.

    Attributes:
        run: its record.
        metrics: rows of `model_metrics`, without run_id; empty for a night that did not come so far.
        differences: each model against popularity and against the champion, paired over users.
        segments: what the classes of users and of items are (see `tasks/yardsticks.py`).
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
