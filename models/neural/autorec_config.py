"""Hyperparameters of `autorec`; a module of its own, because the model and its network both read them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from models.neural.config import NeuralConfig
from models.search_space import OneOf, Range, SearchSpace


class AutoRecConfig(NeuralConfig):
    """Hyperparameters of `autorec`. Penalties apply to standardized ratings, so that they suit any rating scale."""

    search_space: ClassVar[SearchSpace] = {
        "rows": OneOf(("items", "users")),
        "factors": Range(64, 500, log=True),
        "regularization": Range(1.0, 300.0, log=True),
        "hidden_ratings": Range(0.0, 0.6),
        "learning_rate": Range(0.0003, 0.01, log=True),
        "popularity_weight": Range(0.0, 6.0),
    }

    rows: Literal["items", "users"] = Field(
        default="items", description="What is encoded: the ratings of an item, or those of a user."
    )
    factors: int = Field(default=200, ge=1, le=4096, description="Length of the hidden layer.")
    regularization: float = Field(
        default=20.0,
        ge=0,
        le=1e6,
        description="Weight of the squared weights in the loss, Σ (squared error) + regularization · Σ (squared "
        "weights).",
    )
    hidden_ratings: float = Field(
        default=0.3,
        ge=0,
        lt=1,
        description="Share of a row's ratings that are hidden from the encoder in training.",
    )
    batch: int = Field(
        default=8192, ge=1, le=10_000_000, description="Approximate number of ratings in a step."
    )
    dropout: float = Field(
        default=0.0, ge=0, lt=1, description="Share of the hidden layer that dropout sets to 0 in training."
    )
    popularity_weight: float = Field(
        default=1.5,
        ge=0,
        le=100,
        description="Rankings (not predictions) add this times the logarithm of the item's number of ratings, in "
        "standard errors of a prediction; 0 ranks by the predicted rating alone.",
    )
