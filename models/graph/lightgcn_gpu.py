"""Lazy propagation on a GPU: the training of `models.graph.lightgcn`, with batches in place of shards.

All positives of a batch are updated at once, from the embeddings before the batch. Everything else, and the meaning of
every field of the config, is as on the CPU. Sums on a GPU have no fixed order, so that no two fits have the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from models.base import FloatArray, Progress
from models.graph.propagation import adjacency_tensor, propagate_tensor
from models.graph.sampled_softmax import MOST_TRIES, Loss, user_shares

if TYPE_CHECKING:
    import torch

    from models.graph.lightgcn_config import LightGCNConfig

_BATCH = 512  # positives; so few that even a popular item rarely occurs twice in a batch
_BATCH_BYTES = 1e9  # memory that a batch may take


def train(
    base: FloatArray,
    matrix: sparse.csr_array,
    adjacency: sparse.csr_array,
    config: LightGCNConfig,
    rng: np.random.Generator,
    progress: Progress,
    device: torch.device,
    *,
    warm: bool = False,
) -> FloatArray:
    """Train the base embeddings on `device`.

    Args:
        base: (n_nodes, f) float32, the embeddings to start from.
        matrix: (n_users, n_items), the positives.
        adjacency: (n_nodes, n_nodes), from `normalized_adjacency`.
        config: hyperparameters.
        rng: source of randomness.
        progress: called after every epoch.
        device: a GPU.
        warm: run the last epochs only, those of a warm start.

    Returns:
        The trained base embeddings, (n_nodes, f) float32.
    """
    import torch  # noqa: PLC0415  (takes a second; only a fit needs it)

    graph, weights, n_users = adjacency_tensor(adjacency, device), config.weights(), matrix.shape[0]
    embeddings = torch.from_numpy(base).to(device)
    users = torch.from_numpy(np.repeat(np.arange(n_users), np.diff(matrix.indptr))).to(device)
    items = torch.from_numpy(matrix.indices.astype(np.int64)).to(device) + n_users
    shares = torch.from_numpy(user_shares(matrix, config.degree_exponent)).to(device)
    known, likes = torch.unique(items), pair_keys(users, items)
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**31)))
    weight, n_negatives = config.weight_of_a_negative(len(known)), config.negatives_drawn()

    def shuffled(parts: int) -> tuple[torch.Tensor, ...]:
        return torch.randperm(len(users), generator=generator, device=device).tensor_split(parts)

    for step, positives in config.refreshed(matrix.nnz, shuffled, progress, warm=warm):
        final = propagate_tensor(graph, embeddings, weights)
        change = final.clone()
        for batch in torch.split(positives, batch_size(n_negatives, config.factors)):
            size = (len(batch), n_negatives)
            negatives = known[torch.randint(len(known), size, generator=generator, device=device)]
            if config.loss == "bpr":
                redraw_likes(negatives, users[batch], items[batch], known, likes, generator)
            ranked = torch.column_stack([items[batch], negatives])
            _descend(change, users[batch], ranked, step * shares[users[batch]], config.loss, weight)
        change -= final
        embeddings *= config.decay(step)
        embeddings += config.effective_gain() * propagate_tensor(graph, change, weights)
    trained: FloatArray = embeddings.cpu().numpy()
    return trained


def redraw_likes(
    negatives: torch.Tensor,
    users: torch.Tensor,
    positives: torch.Tensor,
    known: torch.Tensor,
    likes: torch.Tensor,
    generator: torch.Generator,
) -> None:
    """Draw the negatives that their user likes again, in place; a positive itself stands where no try finds another.

    A positive that is compared with itself changes nothing: its two gradients cancel.

    Args:
        negatives: (b, n) int64 nodes of the drawn items.
        users: (b,) int64 nodes of the users.
        positives: (b,) int64 nodes of the positives.
        known: (k,) int64 nodes of the items to draw from.
        likes: (n_positives,) int64 keys from `pair_keys`, ascending.
        generator: source of randomness.
    """
    import torch  # noqa: PLC0415  (as above)

    owners = users[:, None].expand_as(negatives)
    for _ in range(MOST_TRIES - 1):
        is_liked = contains(likes, pair_keys(owners, negatives))
        n_liked = int(is_liked.sum())
        if not n_liked:
            return
        drawn = torch.randint(len(known), (n_liked,), generator=generator, device=known.device)
        negatives[is_liked] = known[drawn]
    is_liked = contains(likes, pair_keys(owners, negatives))
    negatives.copy_(torch.where(is_liked, positives[:, None], negatives))


def pair_keys(users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """Return one int64 for each pair of a user and an item; nodes are below 2³¹."""
    return (users << 31) + items


def contains(ascending: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Return whether each of `values` occurs in a sorted tensor of at least one element."""
    import torch  # noqa: PLC0415  (as above)

    at = torch.searchsorted(ascending, values).clamp(max=len(ascending) - 1)
    return ascending[at] == values


def batch_size(negatives: int, factors: int) -> int:
    """Return the number of positives in a batch: 512, or fewer if those would take more than a gigabyte.

    Args:
        negatives: items drawn against each positive.
        factors: length of the embeddings.
    """
    bytes_each = 3 * 4 * (1 + negatives) * factors  # items' vectors, their gradients, one copy of a product
    return max(1, min(_BATCH, int(_BATCH_BYTES / bytes_each)))


def _descend(
    final: torch.Tensor,
    users: torch.Tensor,
    ranked: torch.Tensor,
    steps: torch.Tensor,
    loss: Loss,
    negative_weight: float,
) -> None:
    """Take one gradient step for every row of `ranked`, a positive and its negatives, all at once and in place."""
    import torch  # noqa: PLC0415  (as above)

    of_users, of_items = final[users], final[ranked]
    scores = torch.einsum("bf,bnf->bn", of_users, of_items).requires_grad_()
    (slopes,) = torch.autograd.grad(ranking_loss(scores, loss, negative_weight) * len(users), scores)
    slopes = slopes * steps[:, None]
    final.index_add_(0, users, torch.einsum("bn,bnf->bf", slopes, of_items), alpha=-1)
    of_items = slopes[:, :, None] * of_users[:, None]
    final.index_add_(0, ranked.flatten(), of_items.flatten(0, 1), alpha=-1)


def ranking_loss(scores: torch.Tensor, loss: Loss, negative_weight: float) -> torch.Tensor:
    """Return the mean loss of positives against their negatives.

    Args:
        scores: (n, 1 + negatives); the positive's score comes first.
        loss: `softmax` or `bpr`.
        negative_weight: number of items that each negative counts as in the softmax.

    Returns:
        A scalar that is differentiable in `scores`.
    """
    import torch  # noqa: PLC0415  (as above)

    if loss == "bpr":
        return torch.nn.functional.softplus(scores[:, 1:] - scores[:, :1]).mean()
    weights = torch.full_like(scores[0], float(np.log(negative_weight)))
    weights[0] = 0
    return (torch.logsumexp(scores + weights, dim=1) - scores[:, 0]).mean()
