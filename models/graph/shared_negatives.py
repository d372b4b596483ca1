"""Losses of a block of users that share their negatives, so that all scores but the likes' are one dense product.

Imports torch, which takes a second.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn import functional

Loss = Literal["softmax", "bpr"]

_NEVER = -1e9  # the score of a negative that the user likes; with −inf gradients would be NaN
_ROWS = 1024  # pairs gathered at a time: they stay in the cache


class Block(NamedTuple):
    """Some users, all that they like, and items that they are compared with.

    Attributes:
        users: (b,) users.
        likes: (b, n_items), their rows, sorted indices.
        negatives: (k,) distinct items; one that a user likes is none of that user's negatives.
    """

    users: NDArray[np.int64]
    likes: sparse.csr_array
    negatives: NDArray[np.int64]


def draw_negatives(n_items: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` distinct items, each as likely as any other; all of them if there are no more."""
    if count >= n_items:
        return np.arange(n_items)
    return np.sort(rng.choice(n_items, count, replace=False, shuffle=False))


def block_loss(
    users: Tensor, items: Tensor, block: Block, loss: Loss, temperature: float, rng: np.random.Generator
) -> Tensor:
    """The mean loss of the block's likes; scores are products over `temperature`.

    softmax: −log of the like's share in the softmax over it and all items that its user does not like, their sum
    estimated by that over the negatives. bpr: −log σ(score of the like − score of one of the negatives).

    Args:
        users: (b, f), the embeddings of the block's users.
        items: (n_items, f).
        block: whom and what to compare.
        loss: which.
        temperature: above 0; the smaller, the more the hardest negatives count.
        rng: draws the negative of each like, for `bpr`.
    """
    device, likes = users.device, block.likes
    users = users / temperature
    rows = torch.from_numpy(_rows(likes)).to(device)
    liked = pair_scores(users, items, likes)
    scores = users @ items[torch.from_numpy(block.negatives).to(device)].T
    _mask_likes(scores, block)
    if loss == "bpr":
        drawn = torch.from_numpy(rng.integers(0, len(block.negatives), likes.nnz)).to(device)
        return functional.softplus(scores[rows, drawn] - liked).mean()
    unseen = math.log(likes.shape[1] / len(block.negatives))
    return functional.softplus(torch.logsumexp(scores, dim=1)[rows] + unseen - liked).mean()


def _mask_likes(scores: Tensor, block: Block) -> None:
    """Take the items that the user likes out of the negatives' scores, (b, k)."""
    at = np.full(block.likes.shape[1], -1)
    at[block.negatives] = np.arange(len(block.negatives))
    columns = at[block.likes.indices]
    liked = np.stack([_rows(block.likes), columns])[:, columns >= 0]
    scores.index_put_(tuple(torch.from_numpy(liked).to(scores.device)), scores.new_tensor(_NEVER))


def pair_scores(users: Tensor, items: Tensor, pairs: sparse.csr_array) -> Tensor:
    """users[row] · items[column] of every stored pair, in their order: (pairs.nnz,)."""
    if users.device.type == "cpu":
        scores: Tensor = _PairScores.apply(users, items, pairs)  # type: ignore[no-untyped-call]
        return scores
    rows = torch.from_numpy(_rows(pairs)).to(users.device)
    columns = torch.from_numpy(pairs.indices.astype(np.int64)).to(users.device)
    return (users[rows] * items[columns]).sum(dim=1)


class _PairScores(torch.autograd.Function):
    """Without arrays of all pairs' embeddings, a hundred times the size of the scores."""

    @staticmethod
    def forward(ctx: Any, users: Tensor, items: Tensor, pairs: sparse.csr_array) -> Tensor:
        ctx.save_for_backward(users, items)
        ctx.pairs = pairs
        left, right = users.numpy(), items.numpy()
        rows = _rows(pairs)
        scores = np.empty(pairs.nnz, np.float32)
        for start in range(0, pairs.nnz, _ROWS):
            part = slice(start, start + _ROWS)
            np.einsum("ij,ij->i", left[rows[part]], right[pairs.indices[part]], out=scores[part])
        return torch.from_numpy(scores)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        users, items = (tensor.numpy() for tensor in ctx.saved_tensors)
        pairs = ctx.pairs
        slopes = sparse.csr_array((gradients[0].numpy(), pairs.indices, pairs.indptr), shape=pairs.shape)
        return torch.from_numpy(slopes @ items), torch.from_numpy(slopes.T @ users), None


def _rows(matrix: sparse.csr_array) -> NDArray[np.int64]:
    """The row of every stored entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
