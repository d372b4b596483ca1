"""The user tower of `two_tower` without embedding and features of a user: what `recs export` writes. Imports torch."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import nn

from models.base import BoolArray
from models.export.encoders import ContextEncoder, HistoryEncoder, PaddedBags
from models.neural.bags import Bags
from models.retrieval.two_tower_network import TwoTowerNetwork, Users
from models.retrieval.visits import N_CLOCK


class _Summed(NamedTuple):
    """Bags whose sums, (b, f), are known already."""

    found: torch.Tensor

    def sums(self, vectors: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        """Return the sums."""
        return self.found


class TowerEncoder(HistoryEncoder):
    """The user tower without context: for users of whom no times are known.

    Args:
        known_items: (n_items,) bool.
        network: the trained network.
        temperature: that vectors are divided by.
    """

    def __init__(self, known_items: BoolArray, network: TwoTowerNetwork, temperature: float) -> None:
        super().__init__(known_items)
        self.network, self.temperature = copy.copy(network), temperature
        of_nobody: dict[str, nn.Parameter | None] = {
            "users": nn.Parameter(network.users[:1] * 0),
            "user_feature_vectors": nn.Parameter(network.user_feature_vectors[:0]),
        }
        self.network._parameters = network._parameters | of_nobody

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Return the vectors over the temperature; see `HistoryEncoder`."""
        n = items.shape[0]
        factors = self.network.feature_vectors.shape[1]
        nothing = torch.zeros(n, factors + N_CLOCK, device=items.device)
        return self._vectors(items, nothing[:, :factors], nothing[:, factors:])

    def _vectors(self, items: torch.Tensor, recent: torch.Tensor, clock: torch.Tensor) -> torch.Tensor:
        rows = torch.arange(items.shape[0], device=items.device)
        histories: Any = PaddedBags.of(items, 0.0)
        context: Any = _Summed(recent)
        nobody = torch.full_like(rows, -1)
        counts = (items > 0).sum(dim=1).float()
        users = Users(nobody, histories, rows, counts, nobody, context, clock)
        return self.network.user_vectors(users) / self.temperature


class ContextTowerEncoder(TowerEncoder, ContextEncoder):
    """The user tower with context: the items of the latest events, and when they were.

    Args:
        known_items: (n_items,) bool.
        network: the trained network.
        temperature: that vectors are divided by.
        profiles: (n_items, n_features), the features of all items.
    """

    of_items: torch.Tensor

    def __init__(
        self, known_items: BoolArray, network: TwoTowerNetwork, temperature: float, profiles: Bags
    ) -> None:
        super().__init__(known_items, network, temperature)
        with torch.no_grad():
            self.register_buffer("of_items", profiles.sums(network.feature_vectors))

    def encode_with(self, items: torch.Tensor, recent: torch.Tensor, clock: torch.Tensor) -> torch.Tensor:
        """Return the vectors over the temperature; see `ContextEncoder`."""
        return self._vectors(items, PaddedBags.of(recent, -1.0).sums(self.of_items), clock)
