"""The table of outcomes fits the window, and names every run in full."""

from __future__ import annotations

import io
from datetime import datetime

import pytest
from rich.console import Console

from flows.terminal.outcomes import show_outcomes
from tasks.outcomes.find_outcomes import FoundOutcomes
from tasks.outcomes.outcomes import RunOutcome
from tests.tasks.reporting.nights import night

RUN = 20261121050000
METRICS = {"hit_rate": 10, "ndcg": 10, "recall": 10, "consumed": None, "found": None, "acted": None}


def row(metric: str, k: int | None) -> RunOutcome:
    return RunOutcome(
        variant=None, model="all", segment="all", metric=metric, k=k, value=0.25, ci_low=0.125, ci_high=0.5,
        n_users=1234, n_interactions=5678, run_id=RUN, period="live", since=datetime(2026, 11, 20, 21, 44),
        until=datetime(2026, 11, 27, 21, 44),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("width", "shown", "left_out"),
    [
        (110, "2026-11-27", ("21:44", "recall@10", "[0.125")),
        (120, "recall@10", ("21:44", "[0.125")),
        (140, "2026-11-27 21:44", ("[0.125",)),
        (205, "0.250 [0.125, 0.500]", ("…",)),
    ],
)
def test_narrow_windows_show_less_and_cut_nothing(width: int, shown: str, left_out: tuple[str, ...]) -> None:
    text = io.StringIO()
    found = FoundOutcomes(
        night(RUN + 1), (night(RUN, champion="graph_filter"),), tuple(row(*each) for each in METRICS.items())
    )
    show_outcomes(Console(file=text, width=width), found)
    table = text.getvalue().partition("As run")[0]
    assert str(RUN) in table
    assert shown in table
    assert not [each for each in ("…", *left_out) if each in table]
