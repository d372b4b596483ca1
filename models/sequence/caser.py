"""Caser: convolutions over a user's latest items (Tang & Wang 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from models.base import Config
from models.sequence.config import CaserConfig
from models.sequence.sequence_model import SequenceRecommender

if TYPE_CHECKING:
    from models.sequence.next_item import SequenceNetwork


class Caser(SequenceRecommender):
    """Looks at a window of the latest items as at a picture: filters over neighbouring items, and over each factor.

    The paper's convolutions with our training. The paper also gives each user a vector; it is left out, so that a
    history alone is enough for a list.
    """

    name: ClassVar[str] = "caser"
    in_words: ClassVar[str] = "patterns in your latest items, found by convolutions"
    config_class: ClassVar[type[Config]] = CaserConfig
    config: CaserConfig

    def _network(self, n_items: int) -> SequenceNetwork:
        from models.sequence.caser_network import CaserNetwork  # noqa: PLC0415  (imports torch)

        return CaserNetwork(n_items, self.config)
