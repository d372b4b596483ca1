"""A small world that some tests replay, and the settings of its nights."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tasks.config.load import load_settings
from tasks.datasets.synthetic.generate import generate_demo
from tasks.monitoring.events import SilentWatcher
from tasks.replay.plan import BASE, Plan, Variant, make_plan
from tasks.replay.results import Day

SETTINGS = (
    "recommend.n=20",
    "recommend.similar_n=5",
    "judge.bootstrap_samples=200",
    "judge.min_users=5",
    "models.shelf=popularity,item_knn,als",
    "models.als.factors=8",
    "models.als.iterations=3",
    "recommend.new_item_share=0.1",
    "blend.enabled=false",
    "warm_start.max_changed_share=1",  # the days lie a month apart
    "warm_start.cold_every=1000",
)
MONTH = timedelta(days=28)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a few thousand ratings."""
    folder = tmp_path_factory.mktemp("replayed") / "tiny"
    generate_demo(folder, users=120, items=150, ratings=4000, tags=300, seed=7)
    return folder


class DayWatcher(SilentWatcher):
    """A watcher that keeps the days, and interrupts after some of them."""

    def __init__(self, interrupt_after: int = 10**6) -> None:
        self.days: list[Day] = []
        self.done_before = 0
        self.left: list[float | None] = []
        self._interrupt_after = interrupt_after

    def replay_started(self, days: int, done: int, folder: Path) -> None:
        del days, folder
        self.done_before = done

    def day_finished(self, day: Day, number: int, days: int, seconds_left: float | None) -> None:
        del number, days
        self.days.append(day)
        self.left.append(seconds_left)
        if len(self.days) == self._interrupt_after:
            raise KeyboardInterrupt


def plan_of(since: datetime, days: int, *variants: Variant) -> Plan:
    """Return a plan of so many days, four weeks apart."""
    base = Variant(BASE, load_settings(None, SETTINGS), MONTH)
    return make_plan(since, since + days * MONTH, MONTH, MONTH, (base, *variants))
