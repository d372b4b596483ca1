"""PinSage: item vectors from features and from the items liked next to them, for similar items (Ying et al. 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, Config, DivergedError, IntArray, Progress, TopN
from models.content.item_descriptions import described_items
from models.export.exportable import Export
from models.graph.item_pairs import ItemPairs
from models.graph.pinsage_config import PinSageConfig
from models.graph.random_walks import Neighbourhoods, Walks, neighbourhoods
from models.interactions import Interactions, MatrixName
from models.neural.early_stopping import CarveOut
from models.neural.neural_model import NeuralRecommender
from models.new_users import NewUsers
from models.numerics.threads import one_torch_thread
from models.ranking import factor_scorer
from models.ranking.factor_model import FactorRecommender
from models.ranking.topk import identity
from models.sequence.histories import Histories
from models.warm_start import WarmStart

if TYPE_CHECKING:
    from models.graph.pinsage_network import PinSageNetwork, Products
    from models.graph.pinsage_training import SimilarPairs

_DAY_S = 86_400
_SEED = 0  # of the graph and its walks, which are the same for every seed of a fit
_HARD = 5  # times `neighbours`: how far hard negatives are looked for


class PinSage(NeuralRecommender, FactorRecommender):
    """Knows items by their embedding, their description and their neighbours on the graph of items liked together.

    The neighbours are the items that random walks from an item visit most. The network foresees which item a user
    likes soon after another one. Similar items are those of the greatest

        cosine + temperature · popularity · log-popularity

    with the settings of these names. The log-popularity is 0 for the most popular item and less for all others, learned
    with `loss = "softmax"` and counted with "margin". Items of a sum below 0 are not listed. A user is the mean of
    their latest items.

    Known items are those that somebody liked, and those with a description; known users are those with a like.

    Attributes:
        descriptions_: (n_items, n_features) float32, see `models.content.item_descriptions`.
    """

    name: ClassVar[str] = "pinsage"
    in_words: ClassVar[str] = (
        "items that are liked soon after those you liked, or described and liked like them"
    )
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = PinSageConfig
    config: PinSageConfig

    descriptions_: sparse.csr_array

    def _network(self, n_columns: int) -> PinSageNetwork:
        from models.graph.pinsage_network import PinSageNetwork  # noqa: PLC0415  (imports torch)

        return PinSageNetwork(n_columns, self.descriptions_.shape[1], self.config)

    def _start(self, network: PinSageNetwork, carved: CarveOut, rng: np.random.Generator) -> None:
        """Start each feature as the mean of its items.

        Early stopping judges known items alone: from random vectors, features would get too few epochs.
        """
        super()._start(network, carved, rng)
        if self.config.start == "svd":
            network.start_features(self.descriptions_)

    def _objective(self, network: PinSageNetwork, carved: CarveOut, data: Interactions) -> SimilarPairs:
        from models.graph.pinsage_training import SimilarPairs  # noqa: PLC0415  (imports torch)

        pairs, near = self._nearby(Histories.of(carved.train, data.timestamp))
        last = pairs.histories.items[pairs.histories.starts[1:][carved.users] - 1]
        counts = np.bincount(carved.train.indices, minlength=data.n_items)
        network.start_popularity(counts)
        return SimilarPairs(
            self.name, network, self.config, carved, pairs, self._products(network, near, counts),
            near.nodes[:, self.config.neighbours :], last,
        )  # fmt: skip

    def _nearby(self, histories: Histories) -> tuple[ItemPairs, Neighbourhoods]:
        """Return the pairs of items in histories, and the most visited items of each item."""
        config = self.config
        n_items = len(self.known_items_)
        pairs = ItemPairs.of(histories, config.window, config.window_days * _DAY_S, n_items, _SEED)
        walks = Walks(config.walkers, config.walk_steps, config.restart)
        most = config.neighbours * (1 + _HARD if config.loss == "margin" else 1)
        return pairs, neighbourhoods(pairs.graph(), walks, most, _SEED)

    def _products(self, network: PinSageNetwork, near: Neighbourhoods, counts: NDArray[np.int64]) -> Products:
        """Return the sparse products of the network for items of so many likes, (n_items,)."""
        from models.graph.pinsage_network import NetworkInputs, Products  # noqa: PLC0415  (imports torch)

        importance = near.importance(self.config.neighbours)
        evidence = (counts / (counts + self.config.id_likes)).astype(np.float32)
        return Products(NetworkInputs(self.descriptions_, importance, evidence), network.items.device)

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        from models.graph.pinsage_training import encoded  # noqa: PLC0415  (imports torch)

        likes = self._only_positive(matrix)
        self.descriptions_ = described_items(data)
        histories = Histories.of(likes, data.timestamp)
        counts = np.bincount(likes.indices, minlength=data.n_items)
        with one_torch_thread():  # more would spin while numba's threads multiply
            network = self._train(likes, data, seed, progress)
            products = self._products(network, self._nearby(histories)[1], counts)
            self.item_factors_, self.item_bias_ = encoded(network, products, counts, self.config)
        self.known_items_ = self.known_items_ | (np.diff(self.descriptions_.indptr) > 0)
        self._set_users(histories)

    def _check_learned(self) -> None:
        """Raise if vectors lost their length of 1, which they do when an embedding overflows."""
        super()._check_learned()
        lengths = np.linalg.norm(self.item_factors_[self.known_items_], axis=1)
        if self.known_users_.any() and not lengths.max(initial=0) > 0.5:
            raise DivergedError(f"{self.name}: training diverged; {self.remedy}")

    def _set_users(self, histories: Histories) -> None:
        """Make each user the mean of their latest items, so that scores are those of similar items."""
        latest = histories.latest(np.arange(len(histories.lengths)), self.config.latest)
        counts = np.count_nonzero(latest, axis=1)
        padded = np.vstack([np.zeros_like(self.item_factors_[:1]), self.item_factors_])
        sums = np.zeros((len(latest), padded.shape[1]), np.float32)
        for column in latest.T:
            sums += padded[column]
        scale = np.float32(self.config.temperature) * np.maximum(counts, 1).astype(np.float32)
        self.user_factors_ = sums / scale[:, None]

    def _similar_items(self, items: IntArray, n: int, eligible: BoolArray) -> TopN:
        """Rank by the sum that the class tells of; it is at most 1."""
        bias = np.float32(self.config.temperature) * self.item_bias_
        return factor_scorer.top_n(
            self.item_factors_, self.item_factors_, items, n, tie_order=self.tie_order_,
            item_bias=bias, exclude=identity(len(bias)), eligible=eligible,
        )  # fmt: skip

    def _learn_to_fold_in(self, likes: sparse.csr_array, seed: int) -> None:
        """Learn nothing more: a user is the mean of their latest items."""

    def _fold_in(self, new: NewUsers) -> None:
        self._set_users(Histories(new.items, np.arange(len(new.items)), new.starts))

    def exported(self) -> Export:
        """Return the mean of the latest items, and the item vectors; see `Exportable`."""
        from models.export.encoders import LatestMean  # noqa: PLC0415  (imports torch)

        encoder = LatestMean(
            self.known_items_, self.item_factors_, self.config.latest, self.config.temperature
        )
        return Export(
            encoder, self.item_factors_, self.item_bias_, latest=self.config.latest, reads_order=True
        )
