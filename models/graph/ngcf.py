"""Neural graph collaborative filtering (Wang, He, Wang, Feng & Chua 2019, SIGIR)."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, Progress, Recommender
from models.graph.graph_model import GraphConfig, GraphRecommender
from models.interactions import Interactions, MatrixName
from models.search_space import Range, SearchSpace

_HALF_MILLION = 500_000


class NGCFConfig(GraphConfig):
    """Hyperparameters of `ngcf`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(32, 256, log=True),
        "layers": Range(1, 4),
        "epochs": Range(5, 60, log=True),
        "negative_weight": Range(0.5, 100.0, log=True),
        "step": Range(0.02, 0.4, log=True),
        "shrink": Range(0.3, 10.0, log=True),
        "learning_rate": Range(1e-5, 0.01, log=True),
    }

    most_epochs: ClassVar[int] = 30

    factors: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Length of the vectors of one layer; by default 128 for half a million positives or more, and 64 "
        "for fewer, which are sooner learned by heart.",
    )
    layers: int = Field(default=3, ge=1, le=6, description="How far embeddings flow along the graph.")
    start: Literal["svd", "xavier"] = Field(
        default="svd",
        description="What the embeddings start from: the singular vectors of the normalised likes, or noise.",
    )
    negatives: int = Field(default=64, ge=1, le=10_000, description="Items drawn against each positive.")
    negative_weight: float = Field(
        default=8.0, gt=0, le=1e6, description="As how many items each negative counts in the softmax."
    )
    refreshes: int = Field(default=8, ge=1, le=1000, description="Passes through the network in an epoch.")
    gain: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="How many times over a change goes back to the base embeddings; by default once for half a "
        "million positives or more, and less for fewer, down to 0.2.",
    )
    shrink: float = Field(
        default=1.2,
        ge=0,
        le=100,
        description="Decay of the base embeddings: an epoch multiplies them by e^(-shrink * step).",
    )
    learning_rate: float = Field(
        default=0.0001, gt=0, le=1, description="Of Adam, for the matrices of the layers; it falls alike."
    )
    message_dropout: float = Field(
        default=0.5, ge=0, le=0.9, description="Share of a layer's entries that a pass silences."
    )

    def width(self, n_positives: int) -> int:
        """The length of the vectors of one layer."""
        return self.factors or (128 if n_positives >= _HALF_MILLION else 64)

    def feedback(self, n_positives: int) -> float:
        """The gain: small data is learned by heart where as much comes back as from much data."""
        return self.gain if self.gain is not None else min(1.0, max(0.2, n_positives / _HALF_MILLION))


class NGCF(GraphRecommender):
    """Layers of learned messages along the graph of likes; a user or an item is all of its layers side by side.

    The network is the paper's; how it is trained is ours (`models.graph.ngcf_training`). On a CPU the same seed and
    number of threads give the same model to the bit; another number of threads changes rounding in BLAS, and with
    it the last digits.
    """

    name: ClassVar[str] = "ngcf"
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
        from models.graph.ngcf_training import train  # noqa: PLC0415  (torch takes a second: only who fits pays it)

        final = train(self._only_positive(matrix), self.config, np.random.default_rng(seed), progress)
        n_users = matrix.shape[0]
        self.user_factors_, self.item_factors_ = final[:n_users], final[n_users:]
        self.item_bias_ = np.empty(0, np.float32)
