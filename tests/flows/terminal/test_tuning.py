"""The last output of `recs tune`."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from flows.terminal.tuning import show_tuning
from tasks.tuning.tune import Finding, Tuning


@pytest.mark.parametrize(("trials", "counted"), [(1, "1 trial, 0 cut short"), (2, "2 trials, 0 cut short")])
def test_a_model_without_improvement_shows_its_trials(tmp_path: Path, trials: int, counted: str) -> None:
    finding = Finding("als", None, 0.2, "nothing beat the default settings", trials, 0)
    console = Console(file=io.StringIO(), width=200)
    show_tuning(console, Tuning((finding,), "some window", 40, 39, stopped=False), tmp_path / "tuned.toml")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"als: nothing beat the default settings (0.2000, {counted})" in shown.splitlines()
