"""The section of drift on the page of a night."""

from __future__ import annotations

from datetime import timedelta

from tasks.monitoring.drift_figures import Drift, DriftMeasure, ValueHistogram
from tasks.reporting.page.drift import drift_panel
from tasks.reporting.page.render import render
from tasks.storage.run_records import Run, RunSummary
from tests.tasks.reporting.nights import BEGAN, night
from tests.tasks.reporting.page.test_render import empty


def drifted(run_id: int, counts: tuple[int, ...], edges: tuple[float, ...] = (1.0, 2.0, 150.0)) -> Run:
    measures = (DriftMeasure("ratings", 0.3, 0.01, 1), DriftMeasure("rows_per_day", 55.0, 60.0, 1))
    drift = Drift(measures, (ValueHistogram("ratings", edges, counts),))
    return night(run_id, as_of=BEGAN + timedelta(days=run_id), summary=RunSummary(drift=drift))


def test_histograms_are_paired_with_those_of_the_night_before() -> None:
    before, tonight = drifted(1, (1, 0, 0, 3)), drifted(2, (2, 2, 0, 0))
    panel = drift_panel(tonight, [tonight, before, drifted(3, (9, 9, 9, 9))])
    assert panel is not None
    assert panel.before == 1
    ((bars),) = [pair.bars for pair in panel.histograms]
    assert [(bar.label, bar.tonight, bar.before) for bar in bars] == [
        ("to 1", 0.5, 0.25), ("2", 0.5, 0.0), ("above 150", 0.0, 0.75),
    ]  # fmt: skip


def test_histograms_of_other_bins_are_not_drawn_behind() -> None:
    tonight = drifted(2, (2, 2, 0, 0))
    panel = drift_panel(tonight, [drifted(1, (1, 0, 0, 3), edges=(1.0, 2.0, 3.0))])
    assert panel is not None
    assert [bar.before for bar in panel.histograms[0].bars] == [0, 0]
    assert drift_panel(night(), []) is None


def test_section_marks_what_stands_out() -> None:
    before, tonight = drifted(1, (1, 0, 0, 3)), drifted(2, (2, 2, 0, 0))
    text = render(empty(run=tonight, drift=drift_panel(tonight, [before])))
    assert '<a href="#drift">' in text
    assert '<span class="no">strong</span>' in text
    assert "50.0 % tonight, 25.0 % before" in text
    assert "<td>no</td>" in text, "rows a day are as usual"
    assert 'id="drift"' not in render(empty())
    first = drift_panel(tonight, [])
    assert "There is no published night of earlier data" in render(empty(run=tonight, drift=first))
