"""Hyperparameters of `neumf`; a module of its own, because the model and its network both read them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from models.neural.config import Epochs, LearningRate, NeuralConfig
from models.neural.neural_model import NeuralRecommender
from models.ranking.factor_model import FactorRecommender
from models.search_space import OneOf, Range, SearchSpace


class NeuMFConfig(NeuralConfig):
    """Hyperparameters of `neumf`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(16, 128, log=True),
        "layers": Range(1, 4),
        "negatives": Range(1, 16, log=True),
        "start": OneOf(("random", "als", "bpr", "lightgcn")),
        "regularization": Range(1e-7, 1e-2, log=True),
        "learning_rate": Range(0.0001, 0.01, log=True),
    }

    epochs: Epochs = 10
    objective: Literal["likes", "rating"] = Field(
        default="likes",
        description="What is learned: likes, by binary cross-entropy against drawn items; or the `rating`, by squared "
        "error.",
    )
    parts: Literal["both", "gmf", "mlp"] = Field(
        default="both",
        description="Parts of the score: the product (`gmf`), the network (`mlp`), or their sum.",
    )
    factors: int = Field(default=64, ge=1, le=1024, description="Length of each embedding.")
    layers: int = Field(
        default=3, ge=1, le=8, description="Layers of the network, each half as wide as the one before."
    )
    negatives: int = Field(default=4, ge=1, le=1000, description="Items drawn for each like.")
    start: str = Field(
        default="als",
        description="First embeddings of the product: `random`, or those of a factor model of the shelf, which is "
        "fitted first, such as `bpr` or `lightgcn`.",
    )
    regularization: float = Field(
        default=1e-4, ge=0, le=10, description="Weight of the squared embeddings of a pair in its loss."
    )
    batch: int = Field(default=8192, ge=1, le=10_000_000, description="Pairs in a step.")
    learning_rate: LearningRate = 3e-4
    popularity_weight: float = Field(
        default=1.5,
        ge=0,
        le=100,
        description="`rating`: rankings add this times the logarithm of the item's number of ratings, in standard "
        "errors of a prediction.",
    )

    @model_validator(mode="before")
    @classmethod
    def _ratings_for_rating(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("objective") == "rating" and not values.get("matrix"):
            return {**values, "matrix": "rating"}
        return values

    @field_validator("start")
    @classmethod
    def _is_a_factor_model(cls, value: str) -> str:
        if value != "random":
            factor_model(value)
        return value


def factor_model(name: str) -> type[FactorRecommender]:
    """Return the class of the factor model called `name`.

    Raises:
        ValueError: there is none.
    """
    from models.registry import recommender_class  # noqa: PLC0415  (which names this module)

    found = recommender_class(name)
    if not issubclass(found, FactorRecommender) or issubclass(found, NeuralRecommender):
        raise ValueError(
            f"start is 'random' or a factor model, such as 'als', 'bpr' or 'lightgcn', not {name!r}"
        )
    return found
