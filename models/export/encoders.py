"""Encoders of new users' histories as torch modules: padded items in, one vector a user out. Imports torch.

In histories item i is the number i + 1, and 0 is padding, which may stand anywhere. Encoders read histories as
`Recommender.recommend_for` does: unknown items are ignored, and of an item that was met several times the last time
counts. A user without any known item gets the vector 0.

They consist of operations that exist in ONNX at any batch size and length: sums of gathered vectors in place of bags,
and no product with the length of an axis, which torch 2.13 cannot export.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from models.base import BoolArray, FloatArray

_AFTER_PADDING = 1 << 40  # more than the places of any history


class HistoryEncoder(nn.Module):
    """Encodes histories; a subclass says how the cleaned ones become vectors.

    Args:
        known_items: (n_items,) bool, the items that the model knows.
    """

    known: torch.Tensor

    def __init__(self, known_items: BoolArray) -> None:
        super().__init__()
        self.register_buffer(
            "known", torch.cat([torch.zeros(1, dtype=torch.bool), torch.tensor(known_items)])
        )

    def forward(self, items: torch.Tensor) -> torch.Tensor:
        """Return the users' vectors, (b, f) float32, from (b, w) int64."""
        once = last_times(known_only(items, self.known))
        has_items = (once > 0).any(dim=1, keepdim=True)
        return torch.where(has_items, self.encode(once), 0.0)

    @abstractmethod
    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Return the vectors, (b, f), of histories without unknown or repeated items; finite for rows of padding."""


class ContextEncoder(HistoryEncoder):
    """Encodes histories together with what the users did lately."""

    def forward(self, items: torch.Tensor, recent: torch.Tensor, clock: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """Return the users' vectors, (b, f) float32.

        Args:
            items: (b, w) int64, the history.
            recent: (b, v) int64, the items of the latest events of any kind, in the same numbers.
            clock: (b, 6) float32, see `models.retrieval.visits.Context`.
        """
        once = last_times(known_only(items, self.known))
        has_items = (once > 0).any(dim=1, keepdim=True)
        events = last_times(existing(recent, self.known.shape[0]))
        return torch.where(has_items, self.encode_with(once, events, clock), 0.0)

    @abstractmethod
    def encode_with(self, items: torch.Tensor, recent: torch.Tensor, clock: torch.Tensor) -> torch.Tensor:
        """Return the vectors, (b, f), as `encode` does."""


class PairScorer(nn.Module):
    """Scores items for users whose vectors an encoder made."""

    @abstractmethod
    def forward(self, user: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """Return scores, (b, k) float32; −∞ for padding and unknown items.

        Args:
            user: (b, f) float32.
            candidates: (b, k) int64 item numbers.
        """


def known_only(items: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Return item numbers, (b, w), with padding in place of those that `known`, (n_items + 1,), does not mark."""
    found = existing(items, known.shape[0])
    return torch.where(known[found], found, 0)


def existing(items: torch.Tensor, end: int) -> torch.Tensor:
    """Return item numbers, (b, w), with padding in place of those below 0 and those from `end` on."""
    return torch.where((items > 0) & (items < end), items, 0)


def last_times(items: torch.Tensor) -> torch.Tensor:
    """Return item numbers, (b, w), with padding in place of all but the last time of each."""
    width = items.shape[1]
    later = torch.ones(width, width, dtype=torch.bool, device=items.device).triu(1)
    repeated = ((items[:, :, None] == items[:, None, :]) & later).any(dim=2)
    return torch.where(repeated, 0, items)


def latest(items: torch.Tensor, length: int) -> torch.Tensor:
    """Return the last `length` items of each row, in their order, left-padded: (b, length) from (b, w)."""
    longer = functional.pad(items, (length, 0))
    places = torch.arange(longer.shape[1], device=items.device)
    keys = torch.where(longer > 0, places + _AFTER_PADDING, places)
    return longer.gather(1, keys.topk(length, dim=1).indices.flip(1))


class PaddedBags(NamedTuple):
    """Rows of items as `models.neural.bags.Bags`, for ONNX: padded to one length.

    Attributes:
        items: (b, w) int64 column indices; any at padding.
        weights: (b, w) float32; 0 at padding.
    """

    items: torch.Tensor
    weights: torch.Tensor

    @classmethod
    def of(cls, items: torch.Tensor, exponent: float) -> PaddedBags:
        """Return item numbers, (b, w), as bags in which each of a row's k items weighs k^exponent."""
        is_item = items > 0
        counts = is_item.sum(dim=1, keepdim=True).clamp(min=1)
        return cls((items - 1).clamp(min=0), is_item * counts.float() ** exponent)

    def sums(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the weighted sum of the vectors of each row's columns, (b, f), from (n, f)."""
        return (functional.embedding(self.items, vectors) * self.weights[..., None]).sum(dim=1)


class MappedSums(HistoryEncoder):
    """The linear map of `models.ranking.folding_in`: [1, Σ y_i / √k] · M.

    Args:
        known_items: (n_items,) bool.
        item_factors: (n_items, f) float32, the vectors y.
        fold_in_map: (f + 1, f) float32, the map M.
    """

    vectors: torch.Tensor
    constant: torch.Tensor
    map: torch.Tensor

    def __init__(self, known_items: BoolArray, item_factors: FloatArray, fold_in_map: FloatArray) -> None:
        super().__init__(known_items)
        self.register_buffer("vectors", torch.tensor(item_factors))
        self.register_buffer("constant", torch.tensor(fold_in_map[0]))
        self.register_buffer("map", torch.tensor(fold_in_map[1:]))

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Return the mapped sums; see `HistoryEncoder`."""
        return self.constant + PaddedBags.of(items, -0.5).sums(self.vectors) @ self.map


class LatestMean(HistoryEncoder):
    """The mean of the vectors of the latest items, divided by a temperature.

    Args:
        known_items: (n_items,) bool.
        item_factors: (n_items, f) float32.
        length: items of a history that count.
        temperature: above 0.
    """

    vectors: torch.Tensor

    def __init__(
        self, known_items: BoolArray, item_factors: FloatArray, length: int, temperature: float
    ) -> None:
        super().__init__(known_items)
        self.register_buffer("vectors", torch.tensor(item_factors))
        self.length, self.temperature = length, temperature

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Return the means; see `HistoryEncoder`."""
        return PaddedBags.of(latest(items, self.length), -1.0).sums(self.vectors) / self.temperature


class RowEncoder(HistoryEncoder):
    """The encoder of an autoencoder of users' rows, `models.neural.row_training.RowNetwork`.

    Args:
        known_items: (n_items,) bool.
        network: the trained network.
    """

    def __init__(self, known_items: BoolArray, network: nn.Module) -> None:
        super().__init__(known_items)
        self.network = network

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Return the decoder's inputs for rows of unit length; see `HistoryEncoder`."""
        return self.network.encode(PaddedBags.of(items, -0.5)).vectors  # type: ignore[operator]


class SequenceEncoder(HistoryEncoder):
    """A `models.sequence.next_item.SequenceNetwork`, which reads the latest items in their order.

    Args:
        known_items: (n_items,) bool.
        network: the trained network.
        length: items of a history that count.
    """

    def __init__(self, known_items: BoolArray, network: nn.Module, length: int) -> None:
        super().__init__(known_items)
        self.network, self.length = network, length

    def encode(self, items: torch.Tensor) -> torch.Tensor:
        """Return the vectors of the last places; see `HistoryEncoder`."""
        return self.network(latest(items, self.length))
