"""ALS whose item vectors are shrunk towards predictions from facts about the items: the structural part of CKE.

Zhang et al. 2016, "Collaborative knowledge base embedding for recommender systems" (CKE), section 5: an item's vector
is an offset, learned from the likes, plus a vector from the knowledge base; the two are learned together. Here the
latter is a mixture of vectors of the item's entities instead of TransR's embedding, which makes every step a least
squares problem (as the regression priors of Agarwal & Chen 2009, "Regression-based latent factor models"). It is
deterministic, takes a few times as long as `als`, and gives vectors to items without any like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray, Progress
from models.factors.als import ALS, ALSConfig
from models.factors.als_weights import confidences, entry_weights, penalty, starting_factors
from models.factors.entity_vectors import ItemMixtures, memberships
from models.factors.prior_least_squares import solve_rows
from models.graph.kgcn import likeness_vectors
from models.graph.knowledge import Facts, edge_attention, facts_of
from models.interactions import Interactions
from models.search_space import Range, SearchSpace
from models.warm_start import Rows, WarmStart

_FEW = 10.0  # entries of an item at which the two mixtures count half each


class CKEConfig(ALSConfig):
    """Hyperparameters of `cke`."""

    search_space: ClassVar[SearchSpace] = {
        **ALSConfig.search_space,
        "knowledge": Range(0.0, 0.8),
        "entity_regularization": Range(1.0, 100.0, log=True),
        "rare_regularization": Range(0.01, 3.0, log=True),
    }

    knowledge: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="Target of a missing entry, as a share of the score that the facts predict; with 0 it is 0 as in "
        "`als`, and the facts only set the vector that the penalty shrinks an item's vector to.",
    )
    entity_regularization: float = Field(
        default=10.0,
        gt=0,
        le=10_000,
        description="Number of items, of full attention and many entries, at which an entity's vector is shrunk by "
        "half, for items with many entries.",
    )
    rare_regularization: float = Field(
        default=0.03,
        gt=0,
        le=10_000,
        description="The same for items with few entries or none; at 10 entries the two predictions count half each.",
    )


class CKE(ALS):
    """ALS with facts about the items; items without entries get the vectors of what they share with others.

    The loss, with c, p and λ of `als`, m_i the vector that the facts predict for item i (`ItemMixtures`) and
    τ = `knowledge`, is

        Σ_ui (x_u · (y_i − τ m_i))² + Σ_entries ((c_ui − 1) (x_u · y_i)² − 2 c_ui p_ui (x_u · y_i))
            + λ (Σ_u ‖x_u‖² + Σ_i ‖y_i − m_i‖²)

    Σ_ui and Σ_i run over items with entries. For m = 0 that is the loss of `als` but for a constant: missing entries
    have the target 0. Here it is τ x_u · m_i, because a user without an entry need not dislike the item, and zeros pull
    the vectors of items with few entries to zero whatever the facts are. The first sum runs over observed entries, too,
    so that the target there is (c_ui p_ui + τ x_u · m_i) / c_ui instead of p_ui.

    Users and items are solved for in turn, and after each round the vectors of the entities are. Each fact has the
    attention of `models.graph.knowledge`, which the likes decide, and m_i does not depend on y_i itself, so that facts
    without meaning predict next to nothing. An item without entries is in no sum: its vector is the prediction, which
    for such items alone contains the mean vector of the items (`ItemMixtures.of`). Without relations and item features
    in the data it is `als`, to the bit.
    """

    name: ClassVar[str] = "cke"
    in_words: ClassVar[str] = (
        "tastes as mixtures of hidden factors, which items of the same facts share in part"
    )
    config_class: ClassVar[type[Config]] = CKEConfig
    counterpart: ClassVar[str | None] = "als"
    config: CKEConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: WarmStart | None,
    ) -> None:
        facts = facts_of(data)
        matrix = self._only_nonzero(matrix)
        if len(facts.heads) and matrix.nnz:
            self._alternate(matrix, facts, seed, progress)
        else:
            super()._fit(matrix, data, seed=seed, progress=progress, warm_start=warm_start)

    def warm_parts(self) -> Mapping[str, Rows]:
        """Return nothing: the vectors of entities are not kept."""
        return {}

    def _alternate(self, matrix: sparse.csr_array, facts: Facts, seed: int, progress: Progress) -> None:
        """Solve for users, items and entities in turn, and set what was learned."""
        config = self.config
        weights = entry_weights(matrix, config.degree_exponent)
        ridge = config.alpha * penalty(weights, config.regularization)
        by_user = sparse.csr_array(confidences(weights, config.alpha))
        by_item = sparse.csr_array(by_user.T)
        entries = np.diff(by_item.indptr)
        predict = self._mixtures(matrix, facts, entries, seed)
        users, items = starting_factors(matrix.shape, config.factors, seed)
        predicted, tau = np.zeros_like(items), config.knowledge
        iterations = config.rounds(matrix.nnz)
        for done in range(iterations):
            judged_by = items - tau * predicted
            judged_by[entries == 0] = 0  # else every user would dislike what nobody has met
            users = solve_rows(by_user, items, users, ridge=ridge, judged_by=judged_by)
            items = solve_rows(by_item, users, items, ridge=ridge, prior=predicted, agreement=tau)
            predicted = predict(items)
            progress(done + 1, iterations)
        new = (entries == 0) & predicted.any(axis=1)
        items[new] = predicted[new]
        self.known_items_ |= new
        self.user_factors_, self.item_factors_ = users, items
        self.item_bias_ = np.empty(0, np.float32)

    def _mixtures(
        self, matrix: sparse.csr_array, facts: Facts, entries: NDArray[np.integer], seed: int
    ) -> Callable[[FloatArray], FloatArray]:
        """Return the function from the items' vectors to those that the facts predict, both (n_items, f) float32.

        Items with many entries differ from others of the same facts, so their predictions are shrunk more. For items
        with few, the facts of the greatest attention count most: there memberships are the attention itself, not its
        root.
        """
        attention_weights = facts.weights * edge_attention(facts, likeness_vectors(matrix))
        often, rare = (
            ItemMixtures(memberships(facts, weight), entries, ridge, self.config.factors, seed)
            for weight, ridge in (
                (np.sqrt(attention_weights), self.config.entity_regularization),
                (attention_weights, self.config.rare_regularization),
            )
        )
        share = (_FEW / (_FEW + entries)).astype(np.float32)[:, None]
        return lambda items: share * rare.of(items) + (1 - share) * often.of(items)
