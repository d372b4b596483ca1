"""The network of `gru4rec`. Imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from models.neural.layers import Dropout
from models.sequence.histories import PADDING
from models.sequence.next_item import SequenceNetwork

if TYPE_CHECKING:
    from models.sequence.config import GRU4RecConfig

_SPREAD = 0.02  # standard deviation of the first embeddings


class GRU4RecNetwork(SequenceNetwork):
    """Embeddings of items, one gated recurrent layer, a projection into the space of the items.

    Args:
        n_items: number of items.
        config: hyperparameters.
    """

    def __init__(self, n_items: int, config: GRU4RecConfig) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, config.factors)
        nn.init.normal_(self.items.weight, std=_SPREAD)
        self.recurrent = nn.GRU(config.factors, config.hidden, batch_first=True)
        self.projection = nn.Linear(config.hidden, config.factors)
        self.dropout = Dropout(config.dropout)

    def encode(self, sequences: torch.Tensor) -> torch.Tensor:
        """Return a vector for every place, (b, w, f); see `SequenceNetwork`."""
        width = sequences.shape[1]
        places = torch.arange(width, device=sequences.device)
        n_padding = (sequences == PADDING).sum(dim=1, keepdim=True)
        # The padding goes to the end, so that the state before the first item is 0 whatever the width
        from_first = (places + n_padding) % width
        vectors = self.dropout(self.items(sequences.gather(1, from_first)))
        states, _ = self.recurrent(vectors)
        back = ((places - n_padding) % width)[..., None].expand(-1, -1, states.shape[2])
        return self.projection(self.dropout(states.gather(1, back)))
