"""LightGCN (He et al. 2020): embeddings that are the weighted mean of their neighbourhoods in the graph.

Trained by *lazy propagation*. The final embeddings are E = P X with P the weighted sum of the powers of the normalised
adjacency, linear and symmetric, so that the gradient with respect to the base X is P times the one with respect to E.
Instead of propagating for every batch, E is held for a part of an epoch and descends as if it were free; then what
changed goes back at once, X += gain · P · change, and E = P X is computed anew. Several hundred times fewer
propagations, and no other approximation than that E is a little old. On a GPU there is nothing to save: there
`models.graph.autograd` trains by Adam, batch by batch.
"""

from __future__ import annotations

from math import cos, pi, sqrt
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator
from scipy import sparse
from threadpoolctl import threadpool_limits

from models.base import Config, FloatArray, Progress, Recommender
from models.graph import autograd
from models.graph.propagation import Device, Propagation, normalized_adjacency, torch_device
from models.graph.sampled_softmax import Loss, ShardedDescent
from models.interactions import Interactions, MatrixName
from models.scoring.factor_model import FactorRecommender

_LEAST_EPOCHS, _MOST_EPOCHS = 10, 40
_MILLION = 1_000_000
_LAST_STEP = 0.02  # where the step ends, as a share of where it begins


class LightGCNConfig(Config):
    """Hyperparameters of `lightgcn`."""

    factors: int = Field(default=256, ge=1, le=2048, description="Length of the embeddings.")
    layers: int = Field(default=3, ge=0, le=4, description="How far embeddings travel along the graph.")
    layer_weights: tuple[float, ...] = Field(
        default=(), description="Weight of each of the layers 0 to `layers`; by default all weigh the same."
    )
    loss: Loss = Field(default="softmax", description="Sampled softmax, or BPR as in the paper.")
    epochs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="How often each positive is used; by default 40 times for a million positives, and less "
        "often for fewer or more, but at least 10 times.",
    )
    negatives: int = Field(default=64, ge=1, le=10_000, description="Items drawn against each positive.")
    negative_weight: float = Field(
        default=8.0, gt=0, le=1e6, description="As how many items each negative counts in the softmax."
    )
    step: float = Field(
        default=0.1, gt=0, le=10, description="Step of the first epoch; it falls along a cosine."
    )
    refreshes: int = Field(default=8, ge=1, le=1000, description="Propagations in an epoch.")
    gain: float = Field(
        default=4.0,
        gt=0,
        le=100,
        description="How many times over a change goes back to the base embeddings.",
    )
    shrink: float = Field(
        default=0.3, ge=0, le=1, description="What the base loses at each refresh, times the step: the decay."
    )
    start: Literal["random", "svd"] = Field(
        default="svd",
        description="Base embeddings at first: noise, or the singular vectors of the normalised matrix.",
    )
    feature_weight: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="Weight of an item's genres and tags in the graph, as a share of its users'; 0 leaves them out.",
    )
    device: Device = Field(
        default="auto", description="Where to train: `auto` takes a GPU if there is one, else the CPU."
    )

    @model_validator(mode="after")
    def _one_weight_a_layer(self) -> Self:
        if self.layer_weights and len(self.layer_weights) != self.layers + 1:
            raise ValueError(
                f"layer_weights wants {self.layers + 1} numbers, for the layers 0 to {self.layers}, "
                f"not {len(self.layer_weights)}"
            )
        return self

    def weights(self) -> tuple[float, ...]:
        """A weight for each of the layers 0, 1, …, `layers`."""
        return self.layer_weights or (1 / (self.layers + 1),) * (self.layers + 1)

    def passes(self, n_positives: int) -> int:
        """Epochs to train for: small data is soon learned by heart, and much data has many positives a node."""
        if self.epochs is not None:
            return self.epochs
        share = max(n_positives, 1) / _MILLION
        return max(_LEAST_EPOCHS, round(_MOST_EPOCHS * sqrt(min(share, 1 / share))))


class LightGCN(FactorRecommender):
    """LightGCN behind our contract; the factors it keeps are the propagated ones. Ready for a warm start."""

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
        adjacency = normalized_adjacency(matrix, data.item_features, config.feature_weight)
        rng = np.random.default_rng(seed)
        base = _base(adjacency, matrix.shape, config, rng, warm_start)
        if matrix.nnz:
            device = torch_device(config.device)
            train = _descend_lazily if device.type == "cpu" else autograd.train
            base = train(base, matrix, adjacency, config, rng, progress)
        final = Propagation(adjacency).propagate(base, config.weights())
        if not np.isfinite(final).all():
            raise RuntimeError("lightgcn: training diverged; a smaller `step` or `gain` is safer")
        n_users, n_items = matrix.shape
        self.user_factors_ = final[:n_users].copy()
        self.item_factors_ = final[n_users : n_users + n_items].copy()
        self.item_bias_ = np.empty(0, np.float32)


def _base(
    adjacency: sparse.csr_array,
    shape: tuple[int, int],
    config: LightGCNConfig,
    rng: np.random.Generator,
    warm_start: Recommender | None,
) -> FloatArray:
    """The embeddings to start from, (n_nodes, factors) float32, those of users and items of root mean square 0.1.

    Raises:
        ValueError: the warm start has no factors, or has those of other users or items or of another length.
    """
    n_users, n_items = shape
    base = 0.1 * rng.standard_normal((adjacency.shape[0], config.factors), np.float32)
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
        found = singular_vectors(adjacency[:n_users, n_users : n_users + n_items], config.factors, rng)
    else:
        return base
    scale = np.sqrt(np.square(found).mean()) if found.size else 0
    if scale > 0:
        base[: len(found), : found.shape[1]] = found * np.float32(0.1 / scale)
    return base


def singular_vectors(matrix: sparse.csr_array, rank: int, rng: np.random.Generator) -> FloatArray:
    """Rows, then columns of `matrix` in its first `rank` singular directions, each by the root of its value.

    Randomised, by four power iterations on 16 directions more than asked for (Halko, Martinsson & Tropp 2011).

    Args:
        matrix: (m, n) float32.
        rank: at least 1.
        rng: the source of randomness.

    Returns:
        (m + n, min(rank, m, n)) float32.
    """
    with threadpool_limits(1, "blas"):  # so that the bits do not depend on the number of threads
        basis = rng.standard_normal((matrix.shape[1], min(rank + 16, *matrix.shape)), np.float32)
        for _ in range(4):
            basis = np.linalg.qr(matrix.T @ (matrix @ basis))[0]
        left, values, right = np.linalg.svd(matrix @ basis, full_matrices=False)
        both = np.vstack([left, basis @ right.T]) * np.sqrt(values)
    return np.ascontiguousarray(both[:, :rank], np.float32)


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
        negatives=config.negatives,
        negative_weight=config.negative_weight,
        seed=int(rng.integers(2**31)),
    )
    final, change, back = (np.empty_like(base) for _ in range(3))
    epochs = config.passes(matrix.nnz)
    gain = np.float32(config.gain if config.layers else 1)  # without layers the change comes back whole
    for epoch in range(epochs):
        for part, positives in enumerate(descent.shuffled(config.refreshes)):
            done = (epoch + part / config.refreshes) / epochs
            step = config.step * ((1 + cos(pi * done)) / 2 + _LAST_STEP)
            propagation.propagate(base, weights, final)
            np.copyto(change, final)
            descent.descend(final[users], final[items], positives, step)
            np.subtract(final, change, out=change)
            propagation.propagate(change, weights, back)
            back *= gain
            base *= np.float32(1 - config.shrink * step)
            base += back
        progress(epoch + 1, epochs)
    return base
