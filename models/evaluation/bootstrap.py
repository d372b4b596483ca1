"""How sure a mean over users is: percentile bootstrap (Efron & Tibshirani 1993), paired for differences.

Ihemelandu & Ekstrand (2023) recommend the paired bootstrap over users, with an effect size, for recommenders.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_DRAWS_AT_ONCE = 4_000_000
_POWER = 0.8

Values = NDArray[np.floating[Any]]


class Interval(NamedTuple):
    """A mean and the interval that holds it with the chosen confidence."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """The mean of a − b over users, its interval, and what so many users could show.

    Attributes:
        detectable: the true difference that such a test would find in four of five samples of this size.
    """

    mean: float
    low: float
    high: float
    detectable: float


def interval(values: Values, *, samples: int, confidence: float, seed: int) -> Interval:
    """The mean of `values` (n_users,) with its bootstrap interval.

    Args:
        values: one finite number per user, at least one.
        samples: bootstrap samples.
        confidence: such as 0.95.
        seed: the same seed and number of users draw the same samples, whatever the values.

    Raises:
        ValueError: there are no values, or not all are finite.
    """
    values = np.asarray(values, np.float64)
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("an interval needs at least one value, all of them finite")
    rng = np.random.default_rng(seed)
    at_once = max(1, _DRAWS_AT_ONCE // len(values))
    means = np.concatenate(
        [
            values[rng.integers(len(values), size=(min(at_once, samples - done), len(values)))].mean(axis=1)
            for done in range(0, samples, at_once)
        ]
    )
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def paired_difference(a: Values, b: Values, *, samples: int, confidence: float, seed: int) -> Difference:
    """The mean of a − b with its interval, both judged on the same users in the same order.

    Args:
        a: (n_users,) finite.
        b: (n_users,) finite.
        samples: bootstrap samples.
        confidence: such as 0.95.
        seed: see `interval`.

    Raises:
        ValueError: `a` and `b` differ in length, are empty, or not all finite.
    """
    if len(a) != len(b):
        raise ValueError(f"cannot pair {len(a)} users with {len(b)}")
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    found = interval(difference, samples=samples, confidence=confidence, seed=seed)
    error = float(difference.std(ddof=1)) / len(difference) ** 0.5 if len(difference) > 1 else float("inf")
    normal = NormalDist()
    detectable = (normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(_POWER)) * error
    return Difference(*found, detectable)
