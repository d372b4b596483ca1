"""The network and loss of `neumf` (He et al. 2017, sections 3.2 to 3.4). Imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn
from torch.nn import functional

from models.base import FloatArray
from models.neural.early_stopping import LENGTH, CarveOut
from models.neural.layers import Dropout
from models.neural.training import Objective
from models.ranking.topk import Selector

if TYPE_CHECKING:
    from models.neural.neumf_config import NeuMFConfig

_SPREAD = 0.05  # standard deviation of the first embeddings
_USERS = 256  # users scored at a time
_ENTRIES = 4_000_000  # floats that the first hidden layer of a block of pairs may hold


class NeuMFNetwork(nn.Module):
    """A weighted product of one pair of embeddings, a small network over another, and biases of the items.

    Args:
        n_users: number of users.
        n_items: number of items.
        config: hyperparameters.
    """

    def __init__(self, n_users: int, n_items: int, config: NeuMFConfig) -> None:
        super().__init__()
        self.factors = f = config.factors
        self.has_product, self.has_mlp = config.parts != "mlp", config.parts != "gmf"
        self.item_bias = nn.Parameter(torch.zeros(n_items))
        self.bias = nn.Parameter(torch.zeros(()))
        if self.has_product:
            self.users, self.items = (_embedding(n, f) for n in (n_users, n_items))
            self.product_weights = nn.Parameter(torch.ones(f))
        if self.has_mlp:
            self.mlp_users, self.mlp_items = (_embedding(n, f) for n in (n_users, n_items))
            self.first = nn.Linear(2 * f, f)
            widths = [max(f // 2**i, 4) for i in range(config.layers)]
            self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
            self.last = nn.Linear(widths[-1], 1, bias=False)
            nn.init.zeros_(self.last.weight)  # the product alone ranks until the network has something to say
        self.dropout = Dropout(config.dropout)

    def forward(self, users: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
        """Return the scores of pairs, (n,), from the indices of users and of items, (n,) each."""
        score = self.item_bias[items] + self.bias
        if self.has_product:
            product = functional.embedding(users, self.users) * functional.embedding(items, self.items)
            score = score + product @ self.product_weights
        if self.has_mlp:
            both = [functional.embedding(users, self.mlp_users), functional.embedding(items, self.mlp_items)]
            score = score + self._mlp(self.first(self.dropout(torch.cat(both, dim=1))))
        return score

    def score_all(self, users: torch.Tensor) -> torch.Tensor:
        """Return the scores of all items for users, (b,) → (b, n_items).

        The first layer is a sum of a part of the user and one of the item, each computed once.
        """
        scores = (self.item_bias + self.bias).expand(len(users), -1)
        if self.has_product:
            scores = scores + (self.users[users] * self.product_weights) @ self.items.T
        if self.has_mlp:
            of_users, of_items = self.first.weight.split(self.mlp_users.shape[1], dim=1)
            left = self.mlp_users[users] @ of_users.T + self.first.bias
            right = self.mlp_items @ of_items.T
            rows = max(1, _ENTRIES // max(right.numel(), 1))
            parts = [self._mlp(some[:, None, :] + right) for some in left.split(rows)]
            scores = scores + torch.cat(parts)
        return scores

    def layers_after_first(self) -> nn.Sequential:
        """Return the network from the first layer's sums on, (..., f) → (..., 1)."""
        hidden = [part for layer in self.hidden for part in (layer, nn.ReLU())]
        return nn.Sequential(nn.ReLU(), *hidden, self.last)

    def _mlp(self, first: torch.Tensor) -> torch.Tensor:
        """Return what the layers make of the first one's sums, (..., f) → (...)."""
        x = first.relu_() if not torch.is_grad_enabled() else first.relu()
        for layer in self.hidden:
            x = layer(x).relu()
        found: torch.Tensor = self.last(x).squeeze(-1)
        return found

    def user_tables(self) -> list[nn.Parameter]:
        """Return the embeddings of the users, one or two tables of (n_users, f)."""
        return ([self.users] if self.has_product else []) + ([self.mlp_users] if self.has_mlp else [])

    def item_tables(self) -> list[torch.Tensor]:
        """Return the embeddings of the items, (n_items, f) each, those of the product with its weights."""
        return ([self.items * self.product_weights] if self.has_product else []) + (
            [self.mlp_items] if self.has_mlp else []
        )

    def replace_users(self, vectors: FloatArray) -> None:
        """Replace the embeddings of the users by others, (n, f or 2 f) float32: those of the product come first."""
        tables = iter(torch.from_numpy(vectors).split(self.factors, dim=1))
        if self.has_product:
            self.users = nn.Parameter(next(tables).contiguous())
        if self.has_mlp:
            self.mlp_users = nn.Parameter(next(tables).contiguous())

    def start_from(
        self, users: FloatArray, items: FloatArray, item_bias: FloatArray, scale: float, bias: float
    ) -> None:
        """Start from a factor model: scale · (users · items + item_bias) + bias.

        Args:
            users: (n_users, at most f).
            items: (n_items, at most f).
            item_bias: (n_items,).
            scale: of its scores.
            bias: the same for all pairs.
        """
        f, root = users.shape[1], np.float32(np.sqrt(scale))
        device = self.bias.device
        with torch.no_grad():
            for table, vectors in ((self.users, users), (self.items, items)):
                table.zero_()[:, :f] = torch.from_numpy(vectors * root).to(device)
            self.item_bias.copy_(torch.from_numpy(item_bias * np.float32(scale)))
            self.bias.fill_(bias)


def _embedding(n: int, factors: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(n, factors) * _SPREAD)


class Pairs(NamedTuple):
    """A batch: (n,) users, items, targets, and weights in the loss."""

    users: torch.Tensor
    items: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


class PairLoss(Objective[Pairs]):
    """Binary cross-entropy of likes against drawn items, or squared error of ratings.

    Args:
        name: of the model.
        network: on the device to train on.
        config: hyperparameters.
        carved: likes, or standardized ratings: what to train on and what decides when to stop.
    """

    network: NeuMFNetwork

    def __init__(self, name: str, network: NeuMFNetwork, config: NeuMFConfig, carved: CarveOut) -> None:
        self.name, self.network, self._config, self._carved = name, network, config, carved
        self._rates = config.objective == "rating"
        train = carved.train
        self._users = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
        self._keys = self._users * train.shape[1] + train.indices
        self._known = np.unique(train.indices).astype(np.int64)
        self._device = network.bias.device
        self.judged_by = "−RMSE" if self._rates else "NDCG@10"

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Pairs]:  # noqa: ARG002
        """Yield all stored entries in random order, likes each with items drawn for the same user."""
        order = rng.permutation(self._carved.train.nnz)
        drawn = 0 if self._rates else self._config.negatives
        n_batches = max(1, round(len(order) * (1 + drawn) / self._config.batch))
        for some in np.array_split(order, n_batches):
            parts = self._pairs(some, drawn, rng)
            yield Pairs(*(torch.from_numpy(part).to(self._device) for part in parts))

    def _pairs(
        self, some: NDArray[np.int64], drawn: int, rng: np.random.Generator
    ) -> tuple[NDArray[Any], ...]:
        train = self._carved.train
        values = train.data[some].astype(np.float32) if self._rates else np.ones(len(some), np.float32)
        users = np.tile(self._users[some], 1 + drawn)
        others = rng.choice(self._known, drawn * len(some))
        items = np.concatenate([train.indices[some], others])
        targets = np.concatenate([values, np.zeros(len(others), np.float32)])
        weights = np.ones(len(users), np.float32)
        weights[len(some) :] = ~self._is_stored(users[len(some) :], others)
        return users, items.astype(np.int64), targets, weights

    def _is_stored(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.bool_]:
        keys = users * self._carved.train.shape[1] + items
        at = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        found: NDArray[np.bool_] = self._keys[at] == keys
        return found

    def loss(self, batch: Pairs) -> torch.Tensor:
        """Return the mean loss of a pair, and the penalty of the embeddings that it read."""
        scores = self.network(batch.users, batch.items)
        if self._rates:
            losses = (scores - batch.targets).square()
        else:
            losses = functional.binary_cross_entropy_with_logits(scores, batch.targets, reduction="none")
        return (losses * batch.weights).sum() / batch.weights.sum() + self._penalty(batch)

    def _penalty(self, batch: Pairs) -> torch.Tensor:
        network, weight = self.network, self._config.regularization
        if not network.has_product or not weight:
            return torch.zeros((), device=self._device)
        squares = (network.users[batch.users].square(), network.items[batch.items].square())
        return weight * torch.stack([part.sum(dim=1).mean() for part in squares]).sum()

    def quality(self) -> float | None:
        """Return the NDCG@10 of the likes taken out, or −RMSE of the ratings taken out."""
        users = self._carved.users
        if not len(users):
            return None
        if self._rates:
            held = self._carved.held_out.tocoo()
            ids = (
                torch.from_numpy(part.astype(np.int64)).to(self._device)
                for part in (users[held.row], held.col)
            )
            errors = self.network(*ids).cpu().numpy() - held.data
            return -float(np.sqrt(np.mean(errors**2)))
        n_items = self._carved.train.shape[1]
        selector = Selector(
            np.arange(len(users)), LENGTH, np.arange(n_items, dtype=np.int32),
            sparse.csr_array(self._carved.train[users]), np.isin(np.arange(n_items), self._known),
        )  # fmt: skip
        for start in range(0, len(users), _USERS):
            block = torch.from_numpy(users[start : start + _USERS]).to(self._device)
            selector.select(start, self.network.score_all(block).cpu().numpy())
        return self._carved.ndcg_of(selector.top)
