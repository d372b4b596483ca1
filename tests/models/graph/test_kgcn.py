from dataclasses import replace

import numpy as np
from scipy import sparse

from models.graph.kgcn import KGCN, KGCNConfig, likeness_vectors
from models.graph.lightgcn import LightGCN
from models.graph.lightgcn_config import LightGCNConfig
from models.interactions import Interactions
from models.relations import Relations
from tests.models.contract import N_ITEMS, UNTOUCHED_ITEM, LikesContract, small_world

SMALL = KGCNConfig(factors=16, epochs=10, negatives=16, refreshes=2, device="cpu")


def by_parity(data: Interactions, items: np.ndarray | None = None) -> Interactions:
    """Return `data` with a fact for each of `items`: whether its number is even."""
    items = np.arange(data.n_items) if items is None else items
    triples = np.stack([items, np.zeros(len(items), int), data.n_items + items % 2], axis=1).astype(np.int32)
    return replace(data, relations=Relations(triples, data.n_items, ("parity",), ("even", "odd")))


class TestKGCN(LikesContract):
    model = KGCN
    kept_of_own_history = 0.9
    config = SMALL

    def described(self, data: Interactions) -> Interactions:
        touched = np.flatnonzero(np.bincount(data.seen.indices, minlength=data.n_items))
        return by_parity(data, touched)


class TestKGCNWithoutFacts(LikesContract):
    model = KGCN
    kept_of_own_history = 0.9
    config = SMALL


def test_without_facts_it_is_lightgcn() -> None:
    world = small_world()
    options = {name: getattr(SMALL, name) for name in LightGCNConfig.model_fields}
    plain = LightGCN(LightGCNConfig(**options)).fit(world, seed=1)
    unused = KGCN(SMALL.model_copy(update={"knowledge": 0})).fit(by_parity(world), seed=1)
    for model in (KGCN(SMALL).fit(world, seed=1), unused):
        assert np.array_equal(model.item_factors_, plain.item_factors_)
        assert np.array_equal(model.known_items_, plain.known_items_)


def test_an_item_without_likes_is_listed_by_what_it_shares() -> None:
    model = KGCN(SMALL).fit(by_parity(small_world()), seed=1)
    scores = model.score(np.arange(0, 40))[:, UNTOUCHED_ITEM]
    assert UNTOUCHED_ITEM % 2 == 1
    assert np.nanmean(scores[1::2]) > np.nanmean(scores[::2])
    similar = model.similar_items(np.array([UNTOUCHED_ITEM]), 5).items[0]
    assert (similar % 2 == 1).all()


def test_an_item_without_likes_and_facts_stays_unknown() -> None:
    facts = by_parity(small_world(), np.delete(np.arange(N_ITEMS), UNTOUCHED_ITEM))
    assert not KGCN(SMALL).fit(facts, seed=1).known_items_[UNTOUCHED_ITEM]


def test_features_of_items_are_facts() -> None:
    world = small_world()
    features = sparse.csr_array((np.arange(N_ITEMS)[:, None] % 2 == [0, 1]).astype(np.float32))
    featured = replace(world, item_features=features, feature_names=("genre:even", "genre:odd"))
    one, other = (KGCN(SMALL).fit(data, seed=1) for data in (featured, by_parity(world)))
    np.testing.assert_allclose(one.item_factors_, other.item_factors_, atol=1e-5)


def test_likeness_of_items_without_likes_is_zero() -> None:
    vectors = likeness_vectors(small_world().positive)
    assert not vectors[UNTOUCHED_ITEM].any()


def test_items_that_share_a_fact_become_more_similar() -> None:
    """Ten users have two items of the same parity, which is enough for the attention; the others have one."""
    rng = np.random.default_rng(0)
    likes = np.zeros((40, 20))
    likes[np.arange(40), np.arange(40) % 20] = 1
    likes[np.arange(10), (np.arange(10) + 2 * rng.integers(1, 9, 10)) % 20] = 1  # of the same parity
    data = by_parity(Interactions.from_positive(sparse.csr_array(likes)))
    same = []
    for config in (SMALL.model_copy(update={"knowledge": 0}), SMALL):
        lists = KGCN(config).fit(data, seed=1).similar_items(np.arange(20), 5).items
        same.append((lists % 2 == np.arange(20)[:, None] % 2).mean())
    assert same[1] > 0.9 > same[0]
