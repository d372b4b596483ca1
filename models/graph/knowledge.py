"""The graph of items and what is known of them, with an attention that the likes teach.

Facts come from `Interactions.relations` and from item features, whose kind (genre, tag, director …) is their relation.
An entity that is shared by items that different people like says nothing. So each edge is weighed by how much more
alike the items of its entity are than any two items, measured on the likes. Shuffled facts get next to no weight.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.interactions import Interactions

_PRIOR_PAIRS = 20.0  # pairs of items for which a relation's mean counts in its entities' coherence


class Facts(NamedTuple):
    """Edges of the knowledge graph; an edge of an entity node and an item, or of two items, or of two entities.

    Attributes:
        heads: (n,) int64 nodes; items come first, then the entities.
        tails: (n,) int64 nodes.
        relations: (n,) int64 indices of relations, from 0 on.
        weights: (n,) float64 above 0, such as how often a tag was given; 1 for a fact of a relation.
        n_items: number of nodes that are items.
        n_nodes: number of all nodes.
    """

    heads: NDArray[np.int64]
    tails: NDArray[np.int64]
    relations: NDArray[np.int64]
    weights: NDArray[np.float64]
    n_items: int
    n_nodes: int

    def symmetric(self, weights: NDArray[np.float64]) -> sparse.csr_array:
        """Return the edges with other weights, (n,), in both directions: (n_nodes, n_nodes) without zeros."""
        shape = (self.n_nodes, self.n_nodes)
        one_way = sparse.csr_array((weights, (self.heads, self.tails)), shape=shape)
        both = sparse.csr_array(one_way + one_way.T)
        both.eliminate_zeros()
        return both


def facts_of(data: Interactions) -> Facts:
    """Return the facts of `relations` and of `item_features` as one list of edges.

    A tag that was given n times has the weight ln(1 + n) / ln 2.
    """
    features = data.item_features.tocoo()
    kinds, kind = np.unique([name.partition(":")[0] for name in data.feature_names], return_inverse=True)
    n_entities = len(data.feature_names)
    heads, tails = features.row.astype(np.int64), features.col.astype(np.int64) + data.n_items
    names = kind[features.col].astype(np.int64) if n_entities else np.empty(0, np.int64)
    weights = np.log2(1 + features.data.astype(np.float64))
    if data.relations is not None:
        head, relation, tail = data.relations.triples.T.astype(np.int64)
        head, tail = (np.where(node < data.n_items, node, node + n_entities) for node in (head, tail))
        heads, tails = np.concatenate([heads, head]), np.concatenate([tails, tail])
        names = np.concatenate([names, relation + len(kinds)])
        weights = np.concatenate([weights, np.ones(len(head))])
        n_entities += len(data.relations.entity_names)
    kept = (heads != tails) & (weights > 0)
    return Facts(
        heads[kept], tails[kept], names[kept], weights[kept], data.n_items, data.n_items + n_entities
    )


def edge_attention(facts: Facts, item_vectors: FloatArray) -> NDArray[np.float64]:
    """Return how much more alike the items of each edge's entity are than any two items: (n,) from 0 to 1.

    The coherence of an entity under a relation is the mean cosine of all pairs of its items, less that of all pairs of
    items of the data. It is shrunk to the mean coherence of the relation, because most entities have few items, and is
    0 where it is negative. A fact of two items, or of two entities, has the coherence of its relation.

    Args:
        facts: the edges.
        item_vectors: (n_items, f) float32, unit vectors of the likes; zeros for items without likes.
    """
    n = facts.n_items
    met = np.append(np.linalg.norm(item_vectors, axis=1) > 0, np.zeros(facts.n_nodes - n, bool))
    chance = _mean_cosine(item_vectors[met[:n]].sum(axis=0, dtype=np.float64), int(met.sum()))
    is_item = np.stack([facts.heads < n, facts.tails < n])
    with_entity = np.flatnonzero(is_item.sum(axis=0) == 1)
    item = np.where(is_item[0], facts.heads, facts.tails)[with_entity]
    entity = np.where(is_item[0], facts.tails, facts.heads)[with_entity]
    groups, group = np.unique(facts.relations[with_entity] * facts.n_nodes + entity, return_inverse=True)
    alike, pairs = _sums_of_cosines(group, item, met, item_vectors, len(groups))
    excess = alike - chance * pairs
    n_relations = int(facts.relations.max(initial=-1)) + 1
    relation = groups // facts.n_nodes
    both = np.flatnonzero(is_item.all(axis=0))
    both = both[met[facts.heads[both]] & met[facts.tails[both]]]
    cosines = np.einsum(
        "nf,nf->n", item_vectors[facts.heads[both]], item_vectors[facts.tails[both]], dtype=np.float64
    )
    of_relation = np.bincount(relation, excess, n_relations) + np.bincount(
        facts.relations[both], cosines - chance, n_relations
    )
    counts = np.bincount(relation, pairs, n_relations) + np.bincount(
        facts.relations[both], minlength=n_relations
    )
    mean = of_relation / (counts + _PRIOR_PAIRS)
    attention = mean[facts.relations]
    attention[with_entity] = ((excess + _PRIOR_PAIRS * mean[relation]) / (pairs + _PRIOR_PAIRS))[group]
    return np.clip(attention, 0, 1)


def _sums_of_cosines(
    group: NDArray[np.int64],
    item: NDArray[np.int64],
    met: NDArray[np.bool_],
    item_vectors: FloatArray,
    n_groups: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of the cosines of all pairs of items of each group, and the number of pairs."""
    kept = met[item]
    members = sparse.csr_array(
        (np.ones(kept.sum()), (group[kept], item[kept])), shape=(n_groups, len(item_vectors))
    )
    members.sum_duplicates()
    members.data[:] = 1
    count = np.diff(members.indptr).astype(np.float64)
    lengths = np.square(members @ item_vectors.astype(np.float64)).sum(axis=1)
    return (lengths - count) / 2, count * (count - 1) / 2


def _mean_cosine(total: NDArray[np.float64], count: int) -> float:
    """Return the mean cosine of all pairs of `count` unit vectors of the sum `total`; 0 for fewer than two."""
    return float((total @ total - count) / (count * (count - 1))) if count > 1 else 0.0
