"""Neural graph collaborative filtering (Wang et al. 2019, SIGIR): learned messages along the user-item graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from scipy import sparse

from models.base import Config, FloatArray, Progress
from models.graph.graph_model import GraphRecommender
from models.graph.ngcf_config import NGCFConfig
from models.interactions import Interactions, MatrixName
from models.warm_start import Rows, WarmStart


class NGCF(GraphRecommender):
    """Layers of learned messages along the graph of likes; a vector is the concatenation of all its layers.

    The network is the paper's, its training is our own (`models.graph.ngcf_training`). On a CPU the same seed and the
    same number of threads give the same bits; another number of threads changes the rounding in BLAS and with it the
    last digits.

    Attributes:
        user_base_: (n_users, f) float32, the base embeddings, from which a later fit can start.
        item_base_: (n_items, f) float32.
        layer_weights_: (layers, 2 f, f) float32, the matrices of the layers, W1 above W2.
    """

    name: ClassVar[str] = "ngcf"
    in_words: ClassVar[str] = "the same network as lightgcn's, with learned messages between neighbours"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = NGCFConfig
    remedy: ClassVar[str] = "a smaller `step`, `gain` or `learning_rate` is safer"
    config: NGCFConfig

    user_base_: FloatArray
    item_base_: FloatArray
    layer_weights_: FloatArray

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,
    ) -> None:
        from models.graph.ngcf_training import train  # noqa: PLC0415  (imports torch, which takes a second)

        rng = np.random.default_rng(seed)
        final, base, weights = train(self._only_positive(matrix), self.config, rng, progress, warm_start)
        n_users = matrix.shape[0]
        self.user_factors_, self.item_factors_ = final[:n_users], final[n_users:]
        self.user_base_, self.item_base_, self.layer_weights_ = base[:n_users], base[n_users:], weights
        self.item_bias_ = np.empty(0, np.float32)

    def warm_parts(self) -> Mapping[str, Rows]:
        """Return base embeddings and layers; a new user or item starts at the mean of its neighbours' ones."""
        return {"user_base_": "users", "item_base_": "items", "layer_weights_": "none"}
