"""Neural graph collaborative filtering (Wang et al. 2019, SIGIR): learned messages along the user-item graph."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import sparse

from models.base import Config, Progress, Recommender
from models.graph.graph_model import GraphRecommender
from models.graph.ngcf_config import NGCFConfig
from models.interactions import Interactions, MatrixName


class NGCF(GraphRecommender):
    """Layers of learned messages along the graph of likes; a vector is the concatenation of all its layers.

    The network is the paper's, its training is our own (`models.graph.ngcf_training`). On a CPU the same seed and the
    same number of threads give the same bits; another number of threads changes the rounding in BLAS and with it the
    last digits.
    """

    name: ClassVar[str] = "ngcf"
    in_words: ClassVar[str] = "the same network as lightgcn's, with learned messages between neighbours"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = NGCFConfig
    remedy: ClassVar[str] = "a smaller `step`, `gain` or `learning_rate` is safer"
    config: NGCFConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,
        progress: Progress,
        warm_start: Recommender | None,  # noqa: ARG002
    ) -> None:
        from models.graph.ngcf_training import train  # noqa: PLC0415  (imports torch, which takes a second)

        final = train(self._only_positive(matrix), self.config, np.random.default_rng(seed), progress)
        n_users = matrix.shape[0]
        self.user_factors_, self.item_factors_ = final[:n_users], final[n_users:]
        self.item_bias_ = np.empty(0, np.float32)
