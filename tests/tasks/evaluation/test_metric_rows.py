"""Rows of `metrics.json` are read back as they were written, from older versions, too."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from tasks.artifacts import Decision
from tasks.evaluation.metric_rows import (
    DifferenceRow,
    MetricRow,
    NightMetrics,
    SegmentDifferenceRow,
    SegmentRow,
    read_metrics,
    write_metrics,
)


def test_metrics_json_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    row = MetricRow(model="als", segment="all", half="select", n_users=2, metric="ndcg", k=10, value=0.5)
    difference = DifferenceRow(
        model="als", baseline="bpr", metric="ndcg@10", half="select", n_users=1, mean=0.1, low=0.1, high=0.1,
        detectable=float("inf"),
    )  # fmt: skip
    segment = SegmentRow(segment="new", of="users", n=3, least=1, greatest=9)
    rare = SegmentDifferenceRow(**{**asdict(difference), "detectable": 0.1}, segment="tail")
    figures = NightMetrics(
        metrics=(row,), differences=(difference,), segments=(segment,), side_data_differences=(rare,)
    )
    write_metrics(tmp_path, figures, Decision("als", None, "ndcg@10", 2, None, 3, (), {}))
    assert read_metrics(tmp_path) == figures


def test_metrics_json_of_an_older_version_is_readable(tmp_path: Path) -> None:
    row = {
        "model": "als",
        "segment": "all",
        "half": "report",
        "metric": "rmse",
        "k": None,
        "value": 1,
        "unit": "stars",
    }
    (tmp_path / "metrics.json").write_text(json.dumps({"metrics": [row], "differences": []}))
    found = read_metrics(tmp_path)
    assert found.row("als", "rmse", None) == MetricRow(
        model="als", segment="all", half="report", metric="rmse", value=1.0
    )
    assert read_metrics(tmp_path / "nowhere") == NightMetrics()


def test_a_figure_is_found_by_its_segment() -> None:
    cold, everybody = (
        MetricRow(model="als", segment=segment, half="report", metric="ndcg", k=10, value=0.1)
        for segment in ("cold", "all")
    )
    figures = NightMetrics(metrics=(cold, everybody))
    assert figures.row("als", "ndcg", 10) == everybody
    assert figures.row("als", "ndcg", 10, segment="cold") == cold
    assert figures.row("als", "ndcg", 10, segment="heavy") is None


def test_reading_figures_does_not_import_numba() -> None:
    """The terminal shows figures: numba takes longer to import than everything else there."""
    code = "import sys, flows.terminal.run_report; sys.exit('numba' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
