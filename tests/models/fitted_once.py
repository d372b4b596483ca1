"""A contract whose tests share their fits: a network takes longer to train than all that is then asked of it."""

from __future__ import annotations

import hashlib
from copy import copy
from typing import ClassVar

import numpy as np

from models.base import Recommender
from models.interactions import Interactions
from tests.models.contract import N_USERS, RecommenderContract, same


class FittedOnce(RecommenderContract):
    """Fits once for equal data and seeds, and gives every test a copy. Comes before the contract among the bases."""

    _fits: ClassVar[dict[tuple[type, int, str], Recommender]] = {}

    def fitted(self, data: Interactions, seed: int = 1) -> Recommender:
        key = type(self), seed, digest(data)
        if key not in self._fits:
            self._fits[key] = super().fitted(data, seed)
            assert digest(data) == key[2], "a fit leaves the data alone"
        return copy(self._fits[key])

    def test_the_same_seed_gives_the_same_lists(self, world: Interactions) -> None:
        users = np.arange(N_USERS)
        first, again = (RecommenderContract.fitted(self, world, 5).recommend(users, 9) for _ in range(2))
        assert same(first, again)
        other = self.fitted(world).recommend(users, 9)
        assert not same(first, other)


def digest(data: Interactions) -> str:
    """Return a digest of all that a model reads."""
    found = hashlib.sha256()
    for name in ("seen", "rating", "positive", "composite", "timestamp", "item_features"):
        matrix = getattr(data, name)
        for part in (np.array(matrix.shape), matrix.indptr, matrix.indices, matrix.data):
            found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()
