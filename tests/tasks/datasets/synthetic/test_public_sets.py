"""Sizes and habits of imitated data sets."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.datasets.synthetic.public_sets import PUBLIC_SETS, Size, imitated
from tasks.datasets.synthetic.users import DEFAULT_HABITS, make_users


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


@pytest.mark.parametrize(("name", "median"), [("ml-1m", 96), ("ml-25m", 77), ("netflix", 96)])
def test_the_median_user_is_as_active_as_the_real_one(name: str, median: int) -> None:
    """Except for ml-25m, whose real median is 71: its bytes are those of the default habits."""
    size, habits = PUBLIC_SETS[name].size.scaled(0.04), PUBLIC_SETS[name].habits
    rng = np.random.default_rng(7)
    given = make_users(
        size.users * 20, size.ratings * 20, 0, 2 * PUBLIC_SETS[name].size.items // 5, rng, habits
    )
    ratings = given.ratings[given.ratings > 0]
    assert ratings.min() >= habits.least
    assert np.median(ratings) == pytest.approx(median, rel=0.03)
