"""How NGCF is trained: Adam, each step one pass over the graph and one block of users. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, Progress
from models.graph.bi_interaction import final_embeddings, graph_product
from models.graph.propagation import normalized_adjacency, torch_device
from models.graph.shared_negatives import Block, NegativeSampler, block_loss
from models.linear.spectrum import right_singular

if TYPE_CHECKING:
    from models.graph.ngcf import NGCFConfig

_START_LENGTH = 0.5  # root mean square of the rows that start from singular vectors
_WARM_UP = 10  # steps until the learning rate is full


def train(
    matrix: sparse.csr_array, config: NGCFConfig, rng: np.random.Generator, progress: Progress
) -> FloatArray:
    """The final embeddings of the users, then the items: (n_users + n_items, (layers + 1) · factors) float32."""
    device = torch_device(config.device)
    adjacency = normalized_adjacency(matrix)
    likes = sparse.csr_array(adjacency[: matrix.shape[0], matrix.shape[0] :])
    product = graph_product(adjacency, device)
    base, weights = initial_parameters(likes, config, rng, device)
    # The gradient of regularization × the mean squared length of the rows.
    decay = 2 * config.regularization / max(len(base), 1)
    groups: list[dict[str, Any]] = [{"params": [base], "weight_decay": decay}, {"params": weights}]
    optimizer = torch.optim.Adam(groups)
    sampler = NegativeSampler(likes, config.negatives)
    blocks = user_blocks(likes, config.batch, rng)
    upstream = torch.zeros(len(base), (config.layers + 1) * config.factors, device=device)
    for step in range(config.steps if likes.nnz else 0):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(step, config.steps)
        users = next(blocks)
        block = Block(users, sparse.csr_array(likes[users]), sampler.draw(rng))
        final = final_embeddings(base, weights, product, config.message_dropout, rng)
        _differentiate(final.detach(), block, config, rng, upstream)
        optimizer.zero_grad()
        final.backward(upstream)  # type: ignore[no-untyped-call]
        optimizer.step()
        progress(step + 1, config.steps)
    with torch.no_grad():
        final = final_embeddings(base, weights, product)
    return np.ascontiguousarray(final.cpu().numpy())


def _differentiate(
    final: torch.Tensor, block: Block, config: NGCFConfig, rng: np.random.Generator, gradient: torch.Tensor
) -> None:
    """Write the gradient of the block's loss with respect to `final`, where torch would make four of its size."""
    n_users = len(final) - block.likes.shape[1]
    chosen = torch.from_numpy(block.users).to(final.device)
    users = final.index_select(0, chosen).requires_grad_()
    items = final[n_users:].requires_grad_()
    loss = block_loss(users, items, block, config.loss, config.temperature, rng)
    gradient[:n_users] = 0
    gradient[chosen], gradient[n_users:] = torch.autograd.grad(loss, [users, items])


def initial_parameters(
    likes: sparse.csr_array, config: NGCFConfig, rng: np.random.Generator, device: torch.device
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Embeddings of the users, then the items, and the matrices W1 above W2 of each layer.

    Args:
        likes: (n_users, n_items), normalised by the roots of both degrees.
        config: says how long, how many, and where to start.
        rng: draws what is random.
        device: where they shall be.
    """
    factors = config.factors
    base = np.concatenate([_xavier(size, factors, rng) for size in likes.shape])
    weights = [
        np.concatenate([_xavier(factors, factors, rng) for _ in range(2)]) for _ in range(config.layers)
    ]
    if config.start == "svd":
        spectral = _spectral(likes, factors, rng)
        base[:, : spectral.shape[1]] = spectral
        for (
            weight
        ) in weights:  # the graph smooths singular vectors as they are; a random W1 would scramble them
            weight[:factors] = np.eye(factors)
    first, *others = (torch.from_numpy(array).to(device).requires_grad_() for array in (base, *weights))
    return first, others


def _spectral(likes: sparse.csr_array, factors: int, rng: np.random.Generator) -> FloatArray:
    """The leading singular vectors of both sides times the roots of their values, (n, at most `factors`)."""
    values, of_items = right_singular(likes, factors, seed=int(rng.integers(2**31)))
    both = np.concatenate([likes @ of_items / values, of_items]) * np.sqrt(values)
    length = np.sqrt(np.square(both).sum(axis=1).mean())
    scaled: FloatArray = (both * (_START_LENGTH / max(length, 1e-30))).astype(np.float32)
    return scaled


def _xavier(rows: int, columns: int, rng: np.random.Generator) -> FloatArray:
    """Uniform of variance 2 / (rows + columns) (Glorot & Bengio 2010)."""
    bound = math.sqrt(6 / (rows + columns))
    return rng.uniform(-bound, bound, (rows, columns)).astype(np.float32)


def user_blocks(likes: sparse.csr_array, batch: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Users with likes in random order, round after round, so many at a time that they have about `batch` likes."""
    users = np.flatnonzero(np.diff(likes.indptr))
    blocks = max(1, round(likes.nnz / batch))
    while True:
        yield from np.array_split(rng.permutation(users), blocks)


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a short rise, then half a cosine down."""
    return min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))
