"""LightGCN (He et al. 2020): embeddings that are the weighted mean of their neighbourhoods in the graph.

Trained by *lazy propagation*. The final embeddings are E = P X with P the weighted sum of the powers of the normalised
adjacency, linear and symmetric, so that the gradient with respect to the base X is P times the one with respect to E.
Instead of propagating for every batch, E is held for a part of an epoch and descends as if it were free; then what
changed goes back at once, X += gain · P · change, and E = P X is computed anew. Several hundred times fewer
propagations, and no other approximation than that E is a little old. `models.graph.batched_descent` does the same on
a GPU, and `benchmarks.plain_lightgcn` is the plain way that it is measured against.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator
from scipy import sparse

from models.base import Config, FloatArray, Progress, Recommender
from models.device import torch_device
from models.graph import batched_descent
from models.graph.graph_model import GraphConfig, GraphRecommender
from models.graph.initial_embeddings import noise, overlay, singular_embeddings
from models.graph.propagation import Propagation, normalized_adjacency
from models.graph.sampled_softmax import ShardedDescent
from models.interactions import Interactions, MatrixName
from models.ranking.factor_model import FactorRecommender
from models.search_space import Range, SearchSpace

_LEAST_NEGATIVES, _MOST_NEGATIVES = 64, 128
_NEGATIVE_ENTRIES = 16_384  # of the vectors drawn against a positive, between those bounds
_RIVAL_SHARE = 0.2  # of the known items: what a positive is compared with; all are too hard on small data


class LightGCNConfig(GraphConfig):
    """Hyperparameters of `lightgcn`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(64, 512, log=True),
        "layers": Range(1, 4),
        "epochs": Range(5, 80, log=True),
        "negative_weight": Range(0.5, 100.0, log=True),
        "degree_exponent": Range(0.0, 0.6),
        "step": Range(0.02, 0.4, log=True),
        "shrink": Range(0.3, 10.0, log=True),
    }

    most_epochs: ClassVar[int] = 40

    factors: int = Field(default=256, ge=1, le=2048, description="Length of the embeddings.")
    layers: int = Field(default=3, ge=0, le=4, description="How far embeddings travel along the graph.")
    layer_weights: tuple[Annotated[float, Field(ge=0, le=1000)], ...] = Field(
        default=(),
        description="Weights of the layers 0 to `layers` against each other, not all of them 0; by default all weigh "
        "the same.",
    )
    negatives: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Items drawn against each positive; by default 64, and up to 128 where embeddings are shorter than "
        "the default, for there they cost less.",
    )
    negative_weight: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="As how many items each negative counts in the softmax; by default all negatives of a positive "
        "count together as a fifth of the known items.",
    )
    degree_exponent: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="The step of a positive is divided by its user's number of items to this power; above 0, users "
        "of many items count for less.",
    )
    gain: float = Field(
        default=4.0,
        gt=0,
        le=100,
        description="How many times over a change goes back to the base embeddings.",
    )
    start: Literal["random", "svd", "als"] = Field(
        default="svd",
        description="Base embeddings at first: noise, the singular vectors of the normalised matrix, or the "
        "factors of an `als` that is fitted for it.",
    )
    feature_weight: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="Weight of an item's genres and tags in the graph, as a share of its users'; 0 leaves them out.",
    )

    @field_validator("layer_weights")
    @classmethod
    def _one_weight_a_layer(cls, weights: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        layers = info.data.get("layers", len(weights) - 1)  # a wrong number of layers has its own error
        if weights and len(weights) != layers + 1:
            raise ValueError(
                f"it takes {layers + 1} numbers, for the layers 0 to {layers}, not {len(weights)}"
            )
        if weights and not any(weights):
            raise ValueError("at least one weight must be above 0")
        return weights

    def weights(self) -> tuple[float, ...]:
        """The share of each of the layers 0, 1, …, `layers`; they sum to 1."""
        weights = self.layer_weights or (1.0,) * (self.layers + 1)
        return tuple(weight / sum(weights) for weight in weights)

    def negatives_drawn(self) -> int:
        """Items drawn against each positive."""
        return self.negatives or min(
            _MOST_NEGATIVES, max(_LEAST_NEGATIVES, _NEGATIVE_ENTRIES // self.factors)
        )

    def weight_of_a_negative(self, n_known: int) -> float:
        """As how many of `n_known` items, those that anybody has, each negative counts."""
        if self.negative_weight is not None:
            return self.negative_weight
        return _RIVAL_SHARE * n_known / self.negatives_drawn()

    def effective_gain(self) -> float:
        """`gain`; but without layers a change comes back whole, there is nothing to make up for."""
        return self.gain if self.layers else 1.0


class LightGCN(GraphRecommender):
    """LightGCN behind our contract; the factors it keeps are the propagated ones.

    A warm start takes the factors of any factor model of the same users, items and length.
    """

    name: ClassVar[str] = "lightgcn"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = LightGCNConfig
    config: LightGCNConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: Recommender | None,
    ) -> None:
        config = self.config
        matrix = self._only_positive(matrix)
        adjacency = normalized_adjacency(matrix, data.item_features, config.feature_weight)
        rng = np.random.default_rng(seed)
        if config.start == "als" and warm_start is None:
            warm_start = self._alternating_least_squares(matrix, data, seed)
        base = _base(adjacency, matrix.shape, config, rng, warm_start)
        if matrix.nnz:
            device = torch_device(config.device)
            if device.type == "cpu":
                base = _descend_lazily(base, matrix, adjacency, config, rng, progress)
            else:
                base = batched_descent.train(base, matrix, adjacency, config, rng, progress, device)
        final = Propagation(adjacency).propagate(base, config.weights())
        n_users, n_items = matrix.shape
        self.user_factors_ = final[:n_users].copy()
        self.item_factors_ = final[n_users : n_users + n_items].copy()
        self.item_bias_ = np.empty(0, np.float32)

    def _alternating_least_squares(
        self, matrix: sparse.csr_array, data: Interactions, seed: int
    ) -> Recommender:
        """The `als` to start from, fitted on the same likes."""
        from models.factors.als import ALS, ALSConfig  # noqa: PLC0415  (implicit takes long: only who asks pays)

        name = self.config.matrix or self.matrix
        config = ALSConfig(factors=self.config.factors, matrix=name)
        likes: dict[str, Any] = {name: matrix}
        return ALS(config).fit(replace(data, **likes), seed=seed)


def _base(
    adjacency: sparse.csr_array,
    shape: tuple[int, int],
    config: LightGCNConfig,
    rng: np.random.Generator,
    warm_start: Recommender | None,
) -> FloatArray:
    """The embeddings to start from, (n_nodes, factors) float32.

    Raises:
        ValueError: the warm start has no factors, or has those of other users or items or of another length.
    """
    n_users, n_items = shape
    base = noise(adjacency.shape[0], config.factors, rng)
    if warm_start is not None:
        if not isinstance(warm_start, FactorRecommender):
            raise ValueError(f"lightgcn can start from a factor model, not from {warm_start.name}")
        found = np.vstack([warm_start.user_factors_, warm_start.item_factors_])
        if found.shape != (n_users + n_items, config.factors):
            raise ValueError(
                f"lightgcn wants {n_users} + {n_items} warm vectors of {config.factors} factors, "
                f"but {warm_start.name} has {found.shape[0]} of {found.shape[1]}"
            )
    elif config.start == "svd":
        likes = adjacency[:n_users, n_users : n_users + n_items]
        found = singular_embeddings(likes, config.factors, rng)
    else:
        return base
    overlay(base, found)
    return base


def _descend_lazily(
    base: FloatArray,
    matrix: sparse.csr_array,
    adjacency: sparse.csr_array,
    config: LightGCNConfig,
    rng: np.random.Generator,
    progress: Progress,
) -> FloatArray:
    """Train by lazy propagation on the CPU; `base` is changed in place and returned."""
    n_users, n_items = matrix.shape
    users, items = slice(0, n_users), slice(n_users, n_users + n_items)
    propagation, weights = Propagation(adjacency), config.weights()
    descent = ShardedDescent(
        matrix,
        loss=config.loss,
        negatives=config.negatives_drawn(),
        negative_weight=config.weight_of_a_negative(len(np.unique(matrix.indices))),
        seed=int(rng.integers(2**31)),
        degree_exponent=config.degree_exponent,
    )
    final, change, back = (np.empty_like(base) for _ in range(3))
    for step, positives in config.refreshed(matrix.nnz, descent.shuffled, progress):
        propagation.propagate(base, weights, final)
        np.copyto(change, final)
        descent.descend(final[users], final[items], positives, step)
        np.subtract(final, change, out=change)
        propagation.propagate(change, weights, back)
        back *= np.float32(config.effective_gain())
        base *= np.float32(config.decay(step))
        base += back
    return base
