"""Scores of `neumf` for users whose embeddings come from outside, for `recs export`. Imports torch."""

from __future__ import annotations

import torch
from torch.nn import functional

from models.base import BoolArray, FloatArray
from models.export.encoders import PairScorer, known_only
from models.neural.neumf_network import NeuMFNetwork


class NeuMFScorer(PairScorer):
    """Scores items by the product of embeddings plus the small network over the others, as `NeuMFNetwork` does.

    Args:
        known_items: (n_items,) bool.
        network: the trained network; it is changed: the users' embeddings are left out.
        item_bias: (n_items,) float32, added to the scores.
    """

    known: torch.Tensor
    bias: torch.Tensor
    weighted: torch.Tensor
    of_users: torch.Tensor
    right: torch.Tensor

    def __init__(self, known_items: BoolArray, network: NeuMFNetwork, item_bias: FloatArray) -> None:
        super().__init__()
        self.factors = network.factors
        with torch.no_grad():
            bias = network.item_bias + network.bias + torch.from_numpy(item_bias)
            if network.has_product:
                self.register_buffer("weighted", network.items * network.product_weights)
            if network.has_mlp:
                of_users, of_items = network.first.weight.split(network.factors, dim=1)
                self.register_buffer("of_users", of_users.clone())
                self.register_buffer("right", network.mlp_items @ of_items.T + network.first.bias)
        self.register_buffer(
            "known", torch.cat([torch.zeros(1, dtype=torch.bool), torch.tensor(known_items)])
        )
        self.register_buffer("bias", bias)
        self.layers = network.layers_after_first() if network.has_mlp else None

    def forward(self, user: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """Return scores, (b, k); see `PairScorer`."""
        numbers = known_only(candidates, self.known)
        items = (numbers - 1).clamp(min=0)
        score = self.bias[items]
        if hasattr(self, "weighted"):
            product = user[:, : self.factors, None]
            score = score + (functional.embedding(items, self.weighted) @ product).squeeze(2)
        if self.layers is not None:
            left = user[:, -self.factors :] @ self.of_users.T
            score = score + self.layers(left[:, None] + functional.embedding(items, self.right)).squeeze(2)
        return torch.where(numbers > 0, score, -torch.inf)
