"""AutoRec: an autoencoder of ratings (Sedhain et al. 2015)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy import sparse

from models.base import Config, FloatArray, IntArray, Progress
from models.interactions import Interactions, MatrixName, only
from models.neural.autorec_config import AutoRecConfig
from models.neural.early_stopping import CarveOut
from models.neural.neural_model import NeuralRecommender
from models.ranking.factor_model import FactorRecommender
from models.ranking.rating_baselines import standardized
from models.ranking.rating_predictor import RatingPredictor, log_popularity
from models.warm_start import WarmStart

if TYPE_CHECKING:
    from models.neural.autorec_network import AutoRecNetwork, SquaredErrors

_HELD_OUT = 0.1  # share of the ratings that decide when to stop


class AutoRec(RatingPredictor, NeuralRecommender, FactorRecommender):
    """Predicts what is missing in a row of ratings from what is there, through one hidden layer.

    The rows are items (I-AutoRec, which the paper found better) or users (U-AutoRec). Only stored ratings count in the
    loss, and the activation is on the hidden layer. The network reads and predicts deviations from baseline ratings
    (mean + user bias + item bias), so that a row of few ratings is predicted by its baseline.

    Attributes:
        user_factors_: (n_users, f) float32; items as rows: the decoder's weights; users as rows: their hidden layer.
        item_factors_: (n_items, f) float32, the other one of the two; products are in units of the rating.
        item_bias_: (n_items,) float32, the item's term in `score`.
    """

    name: ClassVar[str] = "autorec"
    in_words: ClassVar[str] = "a network that fills the gaps in the stars people gave"
    matrix: ClassVar[MatrixName] = "rating"
    config_class: ClassVar[type[Config]] = AutoRecConfig
    config: AutoRecConfig

    def _network(self, n_columns: int) -> AutoRecNetwork:
        from models.neural.autorec_network import AutoRecNetwork  # noqa: PLC0415  (imports torch)

        return AutoRecNetwork(n_columns, self.config)

    def _n_columns(self) -> int:
        return len(self.known_users_ if self.config.rows == "items" else self.known_items_)

    def _carve(
        self,
        matrix: sparse.csr_array,
        data: Interactions,  # noqa: ARG002
        rng: np.random.Generator,
    ) -> CarveOut:
        """Take out a random tenth of the ratings."""
        held_out = rng.random(matrix.nnz) < _HELD_OUT
        return CarveOut(only(matrix, ~held_out), np.arange(matrix.shape[0]), only(matrix, held_out))

    def _objective(
        self,
        network: AutoRecNetwork,
        carved: CarveOut,
        data: Interactions,  # noqa: ARG002
    ) -> SquaredErrors:
        from models.neural.autorec_network import SquaredErrors  # noqa: PLC0415  (imports torch)

        return SquaredErrors(self.name, network, self.config, carved)

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        from models.neural.autorec_network import encoded_rows  # noqa: PLC0415  (imports torch)

        by_user = self.config.rows == "users"
        apart, spread = standardized(self._learn_baselines(matrix))
        rows = apart if by_user else sparse.csr_array(apart.T)
        network = self._train(rows, data, seed, progress)

        hidden = encoded_rows(network, rows) * spread
        weights = network.decoder.detach().cpu().numpy().copy()
        self.user_factors_, self.item_factors_ = (hidden, weights) if by_user else (weights, hidden)
        bias = self.item_rating_bias_ if by_user else self.user_rating_bias_
        bias += network.decoder_bias.detach().cpu().numpy() * spread
        choice = np.float32(self.config.popularity_weight) * spread * log_popularity(matrix)
        self.item_bias_ = self.item_rating_bias_ + choice

    def _deviations(self, users: IntArray, items: IntArray) -> FloatArray:
        found: FloatArray = np.einsum("nf,nf->n", self.user_factors_[users], self.item_factors_[items])
        return found
