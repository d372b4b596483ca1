"""Reference implementation of gradient descent on embeddings: one positive at a time, with autograd."""

from __future__ import annotations

import numpy as np
import torch

from models.graph.lightgcn_config import LightGCNConfig
from models.graph.lightgcn_gpu import ranking_loss


def draw(
    known: np.ndarray, state: int, n: int, liked: frozenset[int] = frozenset()
) -> tuple[np.ndarray, int]:
    """Draw n items by xorshift64, fewer where 20 tries find only liked ones; return them and the new state."""
    items = []
    for _ in range(n):
        for _ in range(20):
            state ^= (state << 13) % 2**64
            state ^= state >> 7
            state ^= (state << 17) % 2**64
            item = known[((state >> 32) * len(known)) >> 32]
            if item not in liked:
                items.append(item)
                break
    return np.array(items, int), state


def descend(
    users: np.ndarray,
    items: np.ndarray,
    shards: list[list[tuple[int, int]]],
    known: np.ndarray,
    seeds: list[int],
    steps: np.ndarray,
    config: LightGCNConfig,
    liked: list[frozenset[int]],
) -> tuple[np.ndarray, np.ndarray]:
    """Return users and items after one pass: each shard changes its own copy of the items, then all changes add up.

    With BPR no item of `liked`, one set per user, is a negative; a negative that is missing counts as a loss of 0.
    """
    users, copies = torch.tensor(users), [torch.tensor(items) for _ in shards]
    for shard, mine, seed in zip(shards, copies, seeds, strict=True):
        state = seed
        for user, item in shard:
            own = liked[user] if config.loss == "bpr" else frozenset[int]()
            drawn, state = draw(known, state, config.negatives_drawn(), own)
            if not len(drawn):
                continue
            nodes, u = [item, *drawn], users[user].clone()
            scores = (mine[nodes] @ u).requires_grad_()
            share = len(drawn) / config.negatives_drawn()
            torch.autograd.backward(share * ranking_loss(scores[None], config.loss, config.negative_weight))
            for node, slope in zip(nodes, scores.grad, strict=True):  # an item drawn twice is changed twice
                users[user] -= steps[user].item() * slope * mine[node]
                mine[node] -= steps[user].item() * slope * u
    return users.numpy(), items + sum(mine.numpy() - items for mine in copies)
