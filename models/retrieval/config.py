"""Hyperparameters of `two_tower`; a module of its own, because the model and its networks both read them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from models.neural.config import Epochs, LearningRate, Patience, SvdStartConfig
from models.search_space import Range, SearchSpace


class TwoTowerConfig(SvdStartConfig):
    """Hyperparameters of `two_tower`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(32, 256, log=True),
        "temperature": Range(0.05, 0.3, log=True),
        "uniform_negatives": Range(64, 2048, log=True),
        "id_dropout": Range(0.0, 0.5),
        "context_days": Range(1.0, 30.0, log=True),
        "learning_rate": Range(0.0003, 0.01, log=True),
    }

    epochs: Epochs = 10
    patience: Patience = 4
    factors: int = Field(default=128, ge=1, le=2048, description="Length of the user and item vectors.")
    learning_rate: LearningRate = 0.004
    layers: int = Field(
        default=1,
        ge=0,
        le=8,
        description="Hidden ReLU layers of the user tower, twice as wide as the vectors.",
    )
    loss: Literal["softmax", "sigmoid", "squared"] = Field(
        default="softmax",
        description="softmax: the liked item against those of the batch and drawn ones. sigmoid: log loss of likes "
        "against drawn items. squared: squared error on the utility, with 0 for drawn items; the default matrix "
        "is `composite` then.",
    )
    temperature: float = Field(
        default=0.1,
        gt=0,
        le=10,
        description="Cosines of user and item are divided by it: lower values make the best items count more.",
    )
    uniform_negatives: int = Field(
        default=256,
        ge=1,
        le=1_000_000,
        description="Items drawn uniformly for each step, shared by its pairs, beside the items of the batch.",
    )
    batch: int = Field(
        default=1024, ge=1, le=1_000_000, description="Pairs of user and liked item in a step."
    )
    id_dropout: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of the users, and of the items with features, whose own embedding is hidden in a step: so "
        "that histories and features learn to stand for those whom nobody has met. Of users with features, the same "
        "share of the histories and of the features is hidden too.",
    )
    context_days: float = Field(
        default=7.0,
        gt=0,
        le=36_500,
        description="Days before a visit whose events are its context: their items' features, and how many they were.",
    )
    context_items: int = Field(default=20, ge=1, le=1000, description="Most events of a context: the latest.")

    @model_validator(mode="before")
    @classmethod
    def _utility_for_squared(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("loss") == "squared" and not values.get("matrix"):
            return {**values, "matrix": "composite"}
        return values
