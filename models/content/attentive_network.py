"""The network of `attentive_content`: items are sums of their features' vectors, users attend to their items.

He et al. 2018, "NAIS: neural attentive item similarity model for recommendation", TKDE 30(12), section 3, with item
vectors made of features in place of ids. Imports torch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from models.base import FloatArray
from models.content.attentive_config import AttentiveContentConfig
from models.neural.bags import Bags

MOST_LOGIT = 8.0  # of the attention, so that its exponential stays within float32


class Items(NamedTuple):
    """Some items, in the form in which the network reads them.

    Attributes:
        descriptions: their features.
        popularity: (k,) float32, see `attentive.standardised`.
        is_met: (k,) bool, whether the popularity is known.
    """

    descriptions: Bags
    popularity: torch.Tensor
    is_met: torch.Tensor


class AttentiveNetwork(nn.Module):
    """The parameters, and the scores of a batch.

    Args:
        start: (n_features, f) float32, the first vectors of the features, as items to score and in histories.
        spread: of the logarithm of items' likes: the first weight of the popularity.
        config: hyperparameters.
    """

    start: torch.Tensor

    def __init__(self, start: FloatArray, spread: float, config: AttentiveContentConfig) -> None:
        super().__init__()
        self.has_attention = config.attention
        self.register_buffer("start", torch.from_numpy(start))
        self.scored = nn.Parameter(torch.from_numpy(start.copy()))
        self.met = nn.Parameter(torch.from_numpy(start.copy()))
        self.attention = nn.Parameter(torch.zeros(start.shape[1]))
        self.smoothing = nn.Parameter(torch.zeros(()))
        self.popularity = nn.Parameter(torch.tensor(float(spread)))
        self.met_bias = nn.Parameter(torch.zeros(len(start), 1))
        self.new_bias = nn.Parameter(torch.zeros(len(start), 1))
        self.new_level = nn.Parameter(torch.zeros(()))

    def exponent(self) -> torch.Tensor:
        """Return β, which the sum of the attention is taken to, between 0 and 1 (equation 6 of the paper)."""
        return torch.sigmoid(self.smoothing)

    def bias(self, items: Items) -> torch.Tensor:
        """Return what an item scores for any user, (k,): by its popularity if that is known, and by its features."""
        met = self.popularity * items.popularity + items.descriptions.sums(self.met_bias)[:, 0]
        new = self.new_level + items.descriptions.sums(self.new_bias)[:, 0]
        return torch.where(items.is_met, met, new)

    def scores(
        self, wanted: torch.Tensor, bias: torch.Tensor, vectors: torch.Tensor, taken: torch.Tensor
    ) -> torch.Tensor:
        """Return Σ_j a_ij q_i·p_j / (Σ_j a_ij)^β + b_i, over the items j of each history.

        With exponential attention a_ij = exp(w · (q_i ∘ p_j)), and without 1.

        Args:
            wanted: (k, f) or (b, k, f), q: vectors of the items to score, for all users or for each.
            bias: (k,) or (b, k), their biases.
            vectors: (b, h, f), p: vectors of the items of each history.
            taken: (b, h) float32, 1 where there is an item and 0 where there is padding.

        Returns:
            (b, k) float32.
        """
        terms = vectors @ wanted.mT
        weights = taken[:, :, None]
        if self.has_attention:
            logits = vectors @ (wanted * self.attention).mT
            weights = weights * torch.exp(logits.clamp(-MOST_LOGIT, MOST_LOGIT))
        total = weights.sum(dim=1).clamp_min(1e-6)
        return (weights * terms).sum(dim=1) / total ** self.exponent() + bias

    def pull(self) -> torch.Tensor:
        """Return the squared distance of the parameters of features from their start, a scalar."""
        moved = self.scored - self.start, self.met - self.start, self.met_bias, self.new_bias
        return torch.stack([part.square().sum() for part in moved]).sum()


def rows_of(descriptions: Bags, popularity: FloatArray, is_met: np.ndarray) -> Items:
    """Return items as the network reads them: their descriptions, (k,) popularity and (k,) whether it is known."""
    return Items(descriptions, torch.from_numpy(popularity), torch.from_numpy(is_met))
