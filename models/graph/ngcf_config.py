"""Hyperparameters of `ngcf`; a module of its own, because the model and its training both read them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from models.device import torch_threads
from models.graph.graph_model import GraphConfig
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
        "for fewer, which overfit sooner.",
    )
    layers: int = Field(default=3, ge=1, le=6, description="Number of propagation steps along the graph.")
    start: Literal["svd", "xavier"] = Field(
        default="svd",
        description="Initial embeddings: the singular vectors of the normalized likes, or random noise.",
    )
    negatives: int = Field(default=64, ge=1, le=10_000, description="Items drawn against each positive.")
    negative_weight: float = Field(
        default=8.0, gt=0, le=1e6, description="Number of items that each negative counts as in the softmax."
    )
    refreshes: int = Field(default=8, ge=1, le=1000, description="Passes through the network in an epoch.")
    gain: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="Factor by which a change is multiplied when it goes back to the base embeddings; by default 1 for "
        "half a million positives or more, and less for fewer, down to 0.2.",
    )
    shrink: float = Field(
        default=1.2,
        ge=0,
        le=100,
        description="Decay of the base embeddings: an epoch multiplies them by e^(-shrink * step).",
    )
    learning_rate: float = Field(
        default=0.0001,
        gt=0,
        le=1,
        description="Learning rate of Adam for the matrices of the layers; it falls as `step` does.",
    )
    message_dropout: float = Field(
        default=0.5, ge=0, le=0.9, description="Share of a layer's entries that a training pass drops."
    )

    def width(self, n_positives: int) -> int:
        """Return the length of the vectors of one layer."""
        return self.factors or (128 if n_positives >= _HALF_MILLION else 64)

    def feedback(self, n_positives: int) -> float:
        """Return the gain; with that of large data, small data would overfit."""
        return self.gain if self.gain is not None else min(1.0, max(0.2, n_positives / _HALF_MILLION))

    def machine_state(self) -> dict[str, str | int]:
        """Return the GPU, or the number of threads of torch, whose matrix products round otherwise with another."""
        return super().machine_state() or {"threads": torch_threads()}
