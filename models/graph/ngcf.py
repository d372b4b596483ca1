"""Neural graph collaborative filtering (Wang, He, Wang, Feng & Chua 2019, SIGIR)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, Progress, Recommender
from models.graph.propagation import Device
from models.interactions import Interactions, MatrixName
from models.scoring.factor_model import FactorRecommender

if TYPE_CHECKING:
    pass


class NGCFConfig(Config):
    """Hyperparameters of `ngcf`."""

    factors: int = Field(default=64, ge=1, le=1024, description="Length of the vectors of one layer.")
    layers: int = Field(
        default=3,
        ge=0,
        le=6,
        description="How far embeddings flow along the graph; 0 is matrix factorisation.",
    )
    loss: Literal["softmax", "bpr"] = Field(
        default="softmax",
        description="What a like is compared with: all of a step's negatives at once, or one of them.",
    )
    start: Literal["svd", "xavier"] = Field(
        default="svd",
        description="What the embeddings start from: the singular vectors of the likes, or noise.",
    )
    steps: int = Field(
        default=100, ge=1, le=100_000, description="Steps of Adam, a pass over the graph each."
    )
    batch: int = Field(
        default=131_072, ge=1, le=10_000_000, description="Likes in a step, about; whole users."
    )
    negatives: int = Field(
        default=1024, ge=1, le=1_000_000, description="Items drawn for a step, negatives of all its users."
    )
    learning_rate: float = Field(
        default=0.01, gt=0, le=1, description="Step size of Adam at first; it falls to 0."
    )
    temperature: float = Field(
        default=0.2,
        gt=0,
        le=100,
        description="Scores are divided by it in the loss; lower looks at harder negatives.",
    )
    regularization: float = Field(
        default=3.0,
        ge=0,
        le=1000,
        description="Weight of the mean squared length of the embeddings in the loss.",
    )
    message_dropout: float = Field(
        default=0.5, ge=0, lt=1, description="Share of a layer's entries that a step silences."
    )
    device: Device = Field(
        default="auto", description="Where to train: `cpu`, `cuda`, or `auto` for a GPU if there is one."
    )


class NGCF(FactorRecommender):
    """Layers of learned messages along the graph of likes; a user or an item is all of its layers side by side.

    Differs from the paper in how it is trained: few large steps instead of many small ones, and by default on a
    softmax over shared negatives. On a CPU the same seed and number of threads give the same model to the bit;
    another number of threads changes rounding in BLAS, and with it the last digits.
    """

    name: ClassVar[str] = "ngcf"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = NGCFConfig
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

        final = train(matrix, self.config, np.random.default_rng(seed), progress)
        n_users = matrix.shape[0]
        self.user_factors_, self.item_factors_ = final[:n_users], final[n_users:]
        self.item_bias_ = np.empty(0, np.float32)
