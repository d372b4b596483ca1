"""Records and figures of nights, written by hand."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from tasks.evaluation.metric_rows import MetricRow, NightMetrics
from tasks.storage.artifact_store import write_json
from tasks.storage.run_records import Run, Runs, StageTime

BEGAN = datetime(2026, 11, 21, 5, 0, 0)


def night(run_id: int = 20261121050000, **fields: Any) -> Run:
    """Return the record of a published night of two stages."""
    about: dict[str, Any] = {
        "expected_live": None,
        "status": "published",
        "reason": f"Run {run_id} is live.",
        "as_of": BEGAN,
        "finished_at": datetime(2026, 11, 21, 5, 0, 18),
        "champion": "als",
        "rows": 20,
        "stages": [
            StageTime("land", None, 4.0, 310.0, True, ""),
            StageTime("fit", "als", 2.1, 820.0, False, ""),
        ],
        "settings": {"judge": {"confidence": 0.95, "champion_metric": "ndcg@10", "bootstrap_samples": 100}},
    }
    return Run(run_id, "mark", "demo", BEGAN, seed=1, **(about | fields))


def row(model: str, value: float, **fields: Any) -> MetricRow:
    """Return a row of `model_metrics`, by default NDCG@10 of all users of the report half."""
    about = {"model": model, "half": "report", "segment": "all", "metric": "ndcg", "k": 10, "n_users": 40}
    about |= {"value": value, "ci_low": value - 0.02, "ci_high": value + 0.02}
    return MetricRow(**(about | fields))


def keep(runs: Runs, run: Run, metrics: list[MetricRow]) -> None:
    """Write the record and the figures of a night into a home's runs."""
    runs.save(run)
    write_json(runs.folder(run.run_id) / "metrics.json", asdict(NightMetrics(metrics=tuple(metrics))))
