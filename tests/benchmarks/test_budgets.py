"""Budgets and the verdicts on them."""

from dataclasses import replace

import pytest

from benchmarks import budgets, suite
from benchmarks.budgets import BUDGETS, Budget, judged, number

MOST = Budget("a", "step", "x_s", 10)


@pytest.mark.parametrize(
    ("budget", "measured", "is_full", "verdict"),
    [
        (MOST, 10.0, True, "kept"),
        (MOST, 10.1, True, "missed"),
        (replace(MOST, at_least=True), 10.0, True, "kept"),
        (replace(MOST, at_least=True), 9.9, True, "missed"),
        (MOST, 10.1, False, "not judged"),
        (replace(MOST, full_size=False), 10.1, False, "missed"),
    ],
)
def test_verdict(monkeypatch, budget, measured, is_full, verdict):
    monkeypatch.setattr(budgets, "BUDGETS", (budget,))
    [line] = judged({"step": {"figures": {"x_s": measured}, "error": ""}}, is_full=is_full)
    assert (line.measured, line.verdict) == (measured, verdict)


@pytest.mark.parametrize(
    ("measurements", "why"),
    [
        ({}, "not part of this run"),
        ({"step": {"figures": {}, "error": "killed"}}, "killed"),
        ({"step": {"figures": {"y_s": 1.0}, "error": ""}}, "no x_s in its last line"),
    ],
)
def test_a_missing_figure_is_not_measured(monkeypatch, measurements, why):
    monkeypatch.setattr(budgets, "BUDGETS", (MOST,))
    [line] = judged(measurements, is_full=True)
    assert (line.measured, line.verdict, line.why) == (None, "not measured", why)


def test_every_budget_names_a_step():
    assert {budget.step for budget in BUDGETS} <= suite.STEPS.keys()


def test_numbers_are_short():
    shown = [
        number(1.256, "×"),
        number(5, "×"),
        number(47.31, "s"),
        number(480, "s"),
        number(560_000, "rows/s"),
    ]
    assert shown == ["1.26 ×", "5 ×", "47.3 s", "480 s", "560,000 rows/s"]
