"""LightGCN trained as its authors do: propagate for every batch, let autograd find the gradient, step with Adam.

It is what `lightgcn`'s lazy propagation is measured against; no fit of the model comes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from models.base import FloatArray, Progress
from models.device import torch_device
from models.graph.propagation import adjacency_tensor, propagate_tensor

if TYPE_CHECKING:
    import torch

    from models.graph.lightgcn import LightGCNConfig
    from models.graph.sampled_softmax import Loss

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
    """Train on the device that `config` names.

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
    import torch  # noqa: PLC0415  (takes a second: only who fits pays it)

    device = torch_device(config.device)
    graph = adjacency_tensor(adjacency, device)
    embeddings = torch.from_numpy(base).to(device).requires_grad_()
    optimizer = torch.optim.Adam([embeddings], lr=learning_rate)
    n_users = matrix.shape[0]
    users = torch.from_numpy(np.repeat(np.arange(n_users), np.diff(matrix.indptr))).to(device)
    items = torch.from_numpy(matrix.indices.astype(np.int64)).to(device) + n_users
    known = torch.unique(items)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**31)))
    epochs, weight = config.passes(matrix.nnz), config.weight_of_a_negative(len(known))
    for epoch in range(epochs):
        order = torch.randperm(len(users), generator=generator, device=device)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            drawn = torch.randint(
                len(known), (len(batch), config.negatives_drawn()), generator=generator, device=device
            )
            nodes = torch.column_stack([users[batch], items[batch], known[drawn]])
            final = propagate_tensor(graph, embeddings, config.weights())[nodes]
            scores = (final[:, 1:] * final[:, :1]).sum(dim=2)
            decay = _DECAY * embeddings[nodes].square().sum(dim=2).mean()
            optimizer.zero_grad()
            torch.autograd.backward(ranking_loss(scores, config.loss, weight) + decay)
            optimizer.step()
        progress(epoch + 1, epochs)
    trained: FloatArray = embeddings.detach().cpu().numpy()
    return trained


def ranking_loss(scores: torch.Tensor, loss: Loss, negative_weight: float) -> torch.Tensor:
    """The mean loss of positives against their negatives.

    Args:
        scores: (n, 1 + negatives), the positive's first.
        loss: which one.
        negative_weight: as how many items each negative counts in the softmax.
    """
    import torch  # noqa: PLC0415  (as above)

    if loss == "bpr":
        return torch.nn.functional.softplus(scores[:, 1:] - scores[:, :1]).mean()
    weights = torch.full_like(scores[0], float(np.log(negative_weight)))
    weights[0] = 0
    return (torch.logsumexp(scores + weights, dim=1) - scores[:, 0]).mean()
