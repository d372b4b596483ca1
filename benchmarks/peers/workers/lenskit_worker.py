"""The models of LensKit (run by its environment): implicit ALS, item-item and user-user neighbours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from contract import serve
from lenskit.als import ImplicitMFConfig, ImplicitMFScorer
from lenskit.batch import recommend
from lenskit.data import from_interactions_df
from lenskit.knn import ItemKNNConfig, ItemKNNScorer, UserKNNConfig, UserKNNScorer
from lenskit.pipeline import topn_pipeline
from lenskit.training import TrainingOptions
from scipy import sparse

MODELS = {
    "als": lambda: ImplicitMFScorer(
        ImplicitMFConfig(embedding_size=128, epochs=15, regularization=0.1, weight=40)
    ),
    "item_knn": lambda: ItemKNNScorer(ItemKNNConfig(max_nbrs=20, save_nbrs=5000, feedback="implicit")),
    "user_knn": lambda: UserKNNScorer(UserKNNConfig(max_nbrs=60, feedback="implicit")),
}


def fit(train: sparse.csr_matrix, model: str, seed: int) -> Callable[[np.ndarray, int], np.ndarray]:
    """Fit a model; see `contract.Fit`."""
    pairs = train.tocoo()
    data = from_interactions_df(pd.DataFrame({"user_id": pairs.row, "item_id": pairs.col}))
    pipeline = topn_pipeline(MODELS[model]())
    pipeline.train(data, TrainingOptions(rng=seed))

    def lists(users: np.ndarray, n: int) -> np.ndarray:
        found = recommend(pipeline, users, n)
        made = np.full((len(users), n), -1, np.int32)
        for row, user in enumerate(users):
            items = found.lookup(user)
            if items is not None:
                ids = items.ids()[:n]
                made[row, : len(ids)] = ids
        return made

    return lists


if __name__ == "__main__":
    serve("lenskit", fit)
