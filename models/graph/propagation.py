"""The graph of users and items, and what it means to pass embeddings along it (He et al. 2020, section 3.1).

Nodes are the users, then the items, then the features. With the symmetric normalised adjacency A and layer weights
w, propagation is E = w_0 X + w_1 A X + w_2 A² X + …: linear and symmetric, so that the gradient of a loss with respect
to X is the same sum over its gradient with respect to E.

`Propagation` computes on the CPU; `adjacency_tensor` and `propagate_tensor` do the same on any device of torch and
know their gradients.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from models.base import FloatArray
from models.numerics.sparse_product import multiply_add

if TYPE_CHECKING:
    import torch


def normalized_adjacency(
    matrix: sparse.csr_array, item_features: sparse.csr_array | None = None, feature_weight: float = 0.0
) -> sparse.csr_array:
    """D^-1/2 A D^-1/2 of the graph of users, items and, where `feature_weight` is not 0, their features.

    Args:
        matrix: (n_users, n_items); an entry is the weight of an edge, one that is not positive is no edge.
        item_features: (n_items, n_features), likewise.
        feature_weight: what the feature edges of an item weigh together, as a share of its users' edges.

    Returns:
        (n, n) symmetric float32 with sorted indices, n = n_users + n_items (+ n_features). Rows of nodes
        without an edge are empty.
    """
    likes = positive_entries(matrix)
    blocks: list[list[Any]] = [[None, likes], [likes.T, None]]
    if item_features is not None and feature_weight > 0:
        links = positive_entries(item_features)
        users, features = likes.sum(axis=0), links.sum(axis=1)
        share = np.divide(feature_weight * users, features, out=np.zeros(len(users)), where=features > 0)
        links = positive_entries(sparse.diags_array(share) @ links)
        blocks = [[None, likes, None], [likes.T, None, links], [None, links.T, None]]
    graph = sparse.csr_array(sparse.block_array(blocks, format="csr"))
    degree = graph.sum(axis=1)
    scale = np.divide(1, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    entries = graph.data * np.repeat(scale, np.diff(graph.indptr)) * scale[graph.indices]
    adjacency = sparse.csr_array((entries.astype(np.float32), graph.indices, graph.indptr), shape=graph.shape)
    adjacency.sort_indices()
    return adjacency


def positive_entries(matrix: Any) -> sparse.csr_array:
    """A copy without entries ≤ 0, in float64: the degrees of millions of edges want more digits than float32 has."""
    kept = sparse.csr_array(matrix, dtype=np.float64, copy=True)
    kept.data[kept.data <= 0] = 0
    kept.eliminate_zeros()
    return kept


class Propagation:
    """Products of one adjacency with dense embeddings, on the CPU.

    Every row is summed by one thread in the order of the matrix: results do not depend on their number.

    Attributes:
        adjacency: (n, n) float32.
    """

    def __init__(self, adjacency: sparse.csr_array) -> None:
        self.adjacency = adjacency
        self._spare = np.empty((0, 0), np.float32)  # kept: fresh pages cost as much as a product

    def propagate(
        self, base: FloatArray, layer_weights: Sequence[float], out: FloatArray | None = None
    ) -> FloatArray:
        """layer_weights[0] · base + layer_weights[1] · A · base + …

        By Horner's rule, w_0 base + A (w_1 base + A (w_2 base + …)): a layer is one pass, its sum included.

        Args:
            base: (n, f) float32, C-contiguous.
            layer_weights: a weight for each of the layers 0, 1, …, L.
            out: where to write the result, not `base` itself; by default a new array.

        Returns:
            (n, f) float32.
        """
        out = np.empty_like(base) if out is None else out
        *inner, outermost = layer_weights
        if not inner:
            return np.multiply(base, np.float32(outermost), out=out)
        if len(inner) > 1 and self._spare.shape != base.shape:
            self._spare = np.empty_like(base)
        x, gain = base, outermost
        for depth, own in zip(range(len(inner) - 1, -1, -1), reversed(inner), strict=True):
            target = out if depth % 2 == 0 else self._spare
            multiply_add(self.adjacency, x, base, target, gain=gain, own=own)
            x, gain = target, 1.0
        return out


def adjacency_tensor(adjacency: sparse.csr_array, device: torch.device) -> torch.Tensor:
    """The adjacency as a sparse CSR tensor, (n, n) float32 on `device`."""
    import torch  # noqa: PLC0415  (takes a second: only who fits pays it)

    indptr, indices = (
        torch.from_numpy(part.astype(np.int64)) for part in (adjacency.indptr, adjacency.indices)
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            indptr,
            indices,
            torch.from_numpy(adjacency.data),
            adjacency.shape,
            device=device,
            check_invariants=False,
        )


def propagate_tensor(
    adjacency: torch.Tensor, base: torch.Tensor, layer_weights: Sequence[float]
) -> torch.Tensor:
    """`Propagation.propagate` in torch, on the device of its arguments, differentiable with respect to `base`."""
    total, layer = layer_weights[0] * base, base
    for weight in layer_weights[1:]:
        layer = adjacency @ layer
        total = total + weight * layer
    return total
