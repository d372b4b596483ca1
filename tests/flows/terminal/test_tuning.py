"""The last output of `recs tune`."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from flows.terminal.tuning import show_tuning
from tasks.tuning.tune import Finding, Means, Tuning


@pytest.mark.parametrize(("trials", "counted"), [(1, "1 trial, 0 cut short"), (2, "2 trials, 0 cut short")])
def test_a_model_without_improvement_shows_its_trials(tmp_path: Path, trials: int, counted: str) -> None:
    why = "nothing beat the default settings"
    finding = Finding("als", None, Means(0.2, 0.2), None, why, trials, 0)
    console = Console(file=io.StringIO(), width=200)
    show_tuning(console, Tuning((finding,), "some window", 40, 39, stopped=False), tmp_path / "tuned.toml")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"als: nothing beat the default settings (guiding users 0.2000; {counted})" in shown.splitlines()


def test_scores_of_a_search_name_their_users(tmp_path: Path) -> None:
    finding = Finding(
        "als", None, Means(0.1708, 0.175), Means(0.1767, 0.1679), "not written", 5, 1, earlier=3
    )
    console = Console(file=io.StringIO(), width=200)
    show_tuning(console, Tuning((finding,), "some window", 40, 39, stopped=False), tmp_path / "tuned.toml")
    shown = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert shown[:2] == [
        "als: not written (guiding users 0.1708 → 0.1750; confirming users 0.1767 → 0.1679; 5 trials, 1 cut short)",
        "Continued earlier searches; trials from before: als 3.",
    ]
