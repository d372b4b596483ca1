"""The cold start: the names of its segments, and the figures of new items in random order, to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation.metrics import at_k

NEW_USERS = {given: f"new_users_{given}" for given in (1, 2, 5)}
"""Number of likes that the models are given of a user whom they have not met → segment."""

NEW_USERS_BY_SIDE_DATA = "new_users_0"
"""The segment of users whom the models have not met, nothing given: what links and features say of them."""

NEW_ITEMS = "new_items"
"""The segment in which only items that nobody has met are ranked."""

RANDOM_ORDER = "random"
"""Stands for a model in `NEW_ITEMS`: the expected figures of random order."""

LEAST_USERS = 10
"""With fewer users of a half, reports say how many there are and show no figures."""


def random_order_metrics(
    n_relevant: NDArray[np.integer[Any]], n_candidates: int, ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Return the expected NDCG and recall of all candidates in random order, exactly.

    Each of C candidates is at each rank with probability 1 / C, so that a rank holds a relevant item with probability
    R / C. NDCG and recall are sums over ranks, and their expectation is the sum of the expectations.

    Args:
        n_relevant: (n_rows,) the number R of relevant candidates, from 1 to `n_candidates`.
        n_candidates: the number C of items that are ranked, at least 1.
        ks: list lengths, each at least 1.

    Returns:
        Arrays (n_rows,) by names such as `ndcg@10`, defined as in `metrics.RANKING_METRICS`.
    """
    wanted = np.asarray(n_relevant, np.int64)
    gains = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(2, max(ks) + 2)))])
    found = {}
    for k in ks:
        length = min(k, n_candidates)
        found[at_k("ndcg", k)] = wanted / n_candidates * gains[length] / gains[np.minimum(wanted, k)]
        found[at_k("recall", k)] = np.full(len(wanted), length / n_candidates)
    return found
