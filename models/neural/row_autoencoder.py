"""Base class of autoencoders of users' rows: a row is encoded into a vector, and decoded to scores of all items."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy import sparse

from models.base import Progress
from models.export.exportable import Export
from models.interactions import Interactions, MatrixName
from models.neural.early_stopping import CarveOut
from models.neural.neural_model import NeuralRecommender
from models.neural.row_config import RowAutoencoderConfig
from models.new_users import NewUsers
from models.ranking.factor_model import FactorRecommender
from models.warm_start import WarmStart

if TYPE_CHECKING:
    from models.neural.row_training import RowNetwork


class RowAutoencoder(NeuralRecommender, FactorRecommender):
    """A recommender that encodes a user's row and decodes it to scores of all items.

    The user vectors are the decoder's last hidden layer, the item vectors its weights. A user who was not trained on
    gets a list from their row alone.
    """

    matrix: ClassVar[MatrixName] = "positive"
    config: RowAutoencoderConfig

    @abstractmethod
    def _network(self, n_items: int) -> RowNetwork:
        """Return the network for so many items; the values of its parameters do not matter."""

    def _start(self, network: RowNetwork, carved: CarveOut, rng: np.random.Generator) -> None:
        from models.neural.row_training import start_popular  # noqa: PLC0415  (imports torch)

        start_popular(network, carved.train)
        super()._start(network, carved, rng)

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        from models.neural.row_training import decoder_inputs  # noqa: PLC0415  (imports torch)

        likes = self._only_positive(matrix)
        network = self._train(likes, data, seed, progress)
        self.user_factors_ = decoder_inputs(network, likes, np.arange(likes.shape[0]))
        self.item_factors_ = network.decoder.weight.detach().cpu().numpy().copy()
        self.item_bias_ = network.decoder.bias.detach().cpu().numpy().copy()

    def _learn_to_fold_in(self, likes: sparse.csr_array, seed: int) -> None:
        """Learn nothing more: the encoder takes any row."""

    def _fold_in(self, new: NewUsers) -> None:
        from models.neural.row_training import decoder_inputs  # noqa: PLC0415  (imports torch)

        self.user_factors_ = decoder_inputs(self.network(), new.likes(), np.arange(len(new.lengths)))

    def exported(self) -> Export:
        """Return the encoder, and the decoder's weights as item vectors; see `Exportable`."""
        from models.export.encoders import RowEncoder  # noqa: PLC0415  (imports torch)

        return Export(RowEncoder(self.known_items_, self.network()), self.item_factors_, self.item_bias_)
