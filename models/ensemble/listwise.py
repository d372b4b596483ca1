"""Listwise, linear ranker: learn weights of features that rank liked candidates above the others.

The loss of a user is the cross-entropy between their liked candidates, all with the same probability, and the softmax
of the scores (top-one probability of ListNet, Cao et al. 2007). It is convex and, for so few weights, solved by
Newton's method.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import BoolArray, FloatArray
from models.numerics.symmetric_eigen import leading_eigenvectors
from models.numerics.threads import one_blas_thread

_MAX_STEPS = 50
_TOLERANCE = 1e-9  # expected decrease of the loss, per user, at which Newton's method stops


def fit_weights(
    features: FloatArray, row: NDArray[np.int64], liked: BoolArray, *, regularization: float
) -> NDArray[np.float64]:
    """Return the weights w that minimise, over the rows with a liked candidate,

        Σ_rows [log Σ_c exp(w·x_c) − mean over liked c of w·x_c] + regularization / 2 · Σ_f (deviation_f · w_f)²

    The penalty is on weights of standardised features, so `regularization` is a number of users: with so many, a weight
    is shrunk by about half. A feature that has one value for all candidates of a row does not change that row's loss.

    Args:
        features: (n, n_features) float32, one row per candidate.
        row: (n,) int64, sorted; the list that each candidate belongs to.
        liked: (n,) bool.
        regularization: strength of the penalty, above 0.

    Returns:
        (n_features,) float64; 0 for a feature that never varies, and all 0 where no candidate is liked.
    """
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    sizes = np.diff(np.append(starts, len(row)))
    counts = np.add.reduceat(liked, starts, dtype=np.int64) if len(starts) else np.empty(0, np.int64)
    used = np.repeat(counts > 0, sizes)
    weights = np.zeros(features.shape[1])
    if not used.any():
        return weights
    deviation = features[used].std(axis=0, dtype=np.float64)
    varies = deviation > 1e-9
    x = features[used][:, varies] / deviation[varies]
    sizes, counts = sizes[counts > 0], counts[counts > 0]
    target = liked[used] / np.repeat(counts, sizes)
    with one_blas_thread():
        weights[varies] = _newton(x, np.cumsum(sizes) - sizes, target, regularization) / deviation[varies]
    return weights


def _newton(
    x: NDArray[np.float64], starts: NDArray[np.int64], target: NDArray[np.float64], regularization: float
) -> NDArray[np.float64]:
    """Minimise the loss of the lists that begin at `starts`, by Newton's method with backtracking line search."""
    sizes = np.diff(np.append(starts, len(x)))
    target_sum = target @ x

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = x @ w
        scores -= np.repeat(np.maximum.reduceat(scores, starts), sizes)
        probabilities = np.exp(scores)
        totals = np.add.reduceat(probabilities, starts)
        value = np.log(totals).sum() - target @ scores + regularization / 2 * w @ w
        return float(value), probabilities / np.repeat(totals, sizes)

    w = np.zeros(x.shape[1])
    value, probabilities = loss(w)
    for _ in range(_MAX_STEPS):
        weighted = x * probabilities[:, None]
        means = np.add.reduceat(weighted, starts)
        gradient = means.sum(axis=0) - target_sum + regularization * w
        hessian = weighted.T @ x - means.T @ means + regularization * np.eye(len(w))
        step = _solve(hessian, gradient)
        slope, size = gradient @ step, 1.0
        if slope < _TOLERANCE * len(starts):
            break
        while (tried := loss(w - size * step))[0] > value - 1e-4 * size * slope and size > 1e-6:
            size /= 2
        w = w - size * step
        value, probabilities = tried
    return w


def _solve(hessian: NDArray[np.float64], gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve hessian · step = gradient; where features repeat each other and the penalty is tiny, by least squares."""
    try:
        return np.asarray(np.linalg.solve(hessian, gradient), np.float64)
    except np.linalg.LinAlgError:  # a pivot of exactly 0, which depends on the processor's rounding
        values, vectors = leading_eigenvectors(hessian, len(hessian))
        real = values > 1e-12 * values.max(initial=0)
        return np.asarray(vectors[:, real] @ (vectors[:, real].T @ gradient / values[real]))
