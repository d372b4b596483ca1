"""Vectors of entities, such as directors and genres, of which the vectors of their items are mixtures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.graph.knowledge import Facts
from models.numerics.sparse_product import multiply
from models.numerics.threads import one_blas_thread

_STEPS = 5  # of conjugate gradients: the start is the result of the iteration before
_FOLDS = 5
_TRUSTED = 10.0  # entries of an item at which its vector counts half


def memberships(facts: Facts, weights: NDArray[np.float64]) -> sparse.csr_array:
    """Return how much each item belongs to each node: the weight of its fact, the greatest of several.

    An item of a fact about two items is a group of its own: the item itself, and those that a fact connects with it.
    Facts about two entities are not read.

    Args:
        facts: the edges.
        weights: (n_facts,) at least 0, of each.

    Returns:
        (n_items, n_nodes) float32, at most one entry above 0 for each item and node.
    """
    n = facts.n_items
    ends = np.concatenate([facts.heads, facts.tails]), np.concatenate([facts.tails, facts.heads])
    both = np.concatenate([weights, weights])
    kept = (ends[0] < n) & (both > 0)
    item, node, weight = ends[0][kept], ends[1][kept], both[kept]
    centre = node < n
    item, node = np.concatenate([item, node[centre]]), np.concatenate([node, node[centre]])
    weight = np.concatenate([weight, weight[centre]])
    order = np.lexsort((weight, node, item))
    item, node, weight = item[order], node[order], weight[order]
    greatest = np.append((np.diff(item) != 0) | (np.diff(node) != 0), True)[: len(item)]
    entries = weight[greatest].astype(np.float32), (item[greatest], node[greatest])
    found = sparse.csr_array(entries, shape=(n, facts.n_nodes))
    found.sort_indices()
    return found


class ItemMixtures:
    """Mixtures Σ_g a_ig e_g of vectors of nodes, which predict the items' vectors.

    An item's mixture is out of fold (cross-fitting): the vectors e, and the mean vector that is subtracted before they
    are learned (the centre), come from items of other folds only. With vectors that are learned from the item itself,
    any facts, shuffled ones too, would predict the item's own vector.

    Args:
        belongs: (n_items, n_nodes) float32, the memberships a.
        entries: (n_items,) number of entries of each item. Vectors of items with few count less, with none nothing.
        ridge: weight of the squared vectors of nodes, in items of full membership.
        factors: length of the vectors.
        seed: draws the folds, item by item, so that a new item at the end does not change the folds of the others.
    """

    def __init__(
        self, belongs: sparse.csr_array, entries: NDArray[np.integer], ridge: float, factors: int, seed: int
    ) -> None:
        fold = np.random.default_rng(seed).integers(_FOLDS, size=len(entries))
        self._parts = [(fold == part) & (entries > 0) for part in range(_FOLDS)]
        others = [entries * ~part for part in self._parts]
        self._learned = [EntityVectors(belongs, counted, ridge, factors) for counted in others]
        self._shares = [_shares(counted) for counted in others]
        self._new = (entries == 0) & (np.diff(belongs.indptr) > 0)
        self._belongs = belongs

    def of(self, items: FloatArray) -> FloatArray:
        """Learn from the vectors of the items and return the vectors that their nodes predict.

        Items with entries get the mixture of their fold: the difference of the item from the centre, shrunk to zero.
        The centre is left out of it because the missing entries of an item are evidence of how few users like it, and a
        prior at the mean vector is a prior of average popularity. Lists differ little: with the centre, recall@20 on
        Sports is .1161 instead of .1164, of items with few likes .0112 instead of .0119 (one split, one seed). Items
        without entries have no such evidence and get centre + mixture, the mean over all folds; without nodes, zeros.

        Args:
            items: (n_items, factors) float32, finite. Nothing is learned from items without entries.

        Returns:
            (n_items, factors) float32.
        """
        found = np.zeros_like(items)
        for part, shares, entities in zip(self._parts, self._shares, self._learned, strict=True):
            with one_blas_thread():  # else the bits depend on the number of threads
                centre = shares @ items
            entities.follow(items - centre)
            mixtures = multiply(self._belongs, entities.vectors)
            found[part] = mixtures[part]
            found[self._new] += (centre + mixtures[self._new]) / np.float32(_FOLDS)
        return found


class EntityVectors:
    """Vectors e of the nodes by which Σ_g a_ig e_g is near the vectors of the items: a ridge regression.

    Args:
        belongs: (n_items, n_nodes) float32, the memberships a.
        entries: (n_items,) number of entries of each item. Vectors of items with few count less, with none nothing.
        ridge: weight of the squared vectors, in items of full membership.
        factors: length of the vectors.

    Attributes:
        vectors: (n_nodes, factors) float32; zeros at first.
    """

    def __init__(
        self, belongs: sparse.csr_array, entries: NDArray[np.integer], ridge: float, factors: int
    ) -> None:
        trust = np.sqrt(entries / (entries + _TRUSTED)).astype(np.float32)
        self._trust = trust[:, None]
        self._trusted = _scaled_rows(belongs, trust)
        self._transposed = sparse.csr_array(self._trusted.T)
        self._transposed.sort_indices()
        self._ridge = np.float32(ridge)
        self.vectors = np.zeros((belongs.shape[1], factors), np.float32)

    def follow(self, items: FloatArray) -> None:
        """Move the vectors to the minimum for these item vectors.

        It takes some steps of conjugate gradients from the vectors as they are. The bits do not depend on the number
        of threads.

        Args:
            items: (n_items, factors) float32.
        """
        residual = multiply(self._transposed, self._trust * items) - self._times(self.vectors)
        direction = residual.copy()
        squared = _column_squares(residual)
        for _ in range(_STEPS):
            image = self._times(direction)
            curvature = np.einsum("nf,nf->f", direction, image)
            step = np.divide(squared, curvature, out=np.zeros_like(squared), where=curvature > 0)
            self.vectors += step * direction
            residual -= step * image
            now = _column_squares(residual)
            direction *= np.divide(now, squared, out=np.zeros_like(now), where=squared > 0)
            direction += residual
            squared = now

    def _times(self, vectors: FloatArray) -> FloatArray:
        product: FloatArray = multiply(self._transposed, multiply(self._trusted, vectors))
        product += self._ridge * vectors
        return product


def _shares(entries: NDArray[np.integer]) -> FloatArray:
    """Return the weights of the items in their mean vector, (n_items,) float32 of sum 1; zeros without entries."""
    trust = entries / (entries + _TRUSTED)
    shares: FloatArray = (trust / max(trust.sum(), 1e-9)).astype(np.float32)
    return shares


def _scaled_rows(matrix: sparse.csr_array, scale: FloatArray) -> sparse.csr_array:
    entries = matrix.data * np.repeat(scale, np.diff(matrix.indptr))
    return sparse.csr_array((entries, matrix.indices, matrix.indptr), shape=matrix.shape)


def _column_squares(vectors: FloatArray) -> FloatArray:
    squares: FloatArray = np.einsum("nf,nf->f", vectors, vectors)
    return squares
