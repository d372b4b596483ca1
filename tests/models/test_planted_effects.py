"""Friends, directors and cities that say what users like are found by the models that read them; shuffled ones are not.

Each model is fitted on the true side data, on shuffled ones (as many friends for each user, as many films for each
director, the features of another user) and on none. The margins leave room for any of five seeds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.factors.cke import CKE, CKEConfig
from models.factors.mf import MF
from models.factors.mf_config import MFConfig
from models.graph.kgcn import KGCN, KGCNConfig
from models.graph.social_gcn import SocialGCN, SocialGCNConfig
from models.retrieval.config import TwoTowerConfig
from models.retrieval.two_tower import TwoTower
from tests.models.planted_world import (
    N_USERS,
    NEW_ITEM,
    NEW_USER,
    World,
    error,
    ndcg,
    planted_world,
    with_shuffled_directors,
    with_shuffled_links,
    with_shuffled_user_features,
)

SEED = 0
RATINGS = 14  # of a user, for the model of ratings: with fewer it learns little from any
OFTEN, RARELY = 12, 3  # ratings of the first and of the second of two users, where features are to tell
RARE_USER = (np.arange(N_USERS) % 2 == 1) & ~NEW_USER

TOWERS = TwoTowerConfig(factors=16, epochs=30, patience=30, batch=256, learning_rate=0.01, device="cpu")
MODELS: dict[str, Callable[[], Recommender]] = {
    "social_gcn": lambda: SocialGCN(SocialGCNConfig(factors=32, epochs=12, device="cpu")),
    "kgcn": lambda: KGCN(KGCNConfig(factors=32, epochs=12, device="cpu")),
    "cke": lambda: CKE(CKEConfig(factors=32)),
    "mf": lambda: MF(MFConfig(factors=8, epochs=30, learning_rate=0.05, link_weight=3, device="cpu")),
    "two_tower": lambda: TwoTower(TOWERS),
}


class Fits(NamedTuple):
    """One model, fitted on the same likes with three kinds of side data."""

    true: Recommender
    shuffled: Recommender
    none: Recommender


@cache
def world(rated: int, by_half: int | None = None) -> World:
    return planted_world(SEED, rated=rated, by_half=by_half)


@cache
def by_links(name: str, rated: int = 6) -> tuple[World, Fits]:
    found = world(rated)
    data = replace(found.data, relations=None)
    kinds = (data, with_shuffled_links(data, SEED + 100), replace(data, links=None))
    return found, Fits(*(MODELS[name]().fit(each, seed=1) for each in kinds))


@cache
def by_directors(name: str) -> tuple[World, Fits]:
    found = world(6)
    data = replace(found.data, links=None)
    kinds = (data, with_shuffled_directors(data, SEED + 100), replace(data, relations=None))
    return found, Fits(*(MODELS[name]().fit(each, seed=1) for each in kinds))


@cache
def by_user_features(name: str) -> tuple[World, Fits]:
    found = world(OFTEN, RARELY)
    data = replace(found.data, links=None, relations=None)
    kinds = (data, with_shuffled_user_features(data, SEED + 100), replace(data, user_features=None))
    return found, Fits(*(MODELS[name]().fit(each, seed=1) for each in kinds))


def test_friends_improve_the_lists_of_social_gcn() -> None:
    found, fits = by_links("social_gcn")
    true, shuffled, none = (ndcg(fit, found, found.wanted(~NEW_USER), ~NEW_ITEM) for fit in fits)
    assert true > none + 0.015
    assert shuffled < none + 0.005


def test_new_users_get_lists_from_the_taste_of_friends() -> None:
    found, fits = by_links("social_gcn")
    wanted = found.wanted(NEW_USER)
    popular = ndcg(Popularity().fit(found.data, seed=1), found, wanted, ~NEW_ITEM)
    true, shuffled, none = (ndcg(fit, found, wanted, ~NEW_ITEM) for fit in fits)
    assert true > popular + 0.1
    assert shuffled < popular + 0.02
    assert none == 0, "without links they are unknown"


def test_friends_improve_the_predictions_of_mf() -> None:
    found, fits = by_links("mf", RATINGS)
    true, shuffled, none = (error(fit, found, ~NEW_USER) for fit in fits)
    assert true < none - 0.005
    assert shuffled > none


def test_new_users_of_mf_are_predicted_by_their_friends() -> None:
    found, fits = by_links("mf", RATINGS)
    true, shuffled, none = (error(fit, found, NEW_USER) for fit in fits)
    assert true < none - 0.05
    assert shuffled > none - 0.015
    wanted = found.wanted(NEW_USER)
    popular = ndcg(Popularity().fit(found.data, seed=1), found, wanted, ~NEW_ITEM)
    listed = [ndcg(fit, found, wanted, ~NEW_ITEM) for fit in fits[:2]]
    assert listed[0] > popular + 0.05
    assert listed[1] < popular + 0.04


@pytest.mark.parametrize("name", ["kgcn", "cke"])
def test_directors_say_who_likes_items_nobody_has_met(name: str) -> None:
    """Lists hold new items alone; in a random order NDCG@10 is about that of shuffled directors."""
    found, fits = by_directors(name)
    wanted = found.wanted(~NEW_USER, NEW_ITEM)
    true, shuffled = (ndcg(fit, found, wanted, NEW_ITEM) for fit in fits[:2])
    assert true > 0.3
    assert shuffled < 0.22
    assert not fits.none.known_items_[NEW_ITEM].any()


@pytest.mark.parametrize(("name", "gain", "noise"), [("kgcn", 0.002, 0.005), ("cke", 0.04, 0.012)])
def test_only_true_directors_improve_lists(name: str, gain: float, noise: float) -> None:
    found, fits = by_directors(name)
    true, shuffled, none = (ndcg(fit, found, found.wanted(~NEW_USER), ~NEW_ITEM) for fit in fits)
    assert true > none + gain
    assert shuffled < none + noise


def test_user_features_improve_the_lists_of_two_tower() -> None:
    found, fits = by_user_features("two_tower")
    everybody, rare = (
        [ndcg(fit, found, found.wanted(users), ~NEW_ITEM) for fit in fits] for users in (~NEW_USER, RARE_USER)
    )
    assert everybody[0] > everybody[2] + 0.02
    assert rare[0] > rare[2] + 0.03
    assert everybody[1] < everybody[0] - 0.008
    assert everybody[1] < everybody[2] + 0.025


def test_new_users_get_lists_of_those_with_their_features() -> None:
    found, fits = by_user_features("two_tower")
    wanted = found.wanted(NEW_USER)
    popular = ndcg(Popularity().fit(found.data, seed=1), found, wanted, ~NEW_ITEM)
    true, shuffled, none = (ndcg(fit, found, wanted, ~NEW_ITEM) for fit in fits)
    assert true > popular + 0.03
    assert shuffled < popular + 0.04
    assert none == 0, "without features they are unknown"
