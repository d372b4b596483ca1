"""How NGCF is trained: Adam, each step one pass over the graph and one block of users. Imports torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, Progress
from models.graph.bi_interaction import final_embeddings, graph_product
from models.graph.propagation import normalized_adjacency, torch_device
from models.graph.shared_negatives import Block, block_loss, draw_negatives

if TYPE_CHECKING:
    from models.graph.ngcf import NGCFConfig

_WARM_UP = 10  # steps until the learning rate is full


def train(
    matrix: sparse.csr_array, config: NGCFConfig, rng: np.random.Generator, progress: Progress
) -> FloatArray:
    """The final embeddings of the users, then the items: (n_users + n_items, (layers + 1) · factors) float32."""
    device = torch_device(config.device)
    adjacency = normalized_adjacency(matrix)
    likes = sparse.csr_array(adjacency[: matrix.shape[0], matrix.shape[0] :])
    product = graph_product(adjacency, device)
    base, weights = initial_parameters(matrix.shape, config, rng, device)
    optimizer = torch.optim.Adam([base, *weights], lr=config.learning_rate)
    n_users, n_items = matrix.shape
    blocks = user_blocks(likes, config.batch, rng)
    for step in range(config.steps if likes.nnz else 0):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * schedule(step, config.steps)
        users = next(blocks)
        block = Block(users, sparse.csr_array(likes[users]), draw_negatives(n_items, config.negatives, rng))
        optimizer.zero_grad()
        final = final_embeddings(base, weights, product, config.message_dropout, rng)
        chosen = torch.from_numpy(users).to(device)
        loss = block_loss(
            final.index_select(0, chosen), final[n_users:], block, config.loss, config.temperature, rng
        )
        if config.regularization:
            loss = loss + config.regularization * base.square().sum(dim=1).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        progress(step + 1, config.steps)
    with torch.no_grad():
        final = final_embeddings(base, weights, product)
    return np.ascontiguousarray(final.cpu().numpy())


def initial_parameters(
    shape: tuple[int, int], config: NGCFConfig, rng: np.random.Generator, device: torch.device
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Embeddings of the users, then the items, and a pair of matrices for each layer, all drawn as in the paper."""
    factors = config.factors
    base = np.concatenate([_xavier(size, factors, rng) for size in shape])
    weights = [
        np.concatenate([_xavier(factors, factors, rng) for _ in range(2)]) for _ in range(config.layers)
    ]
    first, *others = (torch.from_numpy(array).to(device).requires_grad_() for array in (base, *weights))
    return first, others


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
