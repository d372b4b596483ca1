"""The parts of a fitted model with which another program scores new users: an encoder of histories, and the items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.base import FloatArray

if TYPE_CHECKING:
    from models.export.encoders import ContextEncoder, HistoryEncoder, PairScorer


@dataclass(frozen=True)
class Export:
    """The parts of a fitted model. Scores are `encoder(histories)` · item_vectors + item_bias, or those of `scorer`.

    Attributes:
        encoder: makes users' vectors, (b, f), from their histories, (b, w).
        item_vectors: (n_items, f) float32; empty, (0, 0), for a model with a scorer.
        item_bias: (n_items,) float32, or an empty array for models without a bias.
        latest: items of a history that count, the latest; None if all do.
        reads_order: whether the order of a history matters.
        scorer: for a model whose scores are no products of vectors: scores of items from users' vectors.
        context_encoder: an encoder that also reads what a user did lately, of a model that can.
    """

    encoder: HistoryEncoder
    item_vectors: FloatArray
    item_bias: FloatArray
    latest: int | None = None
    reads_order: bool = False
    scorer: PairScorer | None = None
    context_encoder: ContextEncoder | None = None


class Exportable(ABC):
    """A recommender whose lists for new users can be computed without it."""

    @abstractmethod
    def exported(self) -> Export:
        """Return the parts of this fitted model whose scores are those of `fold_in`."""
