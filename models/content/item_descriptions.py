"""Descriptions of the items as one matrix: genres, tags, attributes, title words and facts of a knowledge graph.

Models that make an item's vector from its description start from these rows, so that an item that nobody has met yet
has one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from models.content.tf_idf import tf_idf, unit_rows
from models.interactions import Interactions


def described_items(data: Interactions) -> sparse.csr_array:
    """Return the descriptions of all items: TF-IDF weights, in which every kind of feature weighs the same.

    A kind is what stands before the colon of a feature's name, such as genre, tag or director; the words of titles are
    one, and so is each relation whose facts join an item and an entity. Without this, the many tags of an item would
    leave its director no weight. Features of one item alone and of all items say nothing about likeness: their columns
    are there, but empty.

    Args:
        data: the snapshot; its likes are not read.

    Returns:
        (n_items, n_features) float32, canonical and without explicit zeros. Rows have length 1, or no entry for items
        without a description. The columns are those of `item_features`, kind by kind, then those of `title_words`,
        then an entity's for each relation. There is none if nothing is known of any item.
    """
    kinds = [tf_idf(counts) for counts in _counts_by_kind(data)]
    nothing = sparse.csr_array((data.n_items, 0), dtype=np.float32)
    together = sparse.csr_array(sparse.hstack([nothing, *kinds], format="csr", dtype=np.float32))
    together.sum_duplicates()  # sorts the indices
    return unit_rows(together)


def _counts_by_kind(data: Interactions) -> Iterator[sparse.csr_array]:
    """Yield how often each feature of one kind was given to each item, (n_items, features of the kind) float32."""
    kinds = np.array([name.partition(":")[0] for name in data.feature_names], dtype=str)
    for kind in np.unique(kinds):
        yield sparse.csr_array(data.item_features[:, kinds == kind])
    if data.title_words is not None:
        yield data.title_words
    yield from _facts_by_relation(data)


def _facts_by_relation(data: Interactions) -> Iterator[sparse.csr_array]:
    """Yield which entities each relation joins each item with, (n_items, n_entities) float32, in either direction."""
    if data.relations is None:
        return
    n_items, n_entities = data.n_items, len(data.relations.entity_names)
    head, relation, tail = data.relations.triples.T
    item, other = np.minimum(head, tail), np.maximum(head, tail)  # items are the first nodes
    joins = (item < n_items) & (other >= n_items)
    for number in range(len(data.relations.relation_names)):
        of_it = joins & (relation == number)
        pairs = item[of_it], other[of_it] - n_items
        facts = sparse.csr_array((np.ones(int(of_it.sum()), np.float32), pairs), shape=(n_items, n_entities))
        facts.sum_duplicates()
        facts.data[:] = 1  # a fact in both directions is one fact
        yield facts
