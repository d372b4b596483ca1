"""The blend against the contract of all recommenders, and the effect of its weights, candidates and members."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.base import Recommender, TopN
from models.baselines.popularity import Popularity
from models.ensemble.blend import Blend, BlendConfig
from models.factors.als import ALS, ALSConfig
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from tests.examples import examples
from tests.models.contract import EMPTY_USER, N_ITEMS, N_USERS, same, small_world
from tests.models.ensemble import oracle
from tests.models.ensemble.ensemble_contract import EnsembleContract
from tests.models.threads import on_one_and_all_threads

WEIGHTS = {
    "score item_knn": 1.0,
    "score als": 0.5,
    "log rank als": 0.1,
    "popularity": 0.1,
    "near last 3": 0.3,
}


def members(data: Interactions, seed: int = 1) -> list[Recommender]:
    models: list[Recommender] = [ItemKNN(), ALS(ALSConfig(factors=4, iterations=3)), Popularity()]
    return [model.fit(data, seed=seed) for model in models]


def blend(data: Interactions, weights: dict[str, float], seed: int = 1, candidates: int = 100) -> Blend:
    models = members(data, seed)
    config = BlendConfig(candidates=candidates, members={m.name: m.name for m in models}, weights=weights)
    return Blend(config, models).fit(data, seed=seed)


class TestBlend(EnsembleContract):
    model = Blend
    weights = WEIGHTS
    kept_of_own_history = 0.9

    def members(self, data: Interactions, seed: int) -> list[Recommender]:
        return members(data, seed)


@pytest.mark.parametrize("kind", ["score", "log rank", "1/rank"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_all_weight_on_one_member_is_that_member(kind: str, which: int) -> None:
    data, users = small_world(), np.delete(np.arange(N_USERS), EMPTY_USER)
    name = ("item_knn", "als", "popularity")[which]
    model = blend(data, {f"{kind} {name}": 2.0})
    member = model.members[which]
    ours = model.recommend(users, 8, exclude=data.seen).items
    own = member.recommend(users, 8, exclude=data.seen)
    row, rank = np.nonzero(own.items >= 0)
    assert len(row) > 300
    if kind == "score":  # equal scores are broken by the blend's own tie order
        scores = member.score(users)
        np.testing.assert_allclose(scores[row, ours[row, rank]], own.scores[row, rank], rtol=1e-5)
    else:
        assert np.array_equal(ours[row, rank], own.items[row, rank])


def test_each_fold_is_ranked_by_its_own_weights() -> None:
    data, users = small_world(), np.arange(N_USERS)
    model, other = blend(data, {"score als": 1.0}), blend(data, {"score popularity": 1.0})
    out_of_fold = np.array([other.config.weights.get(name, 0.0) for name in model.feature_names])
    model.set_fold_weights(np.array([1, 4]), np.array([0, 0], np.int8), out_of_fold[None])
    mixed, *others = (
        m.recommend(users, 6, exclude=data.seen) for m in (model, blend(data, {"score als": 1.0}), other)
    )
    for user in users:
        expected = others[1] if user in (1, 4) else others[0]
        assert np.array_equal(mixed.items[user], expected.items[user])
        assert np.array_equal(mixed.scores[user], expected.scores[user], equal_nan=True)


def test_the_scale_of_a_members_scores_does_not_matter() -> None:
    data, users = small_world(), np.arange(N_USERS)
    model = blend(data, WEIGHTS)
    before = model.recommend(users, 8, exclude=data.seen).items
    knn = model.members[0]
    knn.profiles_ = sparse.csr_array(knn.profiles_ * np.float32(1024))
    assert np.array_equal(model.recommend(users, 8, exclude=data.seen).items, before)


@settings(max_examples=examples(10))
@given(st.integers(0, 10**6), st.sampled_from([5, 9, 100]), st.booleans(), st.sampled_from([1.0, 0.6, 0.2]))
def test_short_lists_are_the_heads_of_long_ones(
    seed: int, candidates: int, excluding: bool, eligible_share: float
) -> None:
    rng = np.random.default_rng(seed)
    data = small_world(seed % 3)
    users = rng.choice(np.flatnonzero(np.diff(data.seen.indptr)), 25)
    model = random_blend(rng, seed % 3, candidates)
    eligible = rng.random(N_ITEMS) < eligible_share
    asked = {"exclude": data.seen if excluding else None, "items": eligible}
    long = model.recommend(users, N_ITEMS, **asked)
    for n in (5, candidates, 2 * candidates):
        short = model.recommend(users, n, **asked)
        assert same(
            TopN(short.items[:, :N_ITEMS], short.scores[:, :N_ITEMS]), TopN(*(a[:, :n] for a in long))
        )
    heads = [member.recommend(users, candidates, **asked).items for member in model.members]
    anything = [member.recommend(users, N_ITEMS, **asked).items for member in model.members]
    for row, (items, scores) in enumerate(zip(*long, strict=True)):
        pool = {int(item) for head in heads for item in head[row] if item >= 0}
        length = int((items >= 0).sum())
        assert set(items[: len(pool)]) == pool, "candidates come before all other items"
        assert len(set(items[:length])) == length
        assert (np.diff(scores[:length]) <= 0).all()
        listed = {int(item) for each in anything for item in each[row] if item >= 0}
        assert set(items[:length]) == listed, "lists hold all that the members list"


def random_blend(rng: np.random.Generator, world: int, candidates: int) -> Blend:
    """A blend with random weights, about a third of them 0."""
    model = world_blend(world)
    weights = rng.normal(size=len(model.feature_names)) * (rng.random(len(model.feature_names)) < 0.7)
    named = dict(zip(model.feature_names, weights.tolist(), strict=True))
    shorter = Blend(model.config.model_copy(update={"candidates": candidates}), model.members)
    return shorter.fit(small_world(world), seed=1).with_weights(named)


@cache
def world_blend(world: int) -> Blend:
    return blend(small_world(world), {})


def test_long_lists_go_on_as_if_the_items_above_were_seen() -> None:
    data, users = small_world(), np.arange(20)
    model = blend(data, WEIGHTS, candidates=5)
    long = model.recommend(users, 30, exclude=data.seen)
    extended = 0
    for user in users:
        heads = [m.recommend(np.array([user]), 5, exclude=data.seen).items[0] for m in model.members]
        pool = {int(item) for head in heads for item in head if item >= 0}
        met = data.seen.toarray()
        met[user, list(pool)] = 1
        rest = model.recommend(np.array([user]), 5, exclude=sparse.csr_array(met)).items[0]
        if len(pool) >= 5:
            assert np.array_equal(long.items[user, len(pool) : len(pool) + 5], rest)
            extended += (rest >= 0).any()
    assert extended > 10


def test_items_without_interactions_are_unknown() -> None:
    data = small_world()
    model = blend(data, WEIGHTS)
    for member in model.members:
        member.known_items_[:] = True
    model.fit(data, seed=1)
    assert not model.known_items_[5]


def test_members_and_weights_must_fit_the_config() -> None:
    data = small_world()
    with pytest.raises(ValueError, match=r"cannot be made of the models \['item_knn', 'als', 'popularity'\]"):
        Blend(BlendConfig(members={"als": "x"}), members(data))
    with pytest.raises(ValueError, match="no feature score bpr"):
        blend(data, {"score bpr": 1.0})


def test_weighted_sums_have_the_bits_of_column_by_column() -> None:
    data, users = small_world(), np.delete(np.arange(N_USERS), EMPTY_USER)
    model = blend(data, {})
    rng = np.random.default_rng(2)
    names = [name for name in model.feature_names if name != "novelty"]
    model = model.with_weights(dict(zip(names, rng.normal(size=len(names)).tolist(), strict=True)))
    fold_weights = rng.normal(size=(2, len(model.feature_names)))
    fold_weights[:, model.feature_names.index("novelty")] = 0
    model.set_fold_weights(users[:20], (np.arange(20) % 2).astype(np.int8), fold_weights)
    for rows, pool in model.candidates(users, data.seen, model.known_items_):
        expected = oracle.weighted_sum(model, pool, users[rows])
        for ours in on_one_and_all_threads(lambda p=pool, r=rows: model._weighted_sum(p, users[r])):
            assert np.array_equal(ours.view(np.int32), expected.view(np.int32))
        assert len(set(expected.tolist())) > 100
