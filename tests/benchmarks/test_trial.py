"""Trials on a small simulated world: the better arm is found, and equal arms seldom seem to differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import trial
from tasks.config.settings import JudgeSettings

pytestmark = pytest.mark.slow
JUDGE = JudgeSettings(bootstrap_samples=200)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> list[trial.JudgedNight]:
    """Two nights, 90 days apart, of a world of 400 users."""
    folder: Path = tmp_path_factory.mktemp("world")
    return trial.simulate(folder, ("popularity", "als"), users=400, nights=2, days=90, seed=7)


def verdicts(nights, control, challenger, salts, share=0.5) -> list[str]:
    results = trial.hold_trials(nights, control, challenger, share=share, salts=salts, judge=JUDGE)
    return [result.verdict for result in results]


def test_a_planted_better_arm_is_found(nights):
    found = verdicts(nights, "popularity", "als", 20)
    assert found.count("better") >= 15
    assert "worse" not in found


def test_a_planted_worse_arm_is_found(nights):
    found = verdicts(nights, "als", "popularity", 20)
    assert found.count("worse") >= 15
    assert "better" not in found


def test_equal_arms_seldom_differ(nights):
    found = verdicts(nights, "als", "als", 60)
    assert found.count("not decided") >= 51, "P(fewer) is below 0.2 % if one in 20 differs by chance"
