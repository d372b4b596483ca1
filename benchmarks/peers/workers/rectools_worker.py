"""The models of RecTools (run by its environment): its faster ALS of implicit, truncated SVD, and EASE."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from contract import serve
from implicit.als import AlternatingLeastSquares
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel, ImplicitALSWrapperModel, PureSVDModel
from scipy import sparse

MODELS = {
    "als": lambda seed: ImplicitALSWrapperModel(
        AlternatingLeastSquares(factors=128, regularization=0.05, alpha=2, random_state=seed)
    ),
    "pure_svd": lambda seed: PureSVDModel(factors=128, random_state=seed),
    "ease": lambda _: EASEModel(regularization=300.0),
}


def fit(train: sparse.csr_matrix, model: str, seed: int) -> Callable[[np.ndarray, int], np.ndarray]:
    """Fit a model; see `contract.Fit`."""
    pairs = train.tocoo()
    table = pd.DataFrame(
        {
            Columns.User: pairs.row,
            Columns.Item: pairs.col,
            Columns.Weight: 1.0,
            Columns.Datetime: pd.Timestamp(0),
        }
    )
    data = Dataset.construct(table)
    fitted = MODELS[model](seed).fit(data)

    def lists(users: np.ndarray, n: int) -> np.ndarray:
        found = fitted.recommend(users, data, k=n, filter_viewed=True)
        row = np.searchsorted(users, found[Columns.User].to_numpy())
        made = np.full((len(users), n), -1, np.int32)
        made[row, found[Columns.Rank].to_numpy() - 1] = found[Columns.Item].to_numpy()
        return made

    return lists


if __name__ == "__main__":
    serve("rectools", fit)
