"""Base class of sequence models: a network turns a history into a vector, items are vectors of the same space."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy import sparse

from models.base import Config, Progress
from models.export.exportable import Export
from models.interactions import Interactions, MatrixName
from models.neural.early_stopping import CarveOut
from models.neural.neural_model import NeuralRecommender
from models.new_users import NewUsers
from models.ranking.factor_model import FactorRecommender
from models.sequence.config import SequenceConfig
from models.sequence.histories import Histories
from models.warm_start import WarmStart

if TYPE_CHECKING:
    from models.sequence.next_item import NextItem, SequenceNetwork


class SequenceRecommender(NeuralRecommender, FactorRecommender):
    """A recommender of what comes next. A subclass names its network; training, lists and the rest are inherited.

    The order of a history is that of `Interactions.timestamp`; items of one timestamp are in the order of their
    index. The newest tenth of each user's items, one at least, decides when training ends and is not trained on; the
    vectors in the end are of whole histories.
    """

    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = SequenceConfig
    config: SequenceConfig

    @abstractmethod
    def _network(self, n_items: int) -> SequenceNetwork:
        """Return the untrained network."""

    def _objective(self, network: SequenceNetwork, carved: CarveOut, data: Interactions) -> NextItem:
        from models.sequence.next_item import NextItem  # noqa: PLC0415  (imports torch)

        histories = Histories.of(carved.train, data.timestamp)
        return NextItem(self.name, network, self.config, carved, histories)

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        likes = self._only_positive(matrix)
        network = self._train(likes, data, seed, progress)

        from models.sequence.next_item import encoded  # noqa: PLC0415  (imports torch)

        whole = Histories.of(likes, data.timestamp)
        self.user_factors_ = encoded(network, whole, np.arange(likes.shape[0]), self.config.length)
        self.item_factors_ = network.item_vectors().detach().cpu().numpy().copy()
        self.item_bias_ = np.empty(0, np.float32)

    def _learn_to_fold_in(self, likes: sparse.csr_array, seed: int) -> None:
        """Learn nothing more: the network takes any history."""

    def _fold_in(self, new: NewUsers) -> None:
        from models.sequence.next_item import encoded  # noqa: PLC0415  (imports torch)

        histories = Histories(new.items, np.arange(len(new.items)), new.starts)
        users = np.arange(len(new.lengths))
        self.user_factors_ = encoded(self.network(), histories, users, self.config.length)

    def exported(self) -> Export:
        """Return the network and the item vectors; see `Exportable`."""
        from models.export.encoders import SequenceEncoder  # noqa: PLC0415  (imports torch)

        encoder = SequenceEncoder(self.known_items_, self.network(), self.config.length)
        return Export(
            encoder, self.item_factors_, self.item_bias_, latest=self.config.length, reads_order=True
        )
