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
SURE = 3
"""Sizes that an exponent must be fitted to before a stage is said to be above linear: a line meets any two."""
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
        exponent: fitted; None with fewer than two sizes to fit.
        fitted_to: number of those sizes.
        expected: the exponent of its arithmetic.
        why: the reason for an expected exponent above 1.
    """

    stage: str
    values: tuple[float | None, ...]
    exponent: float | None
    fitted_to: int
    expected: float = 1.0
    why: str = ""

    @property
    def is_above_linear(self) -> bool:
        """Whether the exponent is above `LINEAR`, and fitted to enough sizes."""
        return self.exponent is not None and self.exponent > LINEAR and self.fitted_to >= SURE


def fit_exponent(
    sizes: Sequence[float], values: Sequence[float | None], *, least: float
) -> tuple[float | None, int]:
    """Return the b of the best value = a · size^b in logarithms, and the number of sizes that it is fitted to.

    With fewer than two of them there is no b.

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
    n_sizes = len({size for size, _ in pairs})
    if n_sizes < 2:
        return None, n_sizes
    size, value = np.log(np.array(pairs)).T
    return float(np.polyfit(size, value, 1)[0]), n_sizes


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
        exponent, fitted_to = fit_exponent(sizes, values, least=LEAST[unit])
        expected, why = EXPECTED.get(stage.removeprefix("night: ").split()[0], (1.0, ""))
        found.append(Growth(stage, values, exponent, fitted_to, expected, why))
    return found
