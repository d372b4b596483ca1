"""The network of `sasrec`. Imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from models.neural.layers import Dropout
from models.sequence.histories import PADDING
from models.sequence.next_item import SequenceNetwork

if TYPE_CHECKING:
    from models.sequence.config import SASRecConfig

_SPREAD = 0.02  # standard deviation of the first parameters
_MASKED = -1e9  # not −∞: a row of padding alone would become NaN


class SASRecNetwork(SequenceNetwork):
    """Embeddings of items and places, blocks of causal self-attention, a last normalization.

    Args:
        n_items: number of items.
        config: hyperparameters.
    """

    def __init__(self, n_items: int, config: SASRecConfig) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, config.factors)
        self.places = nn.Parameter(torch.empty(config.length, config.factors))
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(
            Block(config.factors, config.heads, config.dropout) for _ in range(config.blocks)
        )
        self.last_norm = nn.LayerNorm(config.factors)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=_SPREAD)

    def encode(self, sequences: torch.Tensor) -> torch.Tensor:
        """Return a vector for every place, (b, w, f); see `SequenceNetwork`."""
        width = sequences.shape[1]
        vectors = self.dropout(self.items(sequences) + self.places[-width:])
        later = torch.ones(width, width, dtype=torch.bool, device=sequences.device).triu(1)
        hidden = later | (sequences == PADDING)[:, None, None, :]
        mask = torch.zeros(hidden.shape, device=sequences.device).masked_fill(hidden, _MASKED)
        for block in self.blocks:
            vectors = block(vectors, mask)
        return self.last_norm(vectors)


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each normalized before and added after.

    Args:
        factors: length of the vectors.
        heads: of the attention.
        dropout: share of the entries that become 0.
    """

    def __init__(self, factors: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_feed = nn.LayerNorm(factors), nn.LayerNorm(factors)
        self.query_key_value = nn.Linear(factors, 3 * factors)
        self.joined = nn.Linear(factors, factors)
        self.wide = nn.Linear(factors, 4 * factors)
        self.narrow = nn.Linear(4 * factors, factors)
        self.dropout = Dropout(dropout)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the block's output, (b, w, f).

        Args:
            x: (b, w, f).
            mask: (b, 1, w, w), added to the logits of the attention.
        """
        x = x + self.dropout(self._attended(self.before_attention(x), mask))
        wide = functional.gelu(self.wide(self.before_feed(x)))
        return x + self.dropout(self.narrow(self.dropout(wide)))

    def _attended(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        b, w, f = x.shape
        query, key, value = (
            self.query_key_value(x).view(b, w, 3, self.heads, f // self.heads).permute(2, 0, 3, 1, 4)
        )
        logits = query @ key.transpose(-1, -2) * (f // self.heads) ** -0.5 + mask
        weights = self.dropout(logits.softmax(dim=-1))
        return self.joined((weights @ value).transpose(1, 2).reshape(b, w, f))
