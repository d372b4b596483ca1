"""The landing benchmark on few rows."""

from __future__ import annotations

import re

import pytest

from benchmarks import landing


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(landing, "SETTLED", 0)


def test_the_last_three_lines_are_figures(benchmark, capsys):
    last = benchmark(landing.main, "--rows", "1000", "--files", "5", "--repeats", "1")
    figures = r"files=1 rows=10 ours_s=\d+\.\d\d bare_s=\d+\.\d\d share=\d+\.\d{3}"
    assert re.fullmatch(figures, last)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--more", "0", "--more is 0.0"), ("--folder", "nowhere", "There is no nowhere/ratings.csv")],
)
def test_bad_input_is_refused(refused, option, value, said):
    code, error = refused(landing.main, option, value)
    assert (code, said in error) == (2, True)
