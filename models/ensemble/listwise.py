"""Weights of features that put what a user liked before what else was proposed: a listwise, linear ranker.

The loss of a user is the cross-entropy between their liked candidates, all alike, and the softmax of the scores (the
top-one probability of ListNet, Cao et al. 2007). It is convex and, for so few weights, solved by Newton's method.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import BoolArray, FloatArray
from models.numerics.symmetric_eigen import leading_eigenvectors
from models.numerics.threads import one_blas_thread

_STEPS = 50
_ENOUGH = 1e-9  # the decrease of the loss, per user, at which Newton stops


def fit_weights(
    features: FloatArray, row: NDArray[np.int64], liked: BoolArray, *, regularization: float
) -> NDArray[np.float64]:
    """The weights (n_features,) that minimise, over the rows with a liked candidate,

        Σ_rows [log Σ_c exp(w·x_c) − mean over liked c of w·x_c] + regularization / 2 · Σ_f (deviation_f · w_f)²

    so that `regularization` counts in users: so many would have to speak for a feature to be believed half. What is
    the same for all candidates of a row has no say. A feature that never varies gets 0.

    Args:
        features: (n, n_features).
        row: (n,) which list each candidate belongs to, sorted.
        liked: (n,).
        regularization: above 0.
    """
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    sizes = np.diff(np.append(starts, len(row)))
    counts = np.add.reduceat(liked, starts, dtype=np.int64) if len(starts) else np.empty(0, np.int64)
    taught = np.repeat(counts > 0, sizes)
    weights = np.zeros(features.shape[1])
    if not taught.any():
        return weights
    deviation = features[taught].std(axis=0, dtype=np.float64)
    varies = deviation > 1e-9
    x = features[taught][:, varies] / deviation[varies]
    sizes, counts = sizes[counts > 0], counts[counts > 0]
    target = liked[taught] / np.repeat(counts, sizes)
    with one_blas_thread():
        weights[varies] = _newton(x, np.cumsum(sizes) - sizes, target, regularization) / deviation[varies]
    return weights


def _newton(
    x: NDArray[np.float64], starts: NDArray[np.int64], target: NDArray[np.float64], regularization: float
) -> NDArray[np.float64]:
    sizes = np.diff(np.append(starts, len(x)))
    wanted = target @ x

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = x @ w
        scores -= np.repeat(np.maximum.reduceat(scores, starts), sizes)
        chances = np.exp(scores)
        totals = np.add.reduceat(chances, starts)
        value = np.log(totals).sum() - target @ scores + regularization / 2 * w @ w
        return float(value), chances / np.repeat(totals, sizes)

    w = np.zeros(x.shape[1])
    value, chances = loss(w)
    for _ in range(_STEPS):
        weighted = x * chances[:, None]
        means = np.add.reduceat(weighted, starts)
        gradient = means.sum(axis=0) - wanted + regularization * w
        hessian = weighted.T @ x - means.T @ means + regularization * np.eye(len(w))
        step = _solve(hessian, gradient)
        slope, size = gradient @ step, 1.0
        if slope < _ENOUGH * len(starts):
            break
        while (tried := loss(w - size * step))[0] > value - 1e-4 * size * slope and size > 1e-6:
            size /= 2
        w = w - size * step
        value, chances = tried
    return w


def _solve(hessian: NDArray[np.float64], gradient: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve hessian · step = gradient; where features repeat each other and the penalty is tiny, by least squares."""
    try:
        return np.asarray(np.linalg.solve(hessian, gradient), np.float64)
    except np.linalg.LinAlgError:  # a pivot of exactly 0, which depends on the processor's rounding
        values, vectors = leading_eigenvectors(hessian, len(hessian))
        real = values > 1e-12 * values.max(initial=0)
        return np.asarray(vectors[:, real] @ (vectors[:, real].T @ gradient / values[real]))
