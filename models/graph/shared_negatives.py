"""Losses of a block of users that share their negatives, so that all scores but the likes' are one dense product.

Imports torch, which takes a second.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from models.base import FloatArray

Loss = Literal["softmax", "bpr"]

_NEVER = -1e9  # the score of a negative that the user likes; with −inf gradients would be NaN
_ROWS = 1024  # pairs gathered at a time: they stay in the cache


class Negatives(NamedTuple):
    """Items that stand for all, as many as each of them stands for.

    Attributes:
        items: (k,) int64, distinct, ascending.
        weights: (k,) float32; a sum over all items is estimated by the sum over these with these weights.
    """

    items: NDArray[np.int64]
    weights: FloatArray


class Block(NamedTuple):
    """Some users, all that they like, and items that they are compared with.

    Attributes:
        users: (b,) int64.
        likes: (b, n_items), their rows, sorted indices.
        negatives: what all of them share; one that a user likes is none of that user's negatives.
    """

    users: NDArray[np.int64]
    likes: sparse.csr_array
    negatives: Negatives


class NegativeSampler:
    """Draws items, half evenly and half by popularity, each weighed by how rarely it is drawn.

    Weights make the sample stand for all items alike (Bengio & Senécal 2008); popular ones, whose gradients are great,
    come often with a small weight instead of seldom with a great one.
    """

    def __init__(self, likes: sparse.csr_array, count: int) -> None:
        degree = np.bincount(likes.indices, minlength=likes.shape[1])
        self._count = count
        self._probabilities = (1 / max(len(degree), 1) + degree / max(degree.sum(), 1)) / 2
        self._cumulative = np.cumsum(self._probabilities)

    def draw(self, rng: np.random.Generator) -> Negatives:
        """At most `count` items; all of them, once each, if there are no more."""
        n_items = len(self._probabilities)
        if self._count >= n_items:
            return Negatives(np.arange(n_items), np.ones(n_items, np.float32))
        at = rng.random(self._count) * self._cumulative[-1]
        drawn = np.searchsorted(self._cumulative, at, side="right").clip(max=n_items - 1)
        items, times = np.unique(drawn, return_counts=True)
        return Negatives(items, (times / (self._count * self._probabilities[items])).astype(np.float32))


def block_loss(
    users: Tensor, items: Tensor, block: Block, loss: Loss, temperature: float, rng: np.random.Generator
) -> Tensor:
    """The mean loss of the block's likes; scores are products over `temperature`.

    softmax: −log of the like's share in the softmax over it and all items that its user does not like, as the
    negatives estimate it. bpr: −log σ(score of the like − score of one of the negatives), drawn by their weights.

    Args:
        users: (b, f), the embeddings of the block's users.
        items: (n_items, f).
        block: whom and what to compare.
        loss: which.
        temperature: above 0; the smaller, the more the hardest negatives count.
        rng: draws the negative of each like, for `bpr`.
    """
    device, likes, (negatives, weights) = users.device, block.likes, block.negatives
    users = users / temperature
    rows = torch.from_numpy(_rows(likes)).to(device)
    liked = pair_scores(users, items, likes)
    scores = users @ items.index_select(0, torch.from_numpy(negatives).to(device)).T
    _mask_likes(scores, block)
    if loss == "bpr":
        drawn = rng.choice(len(negatives), likes.nnz, p=weights / weights.sum(dtype=np.float64))
        return functional.softplus(scores[rows, torch.from_numpy(drawn).to(device)] - liked).mean()
    others = torch.logsumexp(scores + torch.from_numpy(np.log(weights)).to(device), dim=1)
    return functional.softplus(others[rows] - liked).mean()


def _mask_likes(scores: Tensor, block: Block) -> None:
    """Take the items that the user likes out of the negatives' scores, (b, k)."""
    at = np.full(block.likes.shape[1], -1)
    at[block.negatives.items] = np.arange(len(block.negatives.items))
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
