"""The graph of users and items, and propagation of embeddings along it (He et al. 2020, section 3.1).

Nodes are the users, then the items, then any others. With the symmetric normalized adjacency A and layer weights w,
propagation is E = w_0 X + w_1 A X + w_2 A² X + … It is linear and symmetric, so the gradient for X is the same
sum over the gradient for E.

`Propagation` computes on the CPU; `adjacency_tensor` and `propagate_tensor` do the same on any device of torch, and
support autograd.
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


def normalized_adjacency(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return D^-1/2 A D^-1/2 of the graph of users and items.

    Args:
        matrix: (n_users, n_items); an entry above 0 is the weight of an edge, other entries are ignored.

    Returns:
        (n, n) symmetric float32 with sorted indices, n = n_users + n_items. Rows of nodes without an edge are empty.
    """
    likes = positive_entries(matrix)
    graph = sparse.csr_array(sparse.block_array([[None, likes], [likes.T, None]], format="csr"))
    degree = np.asarray(graph.sum(axis=1), np.float64)
    scale = np.divide(1, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    entries = graph.data * np.repeat(scale, np.diff(graph.indptr)) * scale[graph.indices]
    adjacency = sparse.csr_array((entries.astype(np.float32), graph.indices, graph.indptr), shape=graph.shape)
    adjacency.sort_indices()
    return adjacency


def with_edges(matrix: sparse.csr_array, edges: sparse.csr_array, first: int) -> sparse.csr_array:
    """Return the normalized graph of likes with further edges: between users, or between items and other nodes.

    The edges between users and items are those of `normalized_adjacency`. A further edge weighs w / √(a b), with a and
    b the sums of all weights at its ends, likes included. So further edges count for less beside many likes, but likes
    do not count for less beside further edges. Normalised at once they would, and the vectors of items with few likes
    get so short that the items are never listed.

    Args:
        matrix: (n_users, n_items), the likes: an entry above 0 is the weight of an edge.
        edges: (k, k) symmetric float64 without negative entries.
        first: the node of the first row of `edges`: 0 for users, n_users for items and the nodes behind them.

    Returns:
        (n, n) symmetric float32 with sorted indices, n the greater of n_users + n_items and first + k.
    """
    likes = positive_entries(matrix)
    of_likes = np.concatenate([likes.sum(axis=1), likes.sum(axis=0)])
    n_known, n_all = len(of_likes), max(len(of_likes), first + edges.shape[0])
    degrees = np.asarray(edges.sum(axis=1), np.float64)
    ends = slice(first, min(first + len(degrees), n_known))
    degrees[: ends.stop - ends.start] += of_likes[ends]
    scale = sparse.diags_array(np.sqrt(np.divide(1, degrees, out=np.zeros_like(degrees), where=degrees > 0)))
    around = (first, n_all - first - len(degrees))
    blocks = [sparse.csr_array((size, size)) for size in around]
    further = sparse.block_diag([blocks[0], scale @ edges @ scale, blocks[1]], format="csr")
    padded = sparse.block_diag(
        [normalized_adjacency(matrix), sparse.csr_array((n_all - n_known, n_all - n_known))], format="csr"
    )
    graph = sparse.csr_array((padded + further).astype(np.float32))
    graph.sort_indices()
    return graph


def positive_entries(matrix: Any) -> sparse.csr_array:
    """Return a float64 copy without entries ≤ 0; degrees of millions of edges exceed float32's precision."""
    kept = sparse.csr_array(matrix, dtype=np.float64, copy=True)
    kept.data[kept.data <= 0] = 0
    kept.eliminate_zeros()
    return kept


class Propagation:
    """Propagation of dense embeddings along one graph, on the CPU.

    Each row is summed by one thread in the order of the matrix, so that no bit depends on the number of threads.

    Attributes:
        adjacency: (n, n) float32.
    """

    def __init__(self, adjacency: sparse.csr_array) -> None:
        self.adjacency = adjacency
        self._spare = np.empty((0, 0), np.float32)  # reused, because new memory costs as much as a product

    def propagate(
        self, base: FloatArray, layer_weights: Sequence[float], out: FloatArray | None = None
    ) -> FloatArray:
        """Return layer_weights[0] · base + layer_weights[1] · A · base + …

        Horner's rule, w_0 base + A (w_1 base + A (w_2 base + …)), makes each layer one pass that includes its sum.

        Args:
            base: (n, f) float32, C-contiguous.
            layer_weights: one weight for each of the layers 0, 1, …, L.
            out: (n, f) float32 array for the result, not `base` itself; by default a new one.

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
    """Return the (n, n) float32 adjacency as a sparse CSR tensor on `device`."""
    import torch  # noqa: PLC0415  (takes a second; only a fit on a GPU needs it)

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
    """Propagate as `Propagation.propagate` does, in torch on the device of the arguments; differentiable in `base`.

    Args:
        adjacency: (n, n) float32, from `adjacency_tensor`.
        base: (n, f) float32.
        layer_weights: one weight for each of the layers 0, 1, …, L.

    Returns:
        (n, f) float32.
    """
    total, layer = layer_weights[0] * base, base
    for weight in layer_weights[1:]:
        layer = adjacency @ layer
        total = total + weight * layer
    return total
