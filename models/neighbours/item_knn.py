"""Item-based nearest neighbours (Sarwar et al. 2001; Deshpande & Karypis 2004)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from scipy import sparse

from models.base import Config, Progress, Recommender
from models.interactions import Interactions, MatrixName
from models.neighbours.similarity import cosine_neighbours
from models.scoring.item_item_model import ItemItemRecommender


class ItemKNNConfig(Config):
    """Hyperparameters of `item_knn`."""

    k: int = Field(default=200, ge=1, le=100_000, description="Neighbours kept per item.")
    shrink: float = Field(
        default=20.0,
        ge=0,
        description="Users added to the denominator: distrusts items of few users; 0 is the plain cosine.",
    )


class ItemKNN(ItemItemRecommender):
    """Recommends what is similar to what the user did, by the cosine of the items' columns."""

    name: ClassVar[str] = "item_knn"
    matrix: ClassVar[MatrixName] = "composite"
    config_class: ClassVar[type[Config]] = ItemKNNConfig
    config: ItemKNNConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        *,
        seed: int,  # noqa: ARG002
        progress: Progress,  # noqa: ARG002
        warm_start: Recommender | None,  # noqa: ARG002
    ) -> None:
        self.profiles_ = matrix
        self.similarity_ = cosine_neighbours(
            matrix, k=self.config.k, shrink=self.config.shrink, tie_order=self.tie_order_
        )
