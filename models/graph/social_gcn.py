"""Social LightGCN: embeddings propagate along likes and along links between friends at once.

Liao et al. 2022, "SocialLGN: light graph convolution network for social recommendation", and Wu et al. 2019, "A neural
influence diffusion model for social recommendation" (DiffNet), propagate along two graphs and join the results. Here
both are one graph, so that the training of `lightgcn` serves as it is. The attention over friends is by taste.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy import sparse

from models.base import Config, FloatArray
from models.graph.initial_embeddings import singular_embeddings
from models.graph.lightgcn import LightGCN
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.propagation import normalized_adjacency, with_edges
from models.interactions import Interactions
from models.numerics.unit_vectors import unit_vectors
from models.search_space import Range, SearchSpace

_TASTE_RANK = 32  # length of the vectors by which friends are compared


class SocialGCNConfig(LightGCNConfig):
    """Hyperparameters of `social_gcn`."""

    search_space: ClassVar[SearchSpace] = {
        **LightGCNConfig.search_space,
        "link_weight": Range(0.1, 30.0, log=True),
        "attention": Range(0.0, 8.0),
    }

    link_weight: float = Field(
        default=3.0,
        ge=0,
        le=1000,
        description="Number of likes that a link to a friend of the same taste weighs as much as; 0 is lightgcn.",
    )
    attention: float = Field(
        default=2.0,
        ge=0,
        le=20,
        description="How much less friends of another taste count: by e^(attention * (cosine of their likes - 1)); 0 "
        "gives all friends the same weight.",
    )


class SocialGCN(LightGCN):
    """LightGCN on the graph of likes and links; users without likes get the taste of their friends.

    Without links in the data it is `lightgcn`.
    """

    name: ClassVar[str] = "social_gcn"
    in_words: ClassVar[str] = "hidden factors that spread along likes and between friends"
    config_class: ClassVar[type[Config]] = SocialGCNConfig
    counterpart: ClassVar[str | None] = "lightgcn"
    config: SocialGCNConfig

    def _graph(self, matrix: sparse.csr_array, data: Interactions) -> sparse.csr_array:
        if data.links is None or not self.config.link_weight:
            return super()._graph(matrix, data)
        links = attended(data.links, taste_vectors(matrix), self.config.attention)
        return with_edges(matrix, links * self.config.link_weight, 0)


def taste_vectors(matrix: sparse.csr_array) -> FloatArray:
    """Return unit vectors of the users' likes, (n_users, f) float32; zeros for users without likes."""
    n_users, n_items = matrix.shape
    if not matrix.nnz:
        return np.zeros((n_users, 1), np.float32)
    likes = normalized_adjacency(matrix)[:n_users, n_users:]
    vectors = singular_embeddings(likes, min(_TASTE_RANK, n_users, n_items), np.random.default_rng(0))
    tastes = unit_vectors(vectors[:n_users])
    tastes[np.diff(matrix.indptr) == 0] = 0  # not the rounding errors of zero
    return tastes


def attended(links: sparse.csr_array, tastes: FloatArray, attention: float) -> sparse.csr_array:
    """Multiply each link by e^(attention · (cosine of the two tastes − 1)) and make the matrix symmetric.

    Args:
        links: (n_users, n_users), entries above 0.
        tastes: (n_users, f), unit vectors or zeros.
        attention: at least 0.

    Returns:
        (n_users, n_users) symmetric float64: the mean of both directions.
    """
    users = np.repeat(np.arange(links.shape[0]), np.diff(links.indptr))
    alike = np.einsum("nf,nf->n", tastes[users], tastes[links.indices])
    weights = links.data.astype(np.float64) * np.exp(attention * (alike - 1))
    one_way = sparse.csr_array((weights, links.indices, links.indptr), shape=links.shape)
    return sparse.csr_array((one_way + one_way.T) / 2)
