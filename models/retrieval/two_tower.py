"""Two towers: users and items encoded apart, from ids, histories, features and context (Covington et al. 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import Config, FloatArray, Progress
from models.content.tf_idf import tf_idf, unit_rows
from models.export.exportable import Export
from models.interactions import Interactions, MatrixName, only
from models.neural.early_stopping import CarveOut
from models.neural.neural_model import NeuralRecommender
from models.new_users import NewUsers
from models.ranking.factor_model import FactorRecommender
from models.retrieval.config import TwoTowerConfig
from models.retrieval.visits import Visits, after_last_event
from models.warm_start import WarmStart

if TYPE_CHECKING:
    from models.retrieval.two_tower_network import TwoTowerNetwork
    from models.retrieval.two_tower_training import Inputs, LikedPairs

_DAY_S = 86_400


class TwoTower(NeuralRecommender, FactorRecommender):
    """Encodes users from their likes, features and what they did lately, and items from their id, features and age.

    A score is the cosine of the two vectors. Likes are trained on with the context that the user had then; lists are
    for a visit just after the user's last event. Known items are those that somebody liked, and those with features;
    known users likewise are those with a like, and those with features. New users that are folded in have no features.

    Attributes:
        item_profiles_: (n_items, n_features) float32, TF-IDF weights of the features.
        item_ages_: (n_items, 2) float32: a tenth of the logarithm of 1 + days since the first event; whether there is
            none.
        n_users_: () int64, users of the network.
        n_user_features_: () int64, features of users that the network reads; learned only if some user has one.
    """

    name: ClassVar[str] = "two_tower"
    in_words: ClassVar[str] = "what you liked and did lately, met with what items are"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = TwoTowerConfig
    config: TwoTowerConfig

    item_profiles_: sparse.csr_array
    item_ages_: FloatArray
    n_users_: NDArray[np.int64]
    n_user_features_: NDArray[np.int64] = np.array(0)

    def _network(self, n_columns: int) -> TwoTowerNetwork:  # noqa: ARG002
        from models.retrieval.two_tower_network import TwoTowerNetwork  # noqa: PLC0415  (imports torch)

        shape = int(self.n_users_), *self.item_profiles_.shape
        return TwoTowerNetwork(shape, self.config, int(self.n_user_features_))

    def _objective(self, network: TwoTowerNetwork, carved: CarveOut, data: Interactions) -> LikedPairs:
        from models.retrieval.two_tower_training import LikedPairs  # noqa: PLC0415  (imports torch)

        seen = without_entries(data.seen, carved)
        inputs = self._inputs(network, carved.train, seen, data.timestamp, user_profiles(data))
        return LikedPairs(self.name, network, self.config, carved, data.timestamp, inputs)

    def _inputs(
        self,
        network: TwoTowerNetwork,
        likes: sparse.csr_array,
        seen: sparse.csr_array,
        timestamp: sparse.csr_array,
        profiles: sparse.csr_array | None = None,
    ) -> Inputs:
        from models.retrieval.two_tower_training import Inputs  # noqa: PLC0415  (imports torch)

        visits = Visits.of(seen, timestamp, self.config.context_days, self.config.context_items)
        device = network.items.device
        return Inputs(likes, visits, self.item_profiles_, self.item_ages_, device, profiles)

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        from models.retrieval.two_tower_training import encoded_items, encoded_users  # noqa: PLC0415  (as above)

        likes = self._only_nonzero(matrix) if self.config.loss == "squared" else self._only_positive(matrix)
        self.item_profiles_, self.item_ages_ = tf_idf(data.item_features), ages(data.timestamp)
        self.n_users_ = np.array(len(self.known_users_))
        profiles = user_profiles(data)
        if profiles is not None:
            self.n_user_features_ = np.array(profiles.shape[1])
        network = self._train(likes, data, seed, progress)
        if profiles is not None and likes.nnz:  # without likes nothing was learned of features
            self.known_users_ = self.known_users_ | (np.diff(profiles.indptr) > 0)
        self.known_items_ = self.known_items_ | (np.diff(self.item_profiles_.indptr) > 0)

        inputs = self._inputs(network, likes, data.seen, data.timestamp, profiles)
        rows = np.arange(likes.shape[0])
        vectors = encoded_users(network, inputs, rows, after_last_event(data.timestamp))
        self.user_factors_ = vectors / np.float32(self.config.temperature)
        self.item_factors_ = encoded_items(network, inputs)
        self.item_bias_ = np.empty(0, np.float32)

    def _learn_to_fold_in(self, likes: sparse.csr_array, seed: int) -> None:
        """Learn nothing more: the user tower takes any history."""

    def _fold_in(self, new: NewUsers) -> None:
        """Encode the histories, without embedding and features of the user and without context: no times are known."""
        from models.retrieval.two_tower_training import encoded_users  # noqa: PLC0415  (imports torch)

        network, likes = self.network(), new.likes()
        nothing = sparse.csr_array(likes.shape, dtype=np.int64)
        inputs = self._inputs(network, likes, nothing.astype(np.float32), nothing)
        rows = np.arange(len(new.lengths))
        vectors = encoded_users(network, inputs, rows, np.zeros_like(rows), are_known=False)
        self.user_factors_ = vectors / np.float32(self.config.temperature)

    def exported(self) -> Export:
        """Return the user tower, without and with context, and the vectors of the item tower; see `Exportable`."""
        from models.neural.bags import Bags  # noqa: PLC0415  (imports torch)
        from models.retrieval.two_tower_encoder import ContextTowerEncoder, TowerEncoder  # noqa: PLC0415  (as above)

        parts = self.known_items_, self.network(), self.config.temperature
        with_context = ContextTowerEncoder(*parts, Bags.of(self.item_profiles_))
        encoder = TowerEncoder(*parts)
        return Export(encoder, self.item_factors_, self.item_bias_, context_encoder=with_context)


def user_profiles(data: Interactions) -> sparse.csr_array | None:
    """Return the features of users with rows of length 1, (n_users, n_user_features); None if nobody has any."""
    if data.user_features is None or not data.user_features.data.any():
        return None
    features = data.user_features.copy()
    features.eliminate_zeros()
    return unit_rows(features)


def ages(timestamp: sparse.csr_array) -> FloatArray:
    """Return how old each item is, (n_items, 2) float32; see `TwoTower.item_ages_`.

    Args:
        timestamp: (n_users, n_items) int64, Unix seconds of the pairs' latest events.
    """
    now = int(timestamp.data.max(initial=0))
    first = np.full(timestamp.shape[1], now)
    np.minimum.at(first, timestamp.indices, timestamp.data)
    is_new = np.bincount(timestamp.indices, minlength=timestamp.shape[1]) == 0
    return np.column_stack([np.log1p((now - first) / _DAY_S) / 10, is_new]).astype(np.float32)


def without_entries(matrix: sparse.csr_array, carved: CarveOut) -> sparse.csr_array:
    """Return the matrix, (n_users, n_items), without the entries that were taken out of the training data."""
    if not carved.held_out.nnz:
        return matrix
    n_items = matrix.shape[1]
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    held = np.repeat(carved.users, np.diff(carved.held_out.indptr)) * n_items + carved.held_out.indices
    kept = ~np.isin(rows * n_items + matrix.indices, held)
    return only(matrix, kept)
