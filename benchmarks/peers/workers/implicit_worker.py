"""The models of implicit (run by its environment): ALS, BPR, and the item-item models with cosine and BM25."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from contract import serve
from implicit.bpr import BayesianPersonalizedRanking
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from scipy import sparse

MODELS = {
    "als": lambda seed: AlternatingLeastSquares(factors=128, regularization=0.05, alpha=2, random_state=seed),
    "bpr": lambda seed: BayesianPersonalizedRanking(factors=128, iterations=200, random_state=seed),
    "item-item cosine": lambda _: CosineRecommender(K=200),
    "item-item BM25": lambda _: BM25Recommender(K=200, K1=1.2, B=0.75),
}


def fit(train: sparse.csr_matrix, model: str, seed: int) -> Callable[[np.ndarray, int], np.ndarray]:
    """Fit a model; see `contract.Fit`."""
    fitted = MODELS[model](seed)
    fitted.fit(train, show_progress=False)
    return lambda users, n: fitted.recommend(users, train[users], N=n, filter_already_liked_items=True)[0]


if __name__ == "__main__":
    serve("implicit", fit)
