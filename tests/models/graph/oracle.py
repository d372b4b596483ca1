"""Reference implementation of gradient descent on embeddings: one positive at a time, with autograd."""

from __future__ import annotations

import numpy as np
import torch

from models.graph.lightgcn_config import LightGCNConfig
from models.graph.lightgcn_gpu import ranking_loss


def draw(known: np.ndarray, state: int, n: int) -> tuple[np.ndarray, int]:
    """Draw n items by xorshift64; return them and the new state."""
    items = []
    for _ in range(n):
        state ^= (state << 13) % 2**64
        state ^= state >> 7
        state ^= (state << 17) % 2**64
        items.append(known[((state >> 32) * len(known)) >> 32])
    return np.array(items), state


def descend(
    users: np.ndarray,
    items: np.ndarray,
    shards: list[list[tuple[int, int]]],
    known: np.ndarray,
    seeds: list[int],
    steps: np.ndarray,
    config: LightGCNConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """Return users and items after one pass: each shard changes its own copy of the items, then all changes add up."""
    users, copies = torch.tensor(users), [torch.tensor(items) for _ in shards]
    for shard, mine, seed in zip(shards, copies, seeds, strict=True):
        state = seed
        for user, item in shard:
            drawn, state = draw(known, state, config.negatives_drawn())
            nodes, u = [item, *drawn], users[user].clone()
            scores = (mine[nodes] @ u).requires_grad_()
            torch.autograd.backward(ranking_loss(scores[None], config.loss, config.negative_weight))
            for node, slope in zip(nodes, scores.grad, strict=True):  # an item drawn twice is changed twice
                users[user] -= steps[user].item() * slope * mine[node]
                mine[node] -= steps[user].item() * slope * u
    return users.numpy(), items + sum(mine.numpy() - items for mine in copies)
