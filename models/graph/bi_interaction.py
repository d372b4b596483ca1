"""The network of NGCF, differentiated by hand, in torch on any device (Wang et al. 2019, section 3).

torch's own gradients of the same formulas take several times the time and memory on a CPU: there every step of a
formula is another array, and on embeddings of a whole graph it is fresh memory that costs. Importing this module
imports torch, which takes a second: who only wants to name the model imports `models.graph.ngcf` instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from models.graph.propagation import adjacency_tensor
from models.numerics.sparse_product import multiply

GraphProduct = Callable[[Tensor], Tensor]

_SLOPE = 0.2  # of LeakyReLU below zero: the paper names none, its code takes TensorFlow's default
_CHANCES = 2**16  # dropout compares 16 random bits


def graph_product(adjacency: sparse.csr_array, device: torch.device) -> GraphProduct:
    """x ↦ adjacency · x on `device`, for a symmetric (n, n) adjacency and dense (n, f) float32 x."""
    if device.type != "cpu":
        graph = adjacency_tensor(adjacency, device)
        return lambda x: graph @ x
    return lambda x: torch.from_numpy(multiply(adjacency, x.numpy()))


def final_embeddings(
    base: Tensor,
    weights: Sequence[Tensor],
    product: GraphProduct,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """The base, then every layer, side by side; differentiable in `base` and `weights`.

    A layer is LeakyReLU((A + I) E W1 + (A E ⊙ E) W2), equation 7 of the paper: embeddings flow along the graph, and
    each node mixes its own with what it receives. With an `rng`, entries of a layer are silenced with probability
    `dropout`, and the others raised to keep the mean. As in the paper, layers keep their lengths; its authors' code
    divides each row by its own.

    Args:
        base: (n, f) float32, the embeddings of layer 0.
        weights: for each layer (2 f, f), W1 above W2.
        product: of the graph's adjacency.
        dropout: below 1.
        rng: draws what is silenced.

    Returns:
        (n, (len(weights) + 1) · f) float32.
    """
    layers = [base]
    for weight in weights:
        kept = None if rng is None or not dropout else _kept(layers[-1], dropout, rng)
        layers.append(_Layer.apply(layers[-1], weight, product, kept, 1 - dropout))  # type: ignore[no-untyped-call]
    return torch.cat(layers, dim=1)


def _kept(layer: Tensor, dropout: float, rng: np.random.Generator) -> Tensor:
    """True where an entry survives. Drawn by numpy, which is quick at it, so that devices agree on it too."""
    words = rng.integers(0, 2**64, size=layer.numel() // 4 + 1, dtype=np.uint64)
    kept = words.view(np.uint16)[: layer.numel()] >= round(dropout * _CHANCES)
    return torch.from_numpy(kept.reshape(layer.shape)).to(layer.device)


class _Layer(torch.autograd.Function):
    """One layer from the one below, and its gradients in place of torch's own; the formula is `final_embeddings`'."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, product: GraphProduct, kept: Tensor | None, share: float
    ) -> Tensor:
        received = product(x)
        pair = x.new_empty(len(x), 2 * x.shape[1])
        torch.add(received, x, out=pair[:, : x.shape[1]])
        torch.mul(received, x, out=pair[:, x.shape[1] :])
        layer = functional.leaky_relu_(pair @ weight, _SLOPE)
        if kept is not None:
            layer.mul_(kept).div_(share)
        ctx.save_for_backward(x, weight, received, pair, layer)
        ctx.kept, ctx.product, ctx.share = kept, product, share
        return layer

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, received, pair, layer = ctx.saved_tensors
        gradient = torch.where(layer < 0, gradients[0] * _SLOPE, gradients[0])
        if ctx.kept is not None:
            gradient.mul_(ctx.kept).div_(ctx.share)
        of_sum, of_product = (gradient @ weight.T).chunk(2, dim=1)
        of_received = torch.addcmul(of_sum, of_product, x)
        of_x = torch.addcmul(of_sum, of_product, received).add_(ctx.product(of_received))
        return of_x, pair.T @ gradient, None, None, None
