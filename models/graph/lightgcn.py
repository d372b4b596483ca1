"""LightGCN (He et al. 2020): embeddings that are weighted means of their neighbourhoods in the user-item graph.

Trained by *lazy propagation*. The final embeddings are E = P X, where P is the weighted sum of the powers of the
normalized adjacency. P is linear and symmetric, so the gradient for the base embeddings X is P times the gradient for
E. Instead of propagating for every batch, gradient descent changes E directly for a part of an epoch, as if E were the
parameters. Then the change is propagated back at once, X += gain · P · change, and E = P X is computed anew. This takes
several hundred times fewer propagations; the only approximation is that E is slightly out of date.
`models.graph.lightgcn_gpu` does the same on a GPU, and `benchmarks.plain_lightgcn` is the plain training that it is
measured against.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from models.base import BoolArray, Config, FloatArray, Progress, Recommender
from models.device import torch_device
from models.graph import lightgcn_gpu
from models.graph.graph_model import GraphRecommender
from models.graph.initial_embeddings import noise, overlay, singular_embeddings
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.propagation import Propagation, normalized_adjacency
from models.graph.sampled_softmax import ShardedDescent
from models.interactions import Interactions, MatrixName
from models.ranking.factor_model import FactorRecommender


class LightGCN(GraphRecommender):
    """LightGCN; the factors that it keeps are the propagated embeddings.

    A warm start can be any factor model of the same users, the same items and the same length of vectors.
    """

    name: ClassVar[str] = "lightgcn"
    in_words: ClassVar[str] = "hidden factors that spread along the network of people and items"
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
        adjacency = self._graph(matrix, data)
        rng = np.random.default_rng(seed)
        if config.start == "als" and warm_start is None:
            warm_start = self._alternating_least_squares(matrix, data, seed)
        base = _base(adjacency, matrix, config, rng, warm_start)
        if matrix.nnz:
            device = torch_device(config.device)
            if device.type == "cpu":
                base = _descend_lazily(base, matrix, adjacency, config, rng, progress)
            else:
                base = lightgcn_gpu.train(base, matrix, adjacency, config, rng, progress, device)
        final = Propagation(adjacency).propagate(base, config.weights())
        n_users, n_items = matrix.shape
        self.user_factors_ = final[:n_users].copy()
        self.item_factors_ = final[n_users : n_users + n_items].copy()
        self.item_bias_ = np.empty(0, np.float32)
        reached = _reached(adjacency, np.concatenate([self.known_users_, self.known_items_]), config.layers)
        self.known_users_, self.known_items_ = reached[:n_users], reached[n_users : n_users + n_items]

    def _graph(self, matrix: sparse.csr_array, data: Interactions) -> sparse.csr_array:  # noqa: ARG002
        """Return the normalized adjacency, (n_nodes, n_nodes): nodes are the users, the items, then any others."""
        return normalized_adjacency(matrix)

    def _alternating_least_squares(
        self, matrix: sparse.csr_array, data: Interactions, seed: int
    ) -> Recommender:
        """Fit the `als` to start from on the same likes."""
        from models.factors.als import ALS, ALSConfig  # noqa: PLC0415  (most fits do not need it)

        name = self.config.matrix or self.matrix
        config = ALSConfig(factors=self.config.factors, matrix=name)
        likes: dict[str, Any] = {name: matrix}
        return ALS(config).fit(replace(data, **likes), seed=seed)


def _reached(adjacency: sparse.csr_array, known: BoolArray, layers: int) -> BoolArray:
    """Return which nodes the vectors of known users and items reach in `layers` steps, (n_nodes,) bool."""
    reached = np.zeros(adjacency.shape[0], bool)
    reached[: len(known)] = known
    for _ in range(layers):
        reached |= (adjacency @ reached.astype(np.float32)) > 0
    return reached


def _base(
    adjacency: sparse.csr_array,
    matrix: sparse.csr_array,
    config: LightGCNConfig,
    rng: np.random.Generator,
    warm_start: Recommender | None,
) -> FloatArray:
    """Return the base embeddings to start from, (n_nodes, factors) float32.

    Users and items without likes start at zero: noise would stay in their vectors where other edges reach them.

    Raises:
        ValueError: the warm start is not a factor model, or differs in its number of users or items or its factors.
    """
    n_users, n_items = matrix.shape
    base = noise(adjacency.shape[0], config.factors, rng)
    degrees = np.concatenate([np.diff(matrix.indptr), np.bincount(matrix.indices, minlength=n_items)])
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
        found = np.empty((0, 0), np.float32)
    overlay(base, found)
    base[: n_users + n_items][degrees == 0] = 0
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
