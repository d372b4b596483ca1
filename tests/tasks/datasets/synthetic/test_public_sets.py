"""Sizes and habits of imitated data sets."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tasks.datasets.synthetic.generate import generate_demo
from tasks.datasets.synthetic.public_sets import PUBLIC_SETS, Size, imitated
from tasks.datasets.synthetic.users import DEFAULT_HABITS


def test_without_a_name_it_is_the_demo() -> None:
    none = dict.fromkeys(("users", "items", "ratings", "tags"))
    assert imitated(None, **none) == (Size(2000, 3000, 200_000, 20_000), DEFAULT_HABITS)
    assert imitated(None, **none | {"users": 5})[0] == Size(5, 3000, 200_000, 20_000)


def test_a_given_size_wins_over_the_set_even_if_zero() -> None:
    size, habits = imitated("ml-25m", users=None, items=None, ratings=None, tags=0)
    assert size == Size(162_541, 62_423, 25_000_095, 0)
    assert habits == DEFAULT_HABITS, "the four numbers alone must give the same bytes"


def test_a_scaled_size_keeps_the_ratings_per_user() -> None:
    assert Size(1000, 400, 100_000, 10).scaled(0.25) == Size(250, 200, 25_000, 2)


@pytest.mark.parametrize("scale", [0.04, 0.1, 4])
@pytest.mark.parametrize("name", PUBLIC_SETS)
def test_scaled_sets_can_be_generated(name: str, scale: float) -> None:
    size = PUBLIC_SETS[name].size.scaled(scale)
    most = 2 * size.items // 5
    assert PUBLIC_SETS[name].habits.least * size.users <= size.ratings <= most * size.users


def test_ml_1m_has_the_median_activity_of_the_real_one(tmp_path: Path) -> None:
    """A sixth of its users; the real one has a mean of 166 ratings a user, a median of 96, and none below 20."""
    size = PUBLIC_SETS["ml-1m"].size
    generate_demo(
        tmp_path / "some",
        users=size.users // 6,
        items=size.items,
        ratings=size.ratings // 6,
        tags=0,
        events=False,
        habits=PUBLIC_SETS["ml-1m"].habits,
    )
    activity = pd.read_csv(tmp_path / "some/ratings.csv").groupby("userId").size()
    assert activity.min() >= 20
    assert 85 < activity.median() < 110
