"""Scales and thresholds that are suggested for ratings."""

from __future__ import annotations

import pytest

from tasks.config.usual_scales import usual_like, usual_scale


@pytest.mark.parametrize(
    ("seen", "scale"),
    [
        ((0, 1), (0, 1)),
        ((0.29, 0.97), (0, 1)),
        ((-1, 1), (-1, 1)),
        ((-0.2, 0.9), (-1, 1)),
        ((1, 4), (1, 5)),
        ((1.5, 4.5), (1, 5)),
        ((0.5, 4), (0.5, 5)),
        ((0, 4), (0, 5)),
        ((2, 10), (1, 10)),
        ((0, 9.5), (0, 10)),
        ((-4, 5), (-5, 5)),
        ((-9.5, 9), (-10, 10)),
        ((7, 98), (1, 100)),
        ((0, 90), (0, 100)),
        ((7, 7), (1, 10)),
        ((0, 20), (0, 20)),
        ((-3, 1000), (-3, 1000)),
    ],
)
def test_ratings_belong_to_the_narrowest_usual_scale(
    seen: tuple[float, float], scale: tuple[float, float]
) -> None:
    assert usual_scale(*seen) == scale


@pytest.mark.parametrize(
    ("least", "greatest", "two_values", "like"),
    [
        (0, 1, True, 1), (-1, 1, True, 1), (0, 1, False, 0.67), (0.29, 0.97, False, 0.74), (-1, 1, False, 0.33),
        (0.5, 5, False, 4), (1, 10, False, 7), (0, 100, False, 67), (3, 3, False, 3), (0.001, 0.002, False, 0.0017),
    ],
)  # fmt: skip
def test_a_like_lies_two_thirds_of_the_way_up(
    least: float, greatest: float, two_values: bool, like: float
) -> None:
    assert usual_like(least, greatest, two_values=two_values) == like
