"""Our own models with their default settings, fitted and listed like those of a library."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from contract import serve
from scipy import sparse

from models.interactions import Interactions
from models.registry import config_class, recommender_class


def fit(train: sparse.csr_matrix, model: str, seed: int) -> Callable[[np.ndarray, int], np.ndarray]:
    """Fit a model; see `contract.Fit`."""
    data = Interactions.from_positive(sparse.csr_array(train))
    fitted = recommender_class(model)(config_class(model)())
    fitted.fit(data, seed=seed)
    return lambda users, n: fitted.recommend(users, n, exclude=data.seen).items


if __name__ == "__main__":
    serve("nightly-recs", fit)
