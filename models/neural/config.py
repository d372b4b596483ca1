"""Hyperparameters that all neural models have."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.device import DeviceConfig, torch_threads

Epochs = Annotated[
    int,
    Field(
        ge=1,
        le=10_000,
        description="Most passes over the training data; training ends earlier if `patience` says so. The learning "
        "rate falls over all of them, so with more it also falls more slowly.",
    ),
]
Patience = Annotated[
    int,
    Field(
        ge=1,
        le=10_000,
        description="End after this many epochs without a better NDCG@10 on interactions that were taken out of the "
        "training data, and keep the best epoch's parameters.",
    ),
]
LearningRate = Annotated[
    float,
    Field(
        gt=0,
        le=1,
        description="Adam's learning rate in the first epoch; it falls in equal steps, to 1/`epochs` of it in the "
        "last.",
    ),
]
DropoutShare = Annotated[
    float, Field(ge=0, lt=1, description="Share of the entries that dropout sets to 0 in training.")
]


class NeuralConfig(DeviceConfig):
    """Hyperparameters of a model that `models.neural.training` trains. Subclasses give defaults that suit them."""

    epochs: Epochs = 100
    patience: Patience = 5
    batch: int = Field(default=1024, ge=1, le=1_000_000, description="Training examples in a step.")
    learning_rate: LearningRate = 1e-3
    dropout: DropoutShare = 0.2

    def machine_state(self) -> dict[str, str | int]:
        """Return the GPU, or the number of threads of torch, which the last bits of sums depend on."""
        return super().machine_state() or {"threads": torch_threads()}


class SvdStartConfig(NeuralConfig):
    """Hyperparameters of a neural model whose item vectors can start from singular vectors of the likes."""

    factors: int = Field(default=64, ge=1, le=2048, description="Length of the user and item vectors.")
    start: Literal["svd", "random"] = Field(
        default="svd",
        description="First item vectors: the singular vectors of the users' likes, or random ones, which need many "
        "more epochs.",
    )
