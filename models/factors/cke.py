"""ALS whose item vectors are drawn to what facts say of the items: the structural part of CKE.

Zhang et al. 2016, "Collaborative knowledge base embedding for recommender systems" (CKE), section 5: an item's vector is
an offset, learned from the likes, plus a vector that the knowledge base says; the two are learned together. Here the
latter is a mixture of vectors of the item's entities instead of TransR's embedding, which makes every step a least
squares problem (as the regression priors of Agarwal & Chen 2009, "Regression-based latent factor models"), so that it
takes about as long as `als`, is deterministic, and says something of items without any like.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, Progress, Recommender
from models.factors.als import ALS, ALSConfig, confidences, entry_weights, penalty, starting_factors
from models.factors.entity_vectors import EntityVectors, memberships
from models.factors.prior_least_squares import solve_rows
from models.graph.kgcn import likeness_vectors
from models.graph.knowledge import Facts, edge_attention, facts_of
from models.interactions import Interactions
from models.search_space import Range, SearchSpace

_NEW_ROUNDS = 10  # of conjugate gradients for items without likes


class CKEConfig(ALSConfig):
    """Hyperparameters of `cke`."""

    search_space: ClassVar[SearchSpace] = {
        **ALSConfig.search_space,
        "knowledge": Range(0.03, 3.0, log=True),
        "entity_regularization": Range(0.03, 30.0, log=True),
    }

    knowledge: float = Field(
        default=0.3,
        ge=0,
        le=1000,
        description="How much the scores that the facts predict count beside the missing entries; 0 lets the facts "
        "replace nothing but the zero to which `regularization` pulls.",
    )
    new_item_regularization: float = Field(
        default=0.1,
        ge=0,
        le=10_000,
        description="The same weight where the vectors of items without likes are found.",
    )
    entity_regularization: float = Field(
        default=5,
        ge=0,
        le=10_000,
        description="Weight of the squared vectors of entities: the number of items with many likes and full attention "
        "that an entity needs to be believed by half.",
    )


class CKE(ALS):
    """ALS with facts about the items; items without likes get the vectors of what they share with others.

    The loss, with c, p and λ of `als`, m_i = Σ_g a_ig e_g, a the memberships of the items in entities and τ =
    `knowledge`, is

        Σ c_ui (p_ui − x_u · y_i)² + λ (Σ_u ‖x_u‖² + Σ_i ‖y_i − m_i‖²) + τ Σ_ui (x_u · (y_i − m_i))²

    The last term says that who misses an entry need not dislike the item: without it, missing entries pull the vectors
    of items with few likes to zero whatever the facts say. Users, items and entities take turns. Without relations and item features in the data it is `als`, to the bit.
    """

    name: ClassVar[str] = "cke"
    in_words: ClassVar[str] = "tastes as mixtures of hidden factors, which items of the same facts share in part"
    config_class: ClassVar[type[Config]] = CKEConfig
    config: CKEConfig

    def _fit(
        self,
        matrix: sparse.csr_array,
        data: Interactions,
        *,
        seed: int,
        progress: Progress,
        warm_start: Recommender | None,
    ) -> None:
        facts = facts_of(data)
        if not len(facts.heads) or not matrix.nnz:
            super()._fit(matrix, data, seed=seed, progress=progress, warm_start=warm_start)
            return
        self._alternate(self._only_nonzero(matrix), facts, seed, progress)

    def _alternate(self, matrix: sparse.csr_array, facts: Facts, seed: int, progress: Progress) -> None:
        """Solve for users, items and entities in turn, and set what was learned."""
        config = self.config
        weights = entry_weights(matrix, config.degree_exponent)
        ridge = config.alpha * penalty(weights, config.regularization)
        by_user = sparse.csr_array(confidences(weights, config.alpha))
        by_item = sparse.csr_array(by_user.T)
        entries = np.diff(by_item.indptr)
        weights_of_facts = facts.weights * edge_attention(facts, likeness_vectors(matrix))
        belongs = memberships(facts, np.sqrt(weights_of_facts))
        entities = EntityVectors(belongs, entries, config.entity_regularization, config.factors)
        users, items = starting_factors(matrix.shape, config.factors, seed)
        said, tau = np.zeros_like(items), config.knowledge
        for done in range(config.iterations):
            offsets = items - said
            users = solve_rows(by_user, items, users, ridge=ridge, agreement=tau, judged_by=offsets)
            items = solve_rows(by_item, users, items, ridge=ridge, agreement=tau, prior=said)
            said = entities.follow(items)
            progress(done + 1, config.iterations)
        new = (entries == 0) & (np.diff(belongs.indptr) > 0)
        if new.any():
            sharper = memberships(facts, weights_of_facts)
            entities = EntityVectors(sharper, entries, config.new_item_regularization, config.factors)
            for _ in range(_NEW_ROUNDS):
                said = entities.follow(items)
            items[new] = said[new]
        self.known_items_ |= new
        self.user_factors_, self.item_factors_ = users, items
        self.item_bias_ = np.empty(0, np.float32)
