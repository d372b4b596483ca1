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

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from models.base import BoolArray, Config, FloatArray, Progress
from models.device import torch_device
from models.graph import lightgcn_gpu
from models.graph.graph_model import GraphRecommender
from models.graph.grouped_softmax import GroupedDescent
from models.graph.initial_embeddings import noise, overlay, singular_embeddings
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.propagation import Propagation, normalized_adjacency
from models.graph.sampled_softmax import ShardedDescent
from models.interactions import Interactions, MatrixName
from models.warm_start import Rows, WarmStart, fill_from_neighbours, fill_new_rows

log = logging.getLogger(__name__)


class LightGCN(GraphRecommender):
    """LightGCN; the factors that it keeps are the propagated embeddings.

    Attributes:
        user_base_: (n_users, f) float32, the base embeddings, from which a later fit can start.
        item_base_: (n_items, f) float32.
    """

    name: ClassVar[str] = "lightgcn"
    in_words: ClassVar[str] = "hidden factors that spread along the network of people and items"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = LightGCNConfig
    config: LightGCNConfig

    user_base_: FloatArray
    item_base_: FloatArray

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,
    ) -> None:
        matrix = self._only_positive(matrix)
        config = self.config.for_data(matrix.nnz, int(self.known_items_.sum()))
        adjacency = self._graph(matrix, data)
        rng = np.random.default_rng(seed)
        base = noise(adjacency.shape[0], config.factors, rng)
        if warm_start is None:
            start = self._start(adjacency, matrix, data, seed, rng)
        else:
            start = _warm_base(warm_start, matrix, config.factors)
        warm = warm_start is not None
        _lay_start(base, matrix, start, warm=warm)

        def trained(config: LightGCNConfig) -> FloatArray:
            return _trained(base.copy(), matrix, adjacency, config, rng, progress, warm=warm)

        learned = trained(config)
        if not np.isfinite(learned).all() and config.gain is None:
            log.warning("%s diverged with the gain of sparse data; it is trained anew with 1.", self.name)
            learned = trained(self.config.for_crowds(matrix.nnz))
        base = learned
        final = Propagation(adjacency).propagate(base, config.weights())
        n_users, n_items = matrix.shape
        self.user_factors_ = final[:n_users].copy()
        self.item_factors_ = final[n_users : n_users + n_items].copy()
        self.item_bias_ = np.empty(0, np.float32)
        if self.warm_parts():
            self.user_base_, self.item_base_ = base[:n_users].copy(), base[n_users : n_users + n_items].copy()
        reached = _reached(adjacency, np.concatenate([self.known_users_, self.known_items_]), config.layers)
        self.known_users_, self.known_items_ = reached[:n_users], reached[n_users : n_users + n_items]

    def warm_parts(self) -> Mapping[str, Rows]:
        """Return the base embeddings; a new user or item starts at the mean of its neighbours' ones."""
        return {"user_base_": "users", "item_base_": "items"}

    def _graph(self, matrix: sparse.csr_array, data: Interactions) -> sparse.csr_array:  # noqa: ARG002
        """Return the normalized adjacency, (n_nodes, n_nodes): nodes are the users, the items, then any others."""
        return normalized_adjacency(matrix)

    def _start(
        self,
        adjacency: sparse.csr_array,
        matrix: sparse.csr_array,
        data: Interactions,
        seed: int,
        rng: np.random.Generator,
    ) -> FloatArray:
        """Return the vectors of users and items, of any length and scale, that a cold fit lays over the noise."""
        n_users, n_items = matrix.shape
        if self.config.start == "als":
            return self._alternating_least_squares(matrix, data, seed)
        if self.config.start == "svd":
            likes = adjacency[:n_users, n_users : n_users + n_items]
            return singular_embeddings(likes, self.config.factors, rng)
        return np.empty((0, 0), np.float32)

    def _alternating_least_squares(
        self, matrix: sparse.csr_array, data: Interactions, seed: int
    ) -> FloatArray:
        """Return the factors of an `als` that is fitted on the same likes."""
        from models.factors.als import ALS, ALSConfig  # noqa: PLC0415  (most fits do not need it)

        name = self.config.matrix or self.matrix
        config = ALSConfig(factors=self.config.factors, matrix=name)
        likes: dict[str, Any] = {name: matrix}
        als = ALS(config).fit(replace(data, **likes), seed=seed)
        return np.vstack([als.user_factors_, als.item_factors_])


def _reached(adjacency: sparse.csr_array, known: BoolArray, layers: int) -> BoolArray:
    """Return which nodes the vectors of known users and items reach in `layers` steps, (n_nodes,) bool."""
    reached = np.zeros(adjacency.shape[0], bool)
    reached[: len(known)] = known
    for _ in range(layers):
        reached |= (adjacency @ reached.astype(np.float32)) > 0
    return reached


def _warm_base(warm_start: WarmStart, matrix: sparse.csr_array, factors: int) -> FloatArray:
    """Return the base embeddings of the earlier fit, (n_users + n_items, factors); NaN without known neighbours."""
    n_users, n_items = matrix.shape
    users = warm_start.take("user_base_", n_users, factors)
    items = warm_start.take("item_base_", n_items, factors)
    fill_from_neighbours(users, items, matrix)
    return np.vstack([users, items])


def _lay_start(base: FloatArray, matrix: sparse.csr_array, start: FloatArray, *, warm: bool) -> None:
    """Turn noise into the base embeddings to start from, in place.

    Users and items without likes start at zero: noise would stay in their vectors where other edges reach them.

    Args:
        base: (n_nodes, factors) float32, noise.
        matrix: (n_users, n_items), the likes.
        start: vectors of users and items.
        warm: take `start` as it is, noise only in its NaN rows; else lay it over the noise, scaled.
    """
    n_users, n_items = matrix.shape
    degrees = np.concatenate([np.diff(matrix.indptr), np.bincount(matrix.indices, minlength=n_items)])
    if warm:
        fill_new_rows(start, base[: len(start)])
        base[: len(start)] = start
    else:
        overlay(base, start)
    base[: n_users + n_items][degrees == 0] = 0


def _trained(
    base: FloatArray,
    matrix: sparse.csr_array,
    adjacency: sparse.csr_array,
    config: LightGCNConfig,
    rng: np.random.Generator,
    progress: Progress,
    *,
    warm: bool,
) -> FloatArray:
    """Train on the device of the config; `base` may be changed in place. Return the base embeddings."""
    if not matrix.nnz:
        return base
    device = torch_device(config.device)
    if device.type == "cpu":
        return _descend_lazily(base, matrix, adjacency, config, rng, progress, warm=warm)
    return lightgcn_gpu.train(base, matrix, adjacency, config, rng, progress, device, warm=warm)


def _descend_lazily(
    base: FloatArray,
    matrix: sparse.csr_array,
    adjacency: sparse.csr_array,
    config: LightGCNConfig,
    rng: np.random.Generator,
    progress: Progress,
    *,
    warm: bool,
) -> FloatArray:
    """Train by lazy propagation on the CPU; `base` is changed in place and returned."""
    n_users, n_items = matrix.shape
    users, items = slice(0, n_users), slice(n_users, n_users + n_items)
    propagation, weights = Propagation(adjacency), config.weights()
    descent = _descent(matrix, config, seed=int(rng.integers(2**31)))
    final, change, back = (np.empty_like(base) for _ in range(3))
    for step, positives in config.refreshed(matrix.nnz, descent.shuffled, progress, warm=warm):
        propagation.propagate(base, weights, final)
        np.copyto(change, final)
        descent.descend(final[users], final[items], positives, step)
        np.subtract(final, change, out=change)
        propagation.propagate(change, weights, back)
        back *= np.float32(config.effective_gain())
        base *= np.float32(config.decay(step))
        base += back
    return base


def _descent(
    matrix: sparse.csr_array, config: LightGCNConfig, *, seed: int
) -> ShardedDescent | GroupedDescent:
    """Return the descent that changes the final embeddings between two propagations."""
    options: dict[str, Any] = {
        "negatives": config.negatives_drawn(),
        "negative_weight": config.weight_of_a_negative(len(np.unique(matrix.indices))),
        "seed": seed,
        "degree_exponent": config.degree_exponent,
    }
    if config.loss == "softmax" and (config.group or 1) > 1:
        return GroupedDescent(matrix, group=config.group or 1, **options)
    return ShardedDescent(matrix, loss=config.loss, **options)
