"""Rank one test item of each user among other items: what leave-one-out protocols measure."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.base import FloatArray, IntArray, Recommender

K = 10
_BLOCK = 512  # users scored at a time


def candidate_scores(model: Recommender, users: IntArray, candidates: IntArray) -> FloatArray:
    """Return the model's scores of each user's candidates.

    Args:
        model: a fitted one.
        users: (n,) user indices; unknown ones are allowed.
        candidates: (n, m) item indices of any range; −1 pads.

    Returns:
        (n, m) float32, NaN where the model does not know the user or the item.
    """
    found = np.full(candidates.shape, np.nan, np.float32)
    for start in range(0, len(users), _BLOCK):
        scores = model.score(users[start : start + _BLOCK])
        wanted = candidates[start : start + _BLOCK]
        row, column = np.nonzero((wanted >= 0) & (wanted < scores.shape[1]))
        found[start : start + _BLOCK][row, column] = scores[row, wanted[row, column]]
    return found


def places(own: FloatArray, others: FloatArray, n_others: IntArray | int) -> NDArray[np.float64]:
    """Return the place of each test item, 0 the best; ties count half.

    Args:
        own: (n,) scores of the test items; NaN is an item or a user that the model does not know, and comes last.
        others: (n, m) scores of the items it is ranked among; NaN as above.
        n_others: how many these are, (n,) or one number for all: the last place.

    Returns:
        (n,) from 0 to n_others, in halves.
    """
    last = np.broadcast_to(np.asarray(n_others, np.float64), own.shape)
    with np.errstate(invalid="ignore"):
        better = (others > own[:, None]).sum(axis=1) + (others == own[:, None]).sum(axis=1) / 2
    return np.where(np.isnan(own), last, better)


def hits_and_gains(place: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return `hr@10` and `ndcg@10` of every user, (n,) float64: 1 and 1 / log2(place + 2) among the first ten, else 0.

    Args:
        place: (n,), of `places`.
    """
    hit = place < K
    return {f"hr@{K}": hit.astype(np.float64), f"ndcg@{K}": hit / np.log2(place + 2)}


def in_words(figures: dict[str, NDArray[Any]]) -> str:
    """Return the means of figures per user, as `hr@10=0.70000 ndcg@10=0.43000`."""
    return " ".join(f"{name}={values.mean():.5f}" for name, values in figures.items())
