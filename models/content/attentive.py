"""Attention over the items of a history, whose vectors are made of genres, tags and other features.

He et al. 2018, "NAIS: neural attentive item similarity model for recommendation", without ids: so that users and items
that nobody has met yet are scored like all others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, Config, DivergedError, FloatArray, IntArray, Progress, TopN
from models.content import attentive_scorer
from models.content.attentive_config import AttentiveContentConfig
from models.content.attentive_scorer import ItemAttention
from models.content.item_descriptions import described_items
from models.interactions import Interactions, MatrixName, only
from models.new_users import NewUsers
from models.numerics.sparse_product import multiply
from models.ranking.item_vectors import ItemVectorRecommender
from models.ranking.topk import Selector, block_rows
from models.sequence.histories import Histories
from models.warm_start import WarmStart

if TYPE_CHECKING:
    from models.content.attentive_network import AttentiveNetwork
    from models.content.attentive_training import Catalogue


class AttentiveContent(ItemVectorRecommender):
    """Scores an item by how like it is to the user's newest likes, each of which weighs by the item that is scored.

    With x_i the description of item i (`described_items`), q_i = x_i Q, p_j = x_j P and the likes j of the history,

        score(u, i) = Σ_j a_ij q_i·p_j / (Σ_j a_ij)^β + b_i,   a_ij = exp(w · (q_i ∘ p_j))

    where b_i is c · popularity + x_i m for items with likes, and d + x_i n for new ones, of which no popularity is
    known. Q, P, w, β, c, d, m and n are learned by a sampled softmax over likes that the history does not hold; Q and P
    start from a ridge regression (`attentive_start`) and are pulled towards it.

    Known items are those with a description, with or without likes; known users are those who like such an item. An
    item of the history itself is scored too, and then attends to itself: exclude it.

    Attributes:
        item_factors_: (n_items, f) float32, q.
        history_factors_: (n_items, f) float32, p.
        attention_: (f,) float32, w.
        exponent_: () float32, β.
        item_bias_: (n_items,) float32, b.
        histories_: (n_users, n_items) float32, 1 for each of the newest likes of every user.
    """

    name: ClassVar[str] = "attentive_content"
    in_words: ClassVar[str] = (
        "items described like what you liked lately, each like weighed by the item in question"
    )
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = AttentiveContentConfig
    config: AttentiveContentConfig

    history_factors_: FloatArray
    attention_: FloatArray
    exponent_: NDArray[np.float32]
    item_bias_: FloatArray
    histories_: sparse.csr_array

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,  # noqa: ARG002
    ) -> None:
        from models.content.attentive_network import AttentiveNetwork  # noqa: PLC0415  (imports torch)
        from models.content.attentive_start import first_vectors  # noqa: PLC0415
        from models.content.attentive_training import Catalogue, train  # noqa: PLC0415  (imports torch)

        descriptions, config = described_items(data), self.config
        likes = self._only_positive(matrix)
        self.known_items_ = np.diff(descriptions.indptr) > 0
        likes = only(likes, self.known_items_[likes.indices])
        counts = np.bincount(likes.indices, minlength=data.n_items)
        popularity, spread = standardised(counts)
        start = first_vectors(descriptions, likes, config.factors, config.ridge, seed=seed)
        network = AttentiveNetwork(np.float32(config.scale) * start, spread, config)
        catalogue = Catalogue(descriptions, popularity, counts > 0)
        train(network, catalogue, likes, config, seed=seed, progress=progress)
        self._keep(network, catalogue)
        self._set_histories(Histories.of(likes, data.timestamp))

    def _keep(self, network: AttentiveNetwork, catalogue: Catalogue) -> None:
        """Set what is learned of the items; the bits do not depend on the number of threads."""
        from models.content.attentive_training import biases  # noqa: PLC0415  (imports torch)

        learned = {name: part.detach().numpy() for name, part in network.named_parameters()}
        self.item_factors_ = multiply(catalogue.descriptions, learned["scored"])
        self.history_factors_ = multiply(catalogue.descriptions, learned["met"])
        self.attention_ = learned["attention"].copy()
        self.exponent_ = network.exponent().detach().numpy().copy()
        self.item_bias_ = biases(network, catalogue)

    def _set_histories(self, histories: Histories) -> None:
        """Keep the newest items of each user, and mark as known those users who have one."""
        ends = np.repeat(histories.starts[1:], histories.lengths)
        is_new = ends - np.arange(len(histories.items)) <= self.config.history
        rows = np.repeat(np.arange(len(histories.lengths)), histories.lengths)[is_new]
        shape = len(histories.lengths), len(self.known_items_)
        ones = np.ones(len(rows), np.float32)
        self.histories_ = sparse.csr_array((ones, (rows, histories.items[is_new])), shape=shape)
        self.known_users_ = np.diff(self.histories_.indptr) > 0

    def _check_learned(self) -> None:
        parts = self.item_factors_, self.history_factors_, self.item_bias_, self.attention_
        if not all(np.isfinite(part).all() for part in parts):
            raise DivergedError(f"{self.name}: training diverged; a lower `learning_rate` is safer")

    def _score(self, users: IntArray) -> FloatArray:
        histories = sparse.csr_array(self.histories_[users])
        return attentive_scorer.scores(self._parts(), histories, self.config.block_entries)

    def _recommend(
        self, users: IntArray, n: int, exclude: sparse.csr_array | None, eligible: BoolArray
    ) -> TopN:
        selector = Selector(users, n, self.tie_order_, exclude, eligible)
        step = block_rows(len(self.known_items_))
        for start in range(0, len(users), step):
            selector.select(start, self._score(users[start : start + step]))
        return selector.top

    def _fold_in(self, new: NewUsers) -> None:
        """Attend to the new histories: nothing was learned of any user."""
        self._set_histories(Histories(new.items, np.arange(len(new.items)), new.starts))

    def _because_of(
        self,
        users: IntArray,  # noqa: ARG002
        items: NDArray[np.int32],
        liked: sparse.csr_array,
    ) -> NDArray[np.int32]:
        """Return the liked item of the greatest term of the score's sum (exact)."""
        return attentive_scorer.reasons(self._parts(), items, liked)

    def _parts(self) -> ItemAttention:
        return ItemAttention(
            self.item_factors_, self.history_factors_, self.attention_, float(self.exponent_), self.item_bias_
        )


def standardised(counts: NDArray[np.integer]) -> tuple[FloatArray, float]:
    """Return the popularity of items as the network reads it.

    Args:
        counts: (n_items,) likes of each item.

    Returns:
        (n_items,) float32, the logarithm of 1 + likes less its mean, over its standard deviation, both over the items
        with likes; 0, their mean, for the others. And that standard deviation, at least 1e-3.
    """
    logs, is_met = np.log1p(counts), counts > 0
    if not is_met.any():
        return np.zeros(len(counts), np.float32), 1e-3
    spread = max(float(logs[is_met].std()), 1e-3)
    found = np.where(is_met, (logs - logs[is_met].mean()) / spread, 0)
    return found.astype(np.float32), spread
