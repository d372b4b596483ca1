"""The exponent with which seconds or memory grow with the ratings: least squares on logarithms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEAST = {"s": 0.3, "mb": 1.0}
"""Figures below these are left out of a fit: fixed costs and the clock decide them."""
LINEAR = 1.1
"""Largest exponent that counts as linear."""
LEAST_SIZES = 3
"""Sizes that an exponent is fitted to, at least: a line meets any two."""
EXPECTED = {
    "score": (1.5, "every user is compared with every item, and items grow with the root of the ratings"),
    "recommend": (1.5, "every user is compared with every item, and items grow with the root of the ratings"),
    "evaluate": (
        1.5,
        "every judged user is compared with every item, up to judge.max_users; beyond, it grows slower",
    ),
}
"""Stage → the exponent that its arithmetic has on these data sets, and why; other stages have 1."""


@dataclass(frozen=True)
class Growth:
    """How one stage grows.

    Attributes:
        stage: its name, with the model's if it has one.
        values: figure of each size, None where there is none.
        exponent: fitted; None with fewer than `LEAST_SIZES` sizes to fit.
        expected: the exponent of its arithmetic.
        why: the reason for an expected exponent above 1.
    """

    stage: str
    values: tuple[float | None, ...]
    exponent: float | None
    expected: float = 1.0
    why: str = ""

    @property
    def is_above_linear(self) -> bool:
        """Whether the fitted exponent is above `LINEAR`."""
        return self.exponent is not None and self.exponent > LINEAR


def fit_exponent(sizes: Sequence[float], values: Sequence[float | None], *, least: float) -> float | None:
    """Return the b of the best value = a · size^b in logarithms; None with fewer than `LEAST_SIZES` sizes to fit.

    Args:
        sizes: above 0.
        values: of each size; None, and those below `least`, are left out.
        least: the smallest value that counts.
    """
    pairs = [
        (size, value)
        for size, value in zip(sizes, values, strict=True)
        if value is not None and value >= least
    ]
    if len({size for size, _ in pairs}) < LEAST_SIZES:
        return None
    size, value = np.log(np.array(pairs)).T
    return float(np.polyfit(size, value, 1)[0])


def growth_of(points: Sequence[Mapping[str, Any]], unit: str) -> list[Growth]:
    """Return how each stage grows, in the order of the stages.

    Args:
        points: of each size `ratings`, and `stages`: stage → {"s": seconds, "mb": memory}.
        unit: `s` or `mb`.
    """
    sizes = [point["ratings"] for point in points]
    found = []
    for stage in dict.fromkeys(stage for point in points for stage in point["stages"]):
        values = tuple(point["stages"].get(stage, {}).get(unit) for point in points)
        exponent = fit_exponent(sizes, values, least=LEAST[unit])
        expected, why = EXPECTED.get(stage.removeprefix("night: ").split()[0], (1.0, ""))
        found.append(Growth(stage, values, exponent, expected, why))
    return found
