"""SASRec: self-attention over a user's history (Kang & McAuley 2018), in a strong form of today."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from models.base import Config
from models.sequence.config import SASRecConfig
from models.sequence.sequence_model import SequenceRecommender

if TYPE_CHECKING:
    from models.sequence.next_item import SequenceNetwork


class SASRec(SequenceRecommender):
    """Reads a history with causal self-attention; the vector of its last place is compared with the items.

    What differs from the paper, because it ranks better or trains faster: normalization before each layer; negatives
    that all places of a batch share, in a softmax (Klenitskiy & Vasilev 2023; Petrov & Macdonald 2023).
    """

    name: ClassVar[str] = "sasrec"
    in_words: ClassVar[str] = "what people turned to next after items like your latest ones"
    config_class: ClassVar[type[Config]] = SASRecConfig
    config: SASRecConfig

    def _network(self, n_items: int) -> SequenceNetwork:
        from models.sequence.sasrec_network import SASRecNetwork  # noqa: PLC0415  (imports torch)

        return SASRecNetwork(n_items, self.config)
