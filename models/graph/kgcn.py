"""A knowledge graph in LightGCN: embeddings propagate along likes and along facts about the items at once.

Wang et al. 2019, "KGAT: knowledge graph attention network for recommendation", propagate along the joint graph of
users, items and entities with an attention for each edge; as in KGIN (Wang et al. 2021) and LightGCN there are no
weight matrices between layers. The attention is not trained by gradients but measured on the likes: see `knowledge`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray
from models.graph.initial_embeddings import singular_embeddings
from models.graph.knowledge import edge_attention, facts_of
from models.graph.lightgcn import LightGCN
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.propagation import normalized_adjacency, with_edges
from models.interactions import Interactions, MatrixName
from models.numerics.unit_vectors import unit_vectors
from models.search_space import Range, SearchSpace
from models.warm_start import Rows

_MOST_RANK = 64  # length of the vectors by which the items of an entity are compared


class KGCNConfig(LightGCNConfig):
    """Hyperparameters of `kgcn`."""

    search_space: ClassVar[SearchSpace] = {
        **LightGCNConfig.search_space,
        "knowledge": Range(1.0, 300.0, log=True),
    }

    knowledge: float = Field(
        default=30.0,
        ge=0,
        le=100_000,
        description="Number of likes that a fact of full attention weighs as much as; 0 is lightgcn.",
    )


class KGCN(LightGCN):
    """LightGCN on the graph of likes and facts; items without likes get the vectors of what they share with others.

    Without relations and item features in the data it is `lightgcn`.
    """

    name: ClassVar[str] = "kgcn"
    in_words: ClassVar[str] = "hidden factors that spread along likes and along facts about the items"
    matrix: ClassVar[MatrixName] = "positive"
    config_class: ClassVar[type[Config]] = KGCNConfig
    counterpart: ClassVar[str | None] = "lightgcn"
    config: KGCNConfig

    def warm_parts(self) -> Mapping[str, Rows]:
        """Return nothing: the base embeddings of entities have no rows that a later fit could match."""
        return {}

    def _graph(self, matrix: sparse.csr_array, data: Interactions) -> sparse.csr_array:
        facts = facts_of(data)
        if not len(facts.heads) or not self.config.knowledge or not matrix.nnz:
            return super()._graph(matrix, data)
        attention = edge_attention(facts, likeness_vectors(matrix))
        weights = self.config.knowledge * facts.weights * attention
        return with_edges(matrix, facts.symmetric(weights), matrix.shape[0])


def likeness_vectors(matrix: sparse.csr_array) -> FloatArray:
    """Return unit vectors of the items' likes, (n_items, f) float32; zeros for items without likes.

    The singular vectors of so low a rank, the root of the smaller side, that chance has little part in their cosines.
    """
    n_users, n_items = matrix.shape
    likes = normalized_adjacency(matrix)[:n_users, n_users:]
    rank = max(1, min(_MOST_RANK, round(math.sqrt(min(n_users, n_items)))))
    vectors = unit_vectors(singular_embeddings(likes, rank, np.random.default_rng(0))[n_users:])
    vectors[np.bincount(matrix.indices, minlength=n_items) == 0] = 0  # not the rounding errors of zero
    return vectors
