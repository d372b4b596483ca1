"""Hyperparameters that all neural models have."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.device import DeviceConfig, torch_threads


class NeuralConfig(DeviceConfig):
    """Hyperparameters of a model that `models.neural.training` trains. Subclasses give defaults that suit them."""

    epochs: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Most passes over the training data; training ends earlier if `patience` says so.",
    )
    patience: int = Field(
        default=5,
        ge=1,
        le=10_000,
        description="End after this many epochs without a better NDCG@10 on interactions that were taken out of the "
        "training data, and keep the best epoch's parameters.",
    )
    batch: int = Field(default=1024, ge=1, le=1_000_000, description="Training examples in a step.")
    learning_rate: float = Field(
        default=1e-3,
        gt=0,
        le=1,
        description="Adam's learning rate in the first epoch; it falls to 0 over all `epochs`.",
    )
    dropout: float = Field(
        default=0.2, ge=0, lt=1, description="Share of the entries that dropout sets to 0 in training."
    )

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
