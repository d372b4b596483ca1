"""Confidence intervals of means over users: percentile bootstrap (Efron & Tibshirani 1993), paired for differences.

Ihemelandu & Ekstrand (2023) recommend the paired bootstrap over users, with an effect size, for recommenders.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.evaluation.resampling import sample_counts
from models.numerics.threads import one_blas_thread

_COUNTS_AT_ONCE = 8_000_000  # 64 MB; larger matrix products come closer to the peak speed of the cores
_POWER = 0.8  # of the test behind `detectable`

Values = NDArray[np.floating[Any]]


class Interval(NamedTuple):
    """A mean and its confidence interval."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """The mean of a − b over users, its confidence interval, and the smallest detectable difference.

    Attributes:
        detectable: the true difference that such a test detects in four of five samples of this size (power 0.8).
    """

    mean: float
    low: float
    high: float
    detectable: float


def intervals(values: Values, *, samples: int, confidence: float, seed: int) -> list[Interval]:
    """Return the mean of every column of `values` with its bootstrap interval; all columns share the samples.

    Takes the memory of one block of 64 MB, of a quarter of that to draw the next, and of samples × n_figures means.

    Args:
        values: (n_users, n_figures), finite; at least one user.
        samples: number of bootstrap samples.
        confidence: from 0 to 1, such as 0.95.
        seed: the same seed and number of users draw the same samples, whatever the values.

    Returns:
        One interval for each column.

    Raises:
        ValueError: there are no users, or not all values are finite.
    """
    figures = _finite(values)
    tail = (1 - confidence) / 2
    low, high = np.quantile(_resampled_means(figures, samples, seed), [tail, 1 - tail], axis=0)
    return [Interval(*map(float, column)) for column in zip(figures.mean(axis=0), low, high, strict=True)]


def ratio_intervals(
    above: Values, below: Values, *, samples: int, confidence: float, seed: int
) -> list[Interval]:
    """Return Σ above / Σ below of every column with its bootstrap interval.

    This is for means over observations of which users have different numbers, such as ratings. Users are drawn with
    all their observations (a cluster bootstrap).

    Args:
        above: (n_users, n_figures), finite; at least one user.
        below: the same shape, above 0.
        samples, confidence, seed: see `intervals`.

    Returns:
        One interval for each column.

    Raises:
        ValueError: there are no users, not all values are finite, or one of `below` is not above 0.
    """
    both: NDArray[np.float64] = np.hstack([above, below]).astype(np.float64)
    if not len(both) or not np.isfinite(both).all() or not (np.asarray(below) > 0).all():
        raise ValueError("a ratio needs at least one user, finite values, and a divisor above 0")
    n_figures = both.shape[1] // 2
    sampled = _resampled_means(both, samples, seed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(sampled[:, :n_figures] / sampled[:, n_figures:], [tail, 1 - tail], axis=0)
    whole = both[:, :n_figures].sum(axis=0) / both[:, n_figures:].sum(axis=0)
    return [Interval(*map(float, column)) for column in zip(whole, low, high, strict=True)]


def joint_intervals(values: Values, *, samples: int, confidence: float, seed: int) -> list[Interval]:
    """Return intervals that hold jointly with the chosen confidence, for the best of several figures.

    Balanced simultaneous confidence sets (Beran 1988): percentile intervals whose tails are reduced until all means of
    a sample lie in their intervals in a share `confidence` of the samples. Correlated figures therefore widen the
    intervals little. No interval is narrower than that of `intervals`; for a single figure it is the same, up to
    rounding to a whole sample.

    Args:
        values, samples, confidence, seed: see `intervals`; at least one figure.

    Returns:
        One interval for each column.

    Raises:
        ValueError: there are no users, or not all values are finite.
    """
    figures = _finite(values)
    sampled = _resampled_means(figures, samples, seed)
    level = np.column_stack([_mean_places(column) for column in sampled.T]) / (
        samples - 1
    )  # the quantile of each mean among those of its figure
    furthest_out = np.minimum(level, 1 - level).min(axis=1)
    tail = min(np.quantile(furthest_out, 1 - confidence), (1 - confidence) / 2)
    low, high = np.quantile(sampled, [tail, 1 - tail], axis=0)
    return [Interval(*map(float, column)) for column in zip(figures.mean(axis=0), low, high, strict=True)]


def interval(values: Values, *, samples: int, confidence: float, seed: int) -> Interval:
    """Return the interval of a single figure.

    Args:
        values: (n_users,), finite; at least one user.
        samples, confidence, seed: see `intervals`.

    Raises:
        ValueError: there are no users, or not all values are finite.
    """
    column = np.asarray(values)[:, None]
    return intervals(column, samples=samples, confidence=confidence, seed=seed)[0]


def paired_difference(a: Values, b: Values, *, samples: int, confidence: float, seed: int) -> Difference:
    """Return the mean of a − b with its interval; both are of the same users in the same order.

    Args:
        a: (n_users,), finite.
        b: (n_users,), finite.
        samples, confidence, seed: see `intervals`.

    Raises:
        ValueError: `a` and `b` differ in length, are empty, or not all finite.
    """
    if len(a) != len(b):
        raise ValueError(f"cannot pair {len(a)} users with {len(b)}")
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    found = interval(difference, samples=samples, confidence=confidence, seed=seed)
    return Difference(*found, detectable_difference(difference, confidence))


def unpaired_differences(
    a: Values, b: Values, *, samples: int, confidence: float, seed: int
) -> list[Difference]:
    """Return the mean of every column of `a` less that of `b`, with its interval; they are of different users.

    The users of each group are drawn apart, as many as it has.

    Args:
        a: (n_a, n_figures), finite; at least one user.
        b: (n_b, n_figures), finite; at least one user.
        samples, confidence, seed: see `intervals`.

    Returns:
        One difference for each column.

    Raises:
        ValueError: a group has no users, or not all values are finite.
    """
    groups = [_finite(a), _finite(b)]
    first, second = (_resampled_means(group, samples, (seed, place)) for place, group in enumerate(groups))
    tail = (1 - confidence) / 2
    low, high = np.quantile(first - second, [tail, 1 - tail], axis=0)
    means = groups[0].mean(axis=0) - groups[1].mean(axis=0)
    return [
        Difference(
            float(mean), float(low[column]), float(high[column]),
            _detectable(sum(_squared_error(group[:, column]) for group in groups), confidence),
        )
        for column, mean in enumerate(means)
    ]  # fmt: skip


def detectable_difference(difference: Values, confidence: float) -> float:
    """Return the true mean difference that a test detects in four of five samples of this size.

    Args:
        difference: (n_users,), the differences of one sample, which tell their spread.
        confidence: of the test, such as 0.95.

    Returns:
        At least 0; infinite for fewer than two users.
    """
    return _detectable(_squared_error(difference), confidence)


def _squared_error(values: Values) -> float:
    """Return the squared standard error of a mean; infinite for fewer than two values."""
    return float("inf") if len(values) < 2 else float(np.asarray(values).var(ddof=1)) / len(values)


def _detectable(squared_error: float, confidence: float) -> float:
    normal = NormalDist()
    detectable: float = (normal.inv_cdf(0.5 + confidence / 2) + normal.inv_cdf(_POWER)) * squared_error**0.5
    return detectable


def _finite(values: Values) -> NDArray[np.float64]:
    figures: NDArray[np.float64] = np.asarray(values, np.float64)
    if not len(figures) or not np.isfinite(figures).all():
        raise ValueError("an interval needs at least one value, all of them finite")
    return figures


def _mean_places(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the place of each value in ascending order, from 0; equal values share the mean of their places."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") - 1) / 2


def _resampled_means(
    values: NDArray[np.float64], samples: int, seed: int | tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the means of the columns in every sample, (samples, n_figures).

    A sample is a row of counts, one for each user, so that a block of samples is one matrix product with the values.
    """
    n_users = len(values)
    means = np.empty((samples, values.shape[1]))
    at_once = max(1, min(samples, _COUNTS_AT_ONCE // n_users))
    wide, done = np.empty((at_once, n_users)), 0
    with one_blas_thread():  # the other cores draw the next block; several threads round differently
        for counts in sample_counts(n_users, samples, seed, at_once=at_once):
            block = wide[: len(counts)]
            block[:] = counts
            means[done : done + len(block)] = block @ values / n_users
            done += len(block)
    return means
