"""LightGCN trained as its authors do: propagation for every batch, gradients by autograd, steps of Adam.

The reference for the lazy propagation of `models.graph.lightgcn`, which does not use this module.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse

from models.base import FloatArray, Progress
from models.device import torch_device
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.lightgcn_gpu import ranking_loss
from models.graph.propagation import adjacency_tensor, propagate_tensor

BATCH = 2048  # positives
_DECAY = 1e-4


def train(
    base: FloatArray,
    matrix: sparse.csr_array,
    adjacency: sparse.csr_array,
    config: LightGCNConfig,
    rng: np.random.Generator,
    progress: Progress,
    learning_rate: float = 1e-3,
) -> FloatArray:
    """Train the base embeddings on the device that `config` names.

    Args:
        base: (n_nodes, f) float32, the embeddings to start from.
        matrix: (n_users, n_items), the positives.
        adjacency: (n_nodes, n_nodes), of `normalized_adjacency`.
        config: layers, loss, epochs and negatives.
        rng: the source of randomness.
        progress: called after every epoch.
        learning_rate: of Adam; by default the paper's.

    Returns:
        The trained base embeddings, (n_nodes, f) float32.
    """
    device = torch_device(config.device)
    graph = adjacency_tensor(adjacency, device)
    embeddings = torch.from_numpy(base).to(device).requires_grad_()
    optimizer = torch.optim.Adam([embeddings], lr=learning_rate)
    pairs = positive_pairs(matrix).to(device)
    known = torch.unique(pairs[:, 1])
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**31)))
    epochs, weight = config.passes(matrix.nnz), config.weight_of_a_negative(len(known))
    for epoch in range(epochs):
        order = torch.randperm(len(pairs), generator=generator, device=device)
        for batch in torch.split(pairs[order], BATCH):
            size = (len(batch), config.negatives_drawn())
            drawn = torch.randint(len(known), size, generator=generator, device=device)
            nodes = torch.column_stack([batch, known[drawn]])
            optimizer.zero_grad()
            torch.autograd.backward(batch_loss(embeddings, graph, nodes, config, weight))
            optimizer.step()
        progress(epoch + 1, epochs)
    trained: FloatArray = embeddings.detach().cpu().numpy()
    return trained


def positive_pairs(matrix: sparse.csr_array) -> torch.Tensor:
    """Return the nodes of every positive's user and item, (nnz, 2) int64; items come after the users."""
    users, items = matrix.nonzero()
    return torch.from_numpy(np.column_stack([users, items + matrix.shape[0]]).astype(np.int64))


def batch_loss(
    embeddings: torch.Tensor,
    graph: torch.Tensor,
    nodes: torch.Tensor,
    config: LightGCNConfig,
    negative_weight: float,
) -> torch.Tensor:
    """Return the loss of a batch, weight decay included, as a scalar.

    Args:
        embeddings: (n_nodes, f) float32, the base embeddings.
        graph: (n_nodes, n_nodes), of `adjacency_tensor`.
        nodes: (n, 2 + negatives) int64: a user, the positive item, the negatives.
        config: layers and loss.
        negative_weight: of a negative in the loss.
    """
    final = propagate_tensor(graph, embeddings, config.weights())[nodes]
    scores = (final[:, 1:] * final[:, :1]).sum(dim=2)
    decay = _DECAY * embeddings[nodes].square().sum(dim=2).mean()
    return ranking_loss(scores, config.loss, negative_weight) + decay
