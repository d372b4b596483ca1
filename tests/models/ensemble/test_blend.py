"""The blend as a recommender: the contract of all, and that each weight counts for what it says."""

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.base import NotFittedError, Recommender
from models.baselines.popularity import Popularity
from models.ensemble.blend import Blend, BlendConfig
from models.factors.als import ALS, ALSConfig
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from tests.models.contract import N_ITEMS, N_USERS, RecommenderContract, same, small_world

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


class TestBlend(RecommenderContract):
    model = Blend

    def fitted(self, data: Interactions, seed: int = 1) -> Recommender:
        return blend(data, WEIGHTS, seed)

    def test_fitting_again_forgets_what_was(self, world: Interactions) -> None:
        model = blend(small_world(seed=2), WEIGHTS)
        model.members = members(world)
        users = np.arange(N_USERS)
        again = Blend(model.config, model.members).fit(small_world(seed=2), seed=9).fit(world, seed=1)
        assert np.array_equal(again.score(users), self.fitted(world).score(users), equal_nan=True)

    def test_saved_and_loaded_scores_are_the_same_to_the_bit(
        self, world: Interactions, tmp_path: Path
    ) -> None:
        model = blend(world, WEIGHTS)
        places = {member.name: f"../kept/{member.name}" for member in model.members}
        model = Blend(model.config.model_copy(update={"members": places}), model.members).fit(world, seed=1)
        model.keep_apart(np.array([0, 2]), np.array([0, 1], np.int8), np.eye(2, len(model.features)))
        model.save(tmp_path / "home" / "blend")
        for member in model.members:
            member.save(tmp_path / "home" / "kept" / member.name)
        (tmp_path / "home").rename(tmp_path / "moved")
        loaded = Blend.load(tmp_path / "moved" / "blend")
        users, items = np.arange(-1, N_USERS + 1), np.arange(N_ITEMS)
        assert loaded.config == model.config
        assert np.array_equal(loaded.score(users), model.score(users), equal_nan=True)
        ours, theirs = (each.recommend(users, 9, exclude=world.seen) for each in (model, loaded))
        assert same(ours, theirs)
        assert same(loaded.similar_items(items, 4), model.similar_items(items, 4))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_matrix_with_nan_or_infinity_is_refused(self, world: Interactions, bad: float) -> None:
        model = blend(world, WEIGHTS)
        world.positive.data[3] = bad
        with pytest.raises(ValueError, match="NaN or infinite"):
            model.fit(world, seed=1)

    def test_asking_before_fitting_is_an_error(self) -> None:
        model = Blend(BlendConfig(members={"popularity": "p"}), [Popularity()])
        with pytest.raises(NotFittedError, match="call fit first"):
            model.recommend(np.array([0]), 3)


@pytest.mark.parametrize("kind", ["score", "log rank", "1/rank"])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_all_weight_on_one_member_is_that_member(kind: str, which: int) -> None:
    data, users = small_world(), np.arange(N_USERS)
    name = ("item_knn", "als", "popularity")[which]
    model = blend(data, {f"{kind} {name}": 2.0})
    member = model.members[which]
    ours = model.recommend(users, 8, exclude=data.seen).items
    own = member.recommend(users, 8, exclude=data.seen)
    row, rank = np.nonzero(own.items >= 0)
    assert len(row) > 300
    if kind == "score":  # of equal scores, only ranks know which came first
        scores = member.score(users)
        np.testing.assert_allclose(scores[row, ours[row, rank]], own.scores[row, rank], rtol=1e-5)
    else:
        assert np.array_equal(ours[row, rank], own.items[row, rank])


def test_each_fold_is_ranked_by_its_own_weights() -> None:
    data, users = small_world(), np.arange(N_USERS)
    model, other = blend(data, {"score als": 1.0}), blend(data, {"score popularity": 1.0})
    apart = np.array([other.config.weights.get(name, 0.0) for name in model.features])
    model.keep_apart(np.array([1, 4]), np.array([0, 0], np.int8), apart[None])
    mixed, *others = (
        m.recommend(users, 6, exclude=data.seen) for m in (model, blend(data, {"score als": 1.0}), other)
    )
    for user in users:
        judge = others[1] if user in (1, 4) else others[0]
        assert np.array_equal(mixed.items[user], judge.items[user])
        assert np.array_equal(mixed.scores[user], judge.scores[user], equal_nan=True)


def test_the_scale_of_a_members_scores_does_not_matter() -> None:
    data, users = small_world(), np.arange(N_USERS)
    model = blend(data, WEIGHTS)
    before = model.recommend(users, 8, exclude=data.seen).items
    knn = model.members[0]
    knn.profiles_ = sparse.csr_array(knn.profiles_ * np.float32(1024))
    assert np.array_equal(model.recommend(users, 8, exclude=data.seen).items, before)


def test_longer_lists_than_candidates_are_filled_and_begin_alike() -> None:
    data, users = small_world(), np.arange(N_USERS)
    model = blend(data, {"score als": 1.0}, candidates=5)
    short, long = (model.recommend(users, n, exclude=data.seen).items for n in (3, 20))
    known = model.members[1].known_users_
    assert np.array_equal(long[known][:, :3], short[known])
    assert (long[0] >= 0).sum() > 5


def test_what_nobody_touched_is_no_candidate() -> None:
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
