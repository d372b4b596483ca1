"""NGCF the plain way: dense matrices, torch's own gradients. Slow and obviously right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Parameters(NamedTuple):
    """base: (n, f); own, mixed: a (f, f) matrix per layer, W1 and W2 of the paper."""

    base: Tensor
    own: list[Tensor]
    mixed: list[Tensor]


def laplacian(likes: np.ndarray) -> Tensor:
    """D^-1/2 A D^-1/2 of the graph of users and items, (n, n) float64; `likes` is a dense 0/1 matrix."""
    n_users, n_items = likes.shape
    graph = np.zeros((n_users + n_items, n_users + n_items))
    graph[:n_users, n_users:] = likes
    graph[n_users:, :n_users] = likes.T
    degree = np.maximum(graph.sum(axis=1), 1)  # a node without an edge has an empty row, whatever its scale
    return torch.from_numpy(graph / np.sqrt(degree[:, None] * degree[None, :]))


def final_embeddings(graph: Tensor, parameters: Parameters, masks: list[Tensor] | None = None) -> Tensor:
    """Equations 7 and 8 of the paper and the concatenation of 9.

    Args:
        graph: (n, n) of `laplacian`.
        parameters: what is learned.
        masks: (n, f) a layer, by which its output is multiplied: the message dropout.
    """
    layer, layers = parameters.base, [parameters.base]
    identity = torch.eye(len(graph), dtype=graph.dtype)
    for depth, (own, mixed) in enumerate(zip(parameters.own, parameters.mixed, strict=True)):
        layer = (graph + identity) @ layer @ own + ((graph @ layer) * layer) @ mixed
        layer = torch.where(layer > 0, layer, 0.2 * layer)
        if masks is not None:
            layer = layer * masks[depth]
        layers.append(layer)
    return torch.cat(layers, dim=1)
