"""The network of NGCF, with hand-written gradients, in torch on any device (Wang et al. 2019, section 3).

Autograd of the same formulas takes several times the time and memory on a CPU: it makes a new array for every step of
a formula, and for the embeddings of a whole graph new memory is the main cost. Importing this module imports torch,
which takes a second; `models.graph.ngcf` imports it only to fit.
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

_SLOPE = 0.2  # of LeakyReLU below zero; the paper gives none, its authors' code uses TensorFlow's default
_CHANCES = 2**16  # dropout compares 16 random bits with a threshold


def graph_product(adjacency: sparse.csr_array, device: torch.device) -> GraphProduct:
    """Return the function x ↦ adjacency · x on `device`.

    Args:
        adjacency: (n, n) float32, symmetric.
        device: where x lives.

    Returns:
        A function of a dense (n, f) float32 tensor.
    """
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
    """Return the base and all layers, concatenated; differentiable in `base` and `weights`.

    A layer is LeakyReLU((A + I) E W1 + (A E ⊙ E) W2), equation 7 of the paper: each node combines its own embedding
    with those that it receives along the graph. With an `rng`, entries of a layer are set to zero with probability
    `dropout`, and the others scaled up to keep the mean. As in the paper, rows are not normalized; the authors' code
    divides each row by its length.

    Args:
        base: (n, f) float32, the embeddings of layer 0.
        weights: for each layer (2 f, f) float32, W1 above W2.
        product: multiplies by the graph's adjacency; see `graph_product`.
        dropout: probability, at least 0 and below 1.
        rng: draws the entries that are dropped; None, as after training, drops none.

    Returns:
        (n, (len(weights) + 1) · f) float32.
    """
    layers = [base]
    for weight in weights:
        kept = None if rng is None or not dropout else _kept(layers[-1], dropout, rng)
        layers.append(_Layer.apply(layers[-1], weight, product, kept, 1 - dropout))  # type: ignore[no-untyped-call]
    return torch.cat(layers, dim=1)


def _kept(layer: Tensor, dropout: float, rng: np.random.Generator) -> Tensor:
    """Return a mask of entries to keep; drawn by numpy, which is fast and makes all devices draw the same."""
    bits = rng.integers(0, 2**64, size=layer.numel() // 4 + 1, dtype=np.uint64)
    kept = bits.view(np.uint16)[: layer.numel()] >= round(dropout * _CHANCES)
    return torch.from_numpy(kept.reshape(layer.shape)).to(layer.device)


class _Layer(torch.autograd.Function):
    """One layer of `final_embeddings`, with hand-written gradients in place of autograd's."""

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
