"""The network of `caser` (Tang & Wang 2018, section 3.2). Imports torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from models.neural.layers import Dropout
from models.sequence.histories import PADDING
from models.sequence.next_item import SequenceNetwork

if TYPE_CHECKING:
    from models.sequence.config import CaserConfig

_SPREAD = 0.02  # standard deviation of the first embeddings


class CaserNetwork(SequenceNetwork):
    """Embeddings of items, horizontal and vertical convolutions over each window, a fully connected layer.

    Args:
        n_items: number of items.
        config: hyperparameters.
    """

    def __init__(self, n_items: int, config: CaserConfig) -> None:
        super().__init__()
        self.latest, factors = config.latest, config.factors
        self.items = nn.Embedding(n_items + 1, factors)
        nn.init.normal_(self.items.weight, std=_SPREAD)
        self.horizontal = nn.ModuleList(
            nn.Linear(height * factors, config.horizontal_filters) for height in range(1, self.latest + 1)
        )
        self.vertical = nn.Linear(self.latest, config.vertical_filters, bias=False)
        n_found = self.latest * config.horizontal_filters + factors * config.vertical_filters
        self.joined = nn.Linear(n_found, factors)
        self.dropout = Dropout(config.dropout)

    def encode(self, sequences: torch.Tensor) -> torch.Tensor:
        """Return a vector for every place, (b, w, f), of the window that ends there; see `SequenceNetwork`."""
        vectors = self.items(sequences) * (sequences != PADDING)[..., None]
        vectors = functional.pad(self.dropout(vectors), (0, 0, self.latest - 1, 0))
        windows = vectors.unfold(1, self.latest, 1).transpose(2, 3)  # (b, w, latest, f)
        found = [
            torch.stack(
                [filters(windows[:, :, top : top + height].flatten(2)) for top in range(self.latest - height + 1)]
            ).relu().amax(dim=0)
            for height, filters in enumerate(self.horizontal, 1)
        ]  # fmt: skip
        weighed = self.vertical(windows.transpose(2, 3)).flatten(2)
        return self.joined(self.dropout(torch.cat([*found, weighed], dim=2)))
