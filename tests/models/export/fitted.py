"""Tiny fitted models of every kind that can be exported."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from scipy import sparse

from models.base import Recommender
from models.interactions import Interactions
from models.registry import recommender_class
from tests.models.contract import small_world

N_USER_FEATURES = 5
SMALL = {"factors": 8, "epochs": 3}
CONFIGS: dict[str, dict[str, object]] = {
    "als": {"factors": 8, "iterations": 3},
    "bpr": {"factors": 8},
    "lightgcn": SMALL,
    "mf": {"factors": 8},
    "autorec": SMALL,
    "neumf": SMALL | {"start": "random"},
    "neumf gmf": SMALL | {"start": "random", "parts": "gmf"},
    "neumf mlp": SMALL | {"start": "random", "parts": "mlp"},
    "neumf rating": SMALL | {"objective": "rating", "layers": 2},
    "multvae": SMALL | {"hidden": 12},
    "recvae": SMALL | {"hidden": 12},
    "two_tower": SMALL,
    "sasrec": SMALL | {"length": 20, "blocks": 1},
    "gru4rec": SMALL | {"length": 20, "hidden": 12},
    "caser": SMALL | {"length": 20, "latest": 4},
}
"""Names of cases, which begin with the model's, and settings."""


def described_world() -> Interactions:
    """Return the small world with events in twenty days, three features of items, of one that nobody touched too.

    Users have five, by which the exported parts must not differ.
    """
    world = small_world()
    rng = np.random.default_rng(5)
    features = sparse.csr_array((rng.random((world.n_items, 3)) < 0.5).astype(np.float32))
    timestamp = world.timestamp.copy()
    timestamp.data = rng.integers(1, 20 * 86_400, timestamp.nnz)
    names = ("genre:a", "genre:b", "tag:c")
    of_users = sparse.csr_array(
        np.eye(N_USER_FEATURES, dtype=np.float32)[np.arange(world.n_users) % N_USER_FEATURES]
    )
    return replace(
        world, timestamp=timestamp, item_features=features, feature_names=names, user_features=of_users,
        user_feature_names=tuple(f"city:{c}" for c in range(N_USER_FEATURES)),
    )  # fmt: skip


@cache
def fitted(case: str) -> Recommender:
    """Return the model of a case of `CONFIGS`, fitted to the described world."""
    model = recommender_class(case.split(maxsplit=1)[0])
    return model(model.config_class.model_validate(CONFIGS[case])).fit(described_world(), seed=1)
