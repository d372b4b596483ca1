"""NeuMF: neural collaborative filtering by a product of embeddings plus a small network (He et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, Config, FloatArray, IntArray, Progress, TopN
from models.export.exportable import Export, Exportable
from models.interactions import Interactions, MatrixName
from models.neural.early_stopping import CarveOut, carve_out
from models.neural.initial_scale import logistic_scale
from models.neural.neumf_config import NeuMFConfig, factor_model
from models.neural.neural_model import NeuralRecommender
from models.new_users import NewUsers
from models.ranking.factor_model import FactorRecommender
from models.ranking.folding_in import learn_map, mapped
from models.ranking.item_vectors import ItemVectorRecommender
from models.ranking.rating_baselines import standardized
from models.ranking.rating_predictor import RatingPredictor, log_popularity
from models.ranking.topk import Selector, block_rows
from models.ranking.user_similarity import UserVectorRecommender
from models.warm_start import WarmStart

if TYPE_CHECKING:
    import torch

    from models.neural.neumf_network import NeuMFNetwork, PairLoss

_JUDGED = 2_000  # users that decide when to stop: all their scores cost more than those of other models
_SCALED = 50_000  # likes whose scores give the scale of the start


class NeuMF(RatingPredictor, NeuralRecommender, ItemVectorRecommender, UserVectorRecommender, Exportable):
    """Scores a pair by the weighted product of two embeddings plus a network over two others.

    Half of the score is GMF, half MLP; `parts` takes one alone. The first layer of the network is a sum of a part of
    the user and one of the item, so that all pairs can be scored.

    Attributes:
        item_factors_: (n_items, f) float32, the embeddings that similar items are compared by.
        n_users_: () int64, users of the network.
        fold_in_map_: gives new users their embeddings, see `models.ranking.folding_in`.
        spread_: () float32, `rating`: standard deviation of what the network learns.
        item_bias_: (n_items,) float32, `rating`: the item's term in rankings; else empty.
    """

    name: ClassVar[str] = "neumf"
    in_words: ClassVar[str] = "hidden factors, and a small network that finds what their product misses"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = NeuMFConfig
    config: NeuMFConfig

    n_users_: NDArray[np.int64]
    fold_in_map_: FloatArray
    spread_: FloatArray
    item_bias_: FloatArray

    def _network(self, n_columns: int) -> NeuMFNetwork:
        from models.neural.neumf_network import NeuMFNetwork  # noqa: PLC0415  (imports torch)

        return NeuMFNetwork(int(self.n_users_), n_columns, self.config)

    def _carve(self, matrix: sparse.csr_array, data: Interactions, rng: np.random.Generator) -> CarveOut:
        return carve_out(matrix, data.timestamp, rng, most_users=_JUDGED)

    def _objective(
        self,
        network: NeuMFNetwork,
        carved: CarveOut,
        data: Interactions,  # noqa: ARG002
    ) -> PairLoss:
        from models.neural.neumf_network import PairLoss  # noqa: PLC0415  (imports torch)

        return PairLoss(self.name, network, self.config, carved)

    def _start(self, network: NeuMFNetwork, carved: CarveOut, rng: np.random.Generator) -> None:
        """Start the product from a factor model that is fitted to the same likes, scaled to log-odds."""
        train = carved.train
        if self.config.start == "random" or not network.has_product or self.config.objective == "rating":
            return
        likes = Interactions.from_positive(train)
        found = factor_model(self.config.start)
        config = found.config_class.model_validate({"factors": self.config.factors})
        model = found(config).fit(likes, seed=int(rng.integers(2**31)))
        rows = np.repeat(np.arange(train.shape[0]), np.diff(train.indptr))
        some = (
            rng.choice(train.nnz, min(train.nnz, _SCALED), replace=False) if train.nnz else np.empty(0, int)
        )
        drawn = rng.choice(np.flatnonzero(model.known_items_), len(some)) if len(some) else some
        liked, others = (_products(model, rows[some], items) for items in (train.indices[some], drawn))
        scale, bias = logistic_scale(liked, others, self.config.negatives)
        item_bias = model.item_bias_ if model.item_bias_.size else np.zeros(train.shape[1], np.float32)
        network.start_from(model.user_factors_, model.item_factors_, item_bias, scale, bias)

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        self.n_users_ = np.array(len(self.known_users_))
        if self.config.objective == "rating":
            apart, spread = standardized(self._learn_baselines(matrix))
            self.spread_ = np.array(spread)
            network = self._train(apart, data, seed, progress)
            choice = np.float32(self.config.popularity_weight) * log_popularity(matrix)
            self.item_bias_ = self.item_rating_bias_ / spread + choice
        else:
            network = self._train(self._only_positive(matrix), data, seed, progress)
            self.item_bias_ = np.empty(0, np.float32)
        self.item_factors_ = _side_by_side(network.item_tables())

    def _learn_to_fold_in(self, likes: sparse.csr_array, seed: int) -> None:
        self.fold_in_map_ = learn_map(likes, self.user_vectors(), self.item_factors_, self.known_users_, seed)

    def _fold_in(self, new: NewUsers) -> None:
        network = self.network()
        network.replace_users(mapped(self.fold_in_map_, new.likes(), self.item_factors_))
        self.n_users_ = np.array(len(new.lengths))
        self._keep_weights(network)
        if self.config.objective == "rating":
            self.user_rating_bias_ = np.zeros(len(new.lengths), np.float32)

    def user_vectors(self) -> FloatArray:
        """Return the embeddings of the users, side by side."""
        return _side_by_side(self.network().user_tables())

    def exported(self) -> Export:
        """Return the map to embeddings of new users, and a scorer, because a score is no product; see `Exportable`."""
        from models.export.encoders import MappedSums  # noqa: PLC0415  (imports torch)
        from models.neural.neumf_scorer import NeuMFScorer  # noqa: PLC0415  (as above)

        bias = self.item_bias_ if self.item_bias_.size else np.zeros(len(self.known_items_), np.float32)
        scorer = NeuMFScorer(self.known_items_, self.network(), bias)
        encoder = MappedSums(self.known_items_, self.item_factors_, self.fold_in_map_)
        return Export(encoder, np.empty((0, 0), np.float32), np.empty(0, np.float32), scorer=scorer)

    def _score(self, users: IntArray) -> FloatArray:
        return self._scores(self.network(), users)

    def _scores(self, network: NeuMFNetwork, users: IntArray) -> FloatArray:
        import torch  # noqa: PLC0415  (takes a second)

        with torch.no_grad():
            scores: FloatArray = network.score_all(torch.from_numpy(np.asarray(users, np.int64))).numpy()
        return scores + self.item_bias_ if self.item_bias_.size else scores

    def _recommend(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        network, rows = self.network(), block_rows(len(eligible))
        selector = Selector(users, n, self.tie_order_, exclude, eligible)
        for start in range(0, len(users), rows):
            selector.select(start, np.ascontiguousarray(self._scores(network, users[start : start + rows])))
        return selector.top

    def predict(self, users: IntArray, items: IntArray) -> FloatArray:
        """Predict the ratings of (user, item) pairs; see `RatingPredictor.predict`.

        Raises:
            NotImplementedError: the objective is not `rating`.
        """
        if self.config.objective != "rating":
            raise NotImplementedError(f"{self.name} predicts ratings only with objective = 'rating'")
        return super().predict(users, items)

    def _deviations(self, users: IntArray, items: IntArray) -> FloatArray:
        import torch  # noqa: PLC0415  (as above)

        with torch.no_grad():
            pair = (torch.from_numpy(np.asarray(side, np.int64)) for side in (users, items))
            found: FloatArray = self.network()(*pair).numpy() * self.spread_
        return found


def _side_by_side(tables: Sequence[torch.Tensor]) -> FloatArray:
    return np.hstack([table.detach().cpu().numpy() for table in tables])


def _products(model: FactorRecommender, users: NDArray[np.int64], items: IntArray) -> FloatArray:
    """Return a factor model's scores of pairs, (n,)."""
    found: FloatArray = np.einsum("nf,nf->n", model.user_factors_[users], model.item_factors_[items])
    return found + model.item_bias_[items] if model.item_bias_.size else found
