"""Reference implementation of NGCF: dense matrices and autograd. Slow and obviously right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Parameters(NamedTuple):
    """Parameters: base (n, f); own and mixed, for each layer W1 and W2 of the paper, (f, f)."""

    base: Tensor
    own: list[Tensor]
    mixed: list[Tensor]


def laplacian(likes: np.ndarray) -> Tensor:
    """Return D^-1/2 A D^-1/2 of the graph of users and items, (n, n) float64; `likes` is a dense 0/1 matrix."""
    n_users, n_items = likes.shape
    graph = np.zeros((n_users + n_items, n_users + n_items))
    graph[:n_users, n_users:] = likes
    graph[n_users:, :n_users] = likes.T
    degree = np.maximum(graph.sum(axis=1), 1)  # a node without an edge has an empty row, whatever its scale
    return torch.from_numpy(graph / np.sqrt(degree[:, None] * degree[None, :]))


def final_embeddings(graph: Tensor, parameters: Parameters, masks: list[Tensor] | None = None) -> Tensor:
    """Return the final embeddings by equations 7 and 8 of the paper and the concatenation of 9.

    Args:
        graph: (n, n), from `laplacian`.
        parameters: the learned parameters.
        masks: for each layer (n, f), multiplied with its output: the message dropout.
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
