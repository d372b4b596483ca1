"""Similarities by their definitions: dense, one pair at a time, to compare the fast ones with.

A dense matrix holds NaN where nothing is stored; a stored zero is a zero.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.neighbours.similarity import Measure

RATINGS_LIKE = ("adjusted_cosine", "pearson", "euclidean")
COUNTED = ("dot", "pearson", "euclidean")


def random_vectors(seed: int, shape: tuple[int, int], density: float = 0.5, greatest: int = 5) -> np.ndarray:
    """Return ratings from 0 to `greatest` in steps of a half; NaN where nothing is stored."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < density, rng.integers(0, 2 * greatest + 1, shape) / 2, np.nan)


def stored(dense: np.ndarray) -> sparse.csr_array:
    """Return the sparse matrix of all entries that are not NaN, zeros included."""
    at = np.nonzero(~np.isnan(dense))
    return sparse.csr_array((dense[at].astype(np.float32), at), shape=dense.shape)


def similarities(vectors: np.ndarray, measure: Measure, rows_are_users: bool) -> np.ndarray:
    """Return the similarities of all rows with all; 0 for pairs that are no neighbours."""
    n = len(vectors)
    user_axis = 1 if rows_are_users else 0
    counts = (~np.isnan(vectors)).sum(axis=user_axis, keepdims=True)
    means = np.nansum(vectors, axis=user_axis, keepdims=True) / np.maximum(counts, 1)
    fill = np.broadcast_to(means, vectors.shape)
    if measure.similarity == "adjusted_cosine":
        vectors, fill = vectors - means, np.zeros(vectors.shape)
    mean_square = np.nanmean(vectors**2) if counts.any() else 0.0
    found = np.zeros((n, n))
    for a in range(n):
        for b in range(n):
            if a != b:
                found[a, b] = _of_pair(vectors[[a, b]], fill[[a, b]], mean_square, measure)
    return found


def _of_pair(pair: np.ndarray, fill: np.ndarray, mean_square: float, measure: Measure) -> float:  # noqa: C901
    here = ~np.isnan(pair)
    common, either = int(here.all(axis=0).sum()), int(here.any(axis=0).sum())
    if common == 0:
        return 0.0
    missing = measure.missing
    if missing == "auto":
        missing = "ignored" if measure.similarity in RATINGS_LIKE else "zero"
    if missing == "ignored":
        x, y = pair[:, here.all(axis=0)]
    else:
        x, y = np.where(here, pair, 0 if missing == "zero" else fill)
    added = measure.shrink * mean_square
    value = 0.0
    match measure.similarity:
        case "dot":
            value = x @ y
        case "jaccard":
            value = common / (either + measure.shrink)
        case "euclidean":
            value = 1 / (1 + np.linalg.norm(x - y))
        case "pearson":
            x, y = (np.where(np.ptp(v) > 1e-9, v - v.mean(), 0) for v in (x, y))
            value = x @ y / (np.linalg.norm(x) * np.linalg.norm(y) or np.inf)
        case "cosine" | "adjusted_cosine":
            scale = np.linalg.norm(x) * np.linalg.norm(y)
            value = x @ y / (scale + added) if scale > 1e-9 else 0.0
        case "asymmetric_cosine":
            scale = (x @ x) ** measure.asymmetry * (y @ y) ** (1 - measure.asymmetry)
            value = x @ y / (scale + added) if (x @ x) * (y @ y) > 0 else 0.0
    if measure.similarity in COUNTED:
        value *= common / (common + measure.shrink)
    return value**measure.exponent if value > 1e-9 else 0.0
