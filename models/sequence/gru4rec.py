"""GRU4Rec: a recurrent network over a user's history (Hidasi et al. 2016), trained with cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from models.base import Config
from models.sequence.config import GRU4RecConfig
from models.sequence.sequence_model import SequenceRecommender

if TYPE_CHECKING:
    from models.sequence.next_item import SequenceNetwork


class GRU4Rec(SequenceRecommender):
    """Reads a history item by item; its last state, projected, is compared with the items.

    The softmax runs over negatives that all places of a batch share, as in the improved version (Hidasi & Karatzoglou
    2018), but whole histories are read instead of sessions.
    """

    name: ClassVar[str] = "gru4rec"
    in_words: ClassVar[str] = "what people turned to next, read from your history item by item"
    config_class: ClassVar[type[Config]] = GRU4RecConfig
    config: GRU4RecConfig

    def _network(self, n_items: int) -> SequenceNetwork:
        from models.sequence.gru4rec_network import GRU4RecNetwork  # noqa: PLC0415  (imports torch)

        return GRU4RecNetwork(n_items, self.config)
