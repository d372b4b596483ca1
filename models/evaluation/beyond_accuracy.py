"""Metrics of lists beyond accuracy: catalogue coverage, concentration, novelty and popularity.

Castells, Hurley & Vargas 2022, "Novelty and diversity in recommender systems", is a survey of these measures.
`diversity.py` has intra-list diversity, which compares the items of a list with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import IntArray
from models.evaluation.hits import ascending

Floats = NDArray[np.floating[Any]]


def popularity_of(seen: sparse.csr_array) -> NDArray[np.float64]:
    """Return the share of users that interacted with each item.

    Args:
        seen: (n_users, n_items); every stored entry is an interaction.

    Returns:
        (n_items,) float64 from 0 to 1.
    """
    met = np.bincount(seen.indices, minlength=seen.shape[1])
    return np.asarray(met / max(seen.shape[0], 1), np.float64)


def self_information(popularity: Floats) -> NDArray[np.float64]:
    """Return −log2 of `popularity` in bits: the information content of an interaction with the item.

    Its mean over a list is the list's novelty (Zhou et al. 2010, "Solving the apparent diversity-accuracy dilemma",
    self-information; Vargas & Castells 2011 derive it from a model of discovery).

    Args:
        popularity: (n_items,) from 0 to 1; see `popularity_of`.

    Returns:
        (n_items,) float64, at least 0; NaN where `popularity` is 0.
    """
    met = np.asarray(popularity, np.float64)
    bits: NDArray[np.float64] = -np.log2(met, out=np.full(len(met), np.nan), where=met > 0)
    return bits


def list_means(items: IntArray, values: Floats, ks: Sequence[int]) -> dict[int, NDArray[np.float64]]:
    """Return the mean of the items' values over the first k of every list.

    Args:
        items: (n_rows, n) ranked item indices; −1 pads short lists and does not count.
        values: (n_items,).
        ks: list lengths, each at least 1.

    Returns:
        k → (n_rows,) float64; NaN for empty lists.

    Raises:
        ValueError: a k is less than 1.
    """
    lengths = ascending(ks)
    means = np.empty((len(lengths), len(items)))
    _means(np.ascontiguousarray(items, np.int32), np.asarray(values, np.float64), lengths, means)
    return {int(k): row for k, row in zip(lengths, means, strict=True)}


def history_means(seen: sparse.csr_array, values: Floats) -> NDArray[np.float64]:
    """Return the mean of the items' values over each user's history.

    Args:
        seen: (n_users, n_items); every stored entry is an item of the history.
        values: (n_items,).

    Returns:
        (n_users,) float64; NaN for users without history.
    """
    met = np.diff(seen.indptr)
    row = np.repeat(np.arange(seen.shape[0]), met)
    sums = np.bincount(row, np.asarray(values, np.float64)[seen.indices], minlength=seen.shape[0])
    means: NDArray[np.float64] = np.divide(sums, met, out=np.full(len(met), np.nan), where=met > 0)
    return means


def exposures(items: IntArray, n_items: int) -> NDArray[np.int64]:
    """Return the number of lists that contain each item.

    Args:
        items: (n_rows, n) item indices; −1 pads.
        n_items: size of the catalogue.

    Returns:
        (n_items,) int64.
    """
    return np.bincount(items[items >= 0], minlength=n_items)


def coverage(exposure: NDArray[np.int64]) -> float:
    """Return the share of items on at least one list (catalogue coverage: Ge, Delgado-Battenfeld & Jannach 2010).

    Args:
        exposure: (n_items,), from `exposures`.

    Returns:
        From 0 to 1; NaN without items.
    """
    return float(np.count_nonzero(exposure) / len(exposure)) if len(exposure) else float("nan")


def gini(exposure: NDArray[np.int64]) -> float:
    """Return the Gini coefficient of the exposure of items (Fleder & Hosanagar 2009).

    Σ (2 i − n − 1) x_i / (n Σ x), x ascending, i from 1. Items on no list count with 0.

    Args:
        exposure: (n_items,), from `exposures`.

    Returns:
        0 if all items are listed equally often, close to 1 if one of many gets all places; NaN if nothing is listed.
    """
    n, total = len(exposure), exposure.sum()
    if not total:
        return float("nan")
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float((weights * np.sort(exposure)).sum() / (n * total))


@numba.njit(nogil=True, cache=True)
def _means(items, values, ks, means):  # type: ignore[no-untyped-def]
    """Fill `means` (n_ks, n_rows)."""
    n_rows, n = items.shape
    for row in range(n_rows):
        total, counted, place = 0.0, 0, 0
        for number in range(len(ks)):
            while place < min(ks[number], n):
                item = items[row, place]
                place += 1
                if item >= 0:
                    total += values[item]
                    counted += 1
            means[number, row] = total / counted if counted else np.nan
