"""The network of `pinsage`: items told about their neighbours by convolutions. Imports torch.

Ying et al. 2018, "Graph convolutional neural networks for web-scale recommender systems", algorithms 1 and 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

from models.base import FloatArray
from models.graph.propagation import adjacency_tensor
from models.neural.layers import Dropout
from models.numerics.sparse_product import multiply

if TYPE_CHECKING:
    from models.graph.pinsage_config import PinSageConfig

_SPREAD = 0.1  # standard deviation of random first embeddings
_SMALL = 0.1  # share of it beside the singular vectors
_LEAST_LENGTH = 1e-6  # of a row that has a direction
_PRIOR_LIKES = 1.0  # so that an item without likes has a popularity


class NetworkInputs(NamedTuple):
    """The features and neighbours of all items, and how much is known of them by likes.

    Attributes:
        features: (n_items, n_features) float32, their descriptions.
        importance: (n_items, n_items) float32, the share of each neighbour; rows sum to 1 or are empty.
        evidence: (n_items,) float32 from 0 to 1, how much the embedding and the neighbours of each count.
    """

    features: sparse.csr_array
    importance: sparse.csr_array
    evidence: FloatArray


class PinSageNetwork(nn.Module):
    """A vector of unit length for each item.

    It starts as the sum of the item's embedding and of the vectors of its features. A convolution adds up a linear map
    of itself and one of the mean of its neighbours, weighted by importance, and makes its length 1. Both maps start
    as the identity. As in LightGCN, and unlike in the paper, nothing is cut off below 0: singular vectors, from which
    the embeddings start, have both signs.

    In training the embedding and the neighbours of some items are hidden. So their features learn to stand for an item
    that nobody has met, which has neither. The embedding and the neighbours of an item with few likes count less, by
    `NetworkInputs.evidence`.

    Args:
        n_items: number of items.
        n_features: number of features.
        config: hyperparameters.
    """

    def __init__(self, n_items: int, n_features: int, config: PinSageConfig) -> None:
        super().__init__()
        f = config.factors
        self.items = nn.Parameter(torch.randn(n_items, f) * _SPREAD)
        self.features = nn.Parameter(torch.zeros(n_features, f))
        self.own = nn.ModuleList(nn.Linear(f, f) for _ in range(config.layers))
        self.of_neighbours = nn.ModuleList(nn.Linear(f, f, bias=False) for _ in range(config.layers))
        self.popularity = nn.Parameter(torch.zeros(n_items))
        self.hide, self.dropout = Dropout(config.id_dropout), Dropout(config.dropout)
        for own, of_neighbours in zip(self.own, self.of_neighbours, strict=True):
            nn.init.eye_(own.weight)  # type: ignore[arg-type]
            nn.init.zeros_(own.bias)  # type: ignore[arg-type]
            nn.init.eye_(of_neighbours.weight)  # type: ignore[arg-type]

    def forward(self, products: Products) -> torch.Tensor:
        """Return the vectors of all items, (n_items, f)."""
        shown = products.evidence * (self.hide(torch.ones_like(products.evidence)) > 0)
        x = unit_rows(self.items * shown + products.features(self.features))
        for own, of_neighbours in zip(self.own, self.of_neighbours, strict=True):
            x = self.dropout(x)
            x = unit_rows(own(x) + shown * of_neighbours(products.importance(x)))
        return x

    def start_from(self, vectors: FloatArray) -> None:
        """Write the vectors, (n_items, at most f), over the first ones of the items."""
        with torch.no_grad():
            self.items.mul_(_SMALL)[:, : vectors.shape[1]] = torch.from_numpy(vectors).to(self.items.device)

    def start_features(self, features: sparse.csr_array) -> None:
        """Make each feature the mean of the embeddings of its items, weighted by `features`, (n_items, n_features)."""
        items = self.items.detach().cpu().numpy()
        sums = np.asarray(features.T @ items)
        totals = np.maximum(np.asarray(features.sum(axis=0)), 1e-9)
        with torch.no_grad():
            self.features.copy_(torch.from_numpy(sums / totals[:, None]))

    def start_popularity(self, counts: NDArray[np.int64]) -> None:
        """Make the popularity the logarithm of the likes, (n_items,), over the most likes of any item."""
        likes = counts + _PRIOR_LIKES
        with torch.no_grad():
            self.popularity.copy_(torch.from_numpy(np.log(likes / likes.max(initial=1))))


class Products:
    """The sparse products of a network, on a device.

    Args:
        inputs: of all items.
        device: of the network.
    """

    def __init__(self, inputs: NetworkInputs, device: torch.device) -> None:
        self._features = SparseProduct(inputs.features, device)
        self._importance = SparseProduct(inputs.importance, device)
        self.evidence = torch.from_numpy(inputs.evidence).to(device)[:, None]

    def features(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the sum of the vectors of each item's features, (n_items, f), from (n_features, f)."""
        return self._features(vectors)

    def importance(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of each item's neighbours, (n_items, f), from (n_items, f)."""
        return self._importance(x)


def unit_rows(x: torch.Tensor) -> torch.Tensor:
    """Return the rows of x, (n, f), at length 1; rows of 0 stay 0 and have gradients of 1, not 1e12 as torch's own."""
    lengths = x.norm(dim=1, keepdim=True)
    return x / torch.where(lengths > _LEAST_LENGTH, lengths, 1.0)


class SparseProduct:
    """The function x ↦ matrix · x, differentiable in x; on a CPU its bits do not depend on the number of threads.

    Args:
        matrix: (m, n) float32.
        device: where x lives.
    """

    def __init__(self, matrix: sparse.csr_array, device: torch.device) -> None:
        transposed = sparse.csr_array(matrix.T)
        self._on_cpu = device.type == "cpu"
        self._both: Any = matrix, transposed
        if not self._on_cpu:
            self._both = adjacency_tensor(matrix, device), adjacency_tensor(transposed, device)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product, (m, f), with x, (n, f)."""
        found: torch.Tensor = _Product.apply(*self._both, x)  # type: ignore[no-untyped-call]
        return found


class _Product(torch.autograd.Function):
    """A product whose gradient is one with the transposed matrix."""

    @staticmethod
    def forward(ctx: Any, matrix: Any, transposed: Any, x: Any) -> Any:
        ctx.transposed = transposed
        return _times(matrix, x)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return None, None, _times(ctx.transposed, gradient)


def _times(matrix: Any, x: torch.Tensor) -> torch.Tensor:
    if isinstance(matrix, torch.Tensor):
        return matrix @ x
    return torch.from_numpy(multiply(matrix, x.detach().contiguous().numpy()))
