"""Makes log-odds of likes of the scores of any model: the start of a network with binary cross-entropy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 25
_RIDGE = 1e-3  # so that scores that part likes from others without a miss get a finite scale


def logistic_scale(
    liked: NDArray[np.floating], others: NDArray[np.floating], weight: float
) -> tuple[float, float]:
    """Fit the log-odds scale · score + bias by Newton's method (logistic regression on one variable).

    Args:
        liked: (n,) scores of liked pairs.
        others: (m,) scores of pairs of drawn items.
        weight: of each of the others.

    Returns:
        scale, at least 0, and bias; 0 and 0 without scores of both kinds.
    """
    if not len(liked) or not len(others):
        return 0.0, 0.0
    scores = np.concatenate([liked, others]).astype(np.float64)
    spread = scores.std() or 1.0
    middle = scores.mean()
    x = np.column_stack([(scores - middle) / spread, np.ones(len(scores))])
    weights = np.repeat([1.0, weight], [len(liked), len(others)])
    target = np.repeat([1.0, 0.0], [len(liked), len(others)])
    found = np.zeros(2)
    for _ in range(_STEPS):
        odds = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        slope = x.T @ (weights * (odds - target)) + _RIDGE * found
        curvature = (x * (weights * odds * (1 - odds))[:, None]).T @ x + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        found -= np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-6:
            break
    scale = max(float(found[0] / spread), 0.0)
    return scale, float(found[1] - scale * middle)
