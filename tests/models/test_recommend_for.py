"""Lists for new users, beyond what the contract of every model asks."""

import numpy as np
import pytest

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.ensemble.blend import Blend, BlendConfig
from models.factors.als import ALS, ALSConfig
from models.interactions import Interactions
from models.linear.ease import EASE
from models.linear.graph_filter import GraphFilter
from models.neighbours.item_knn import ItemKNN
from models.new_users import NewUsers
from tests.models.contract import N_USERS, interactions, likes_of, same, small_world


class Unfoldable(Popularity):
    name = "unfoldable"
    _fold_in = Recommender._fold_in


@pytest.mark.parametrize("model", [ItemKNN, EASE, GraphFilter])
def test_closed_forms_repeat_a_trained_users_list(model: type[Recommender]) -> None:
    world, users = small_world(), np.flatnonzero(np.diff(small_world().positive.indptr))
    fitted = model().fit(world, seed=1)
    before = fitted.recommend(users, 9, exclude=world.positive)
    assert same(fitted.recommend_for([likes_of(world, user) for user in users], 9), before)


def test_a_like_has_the_median_value_of_the_matrix() -> None:
    values = np.zeros((5, 4))
    values[:, 0] = [0.5, 0, 2, 3, 9]
    values[0, 1] = -7
    model = ItemKNN(ItemKNN.config_class(matrix="composite")).fit(interactions(values), seed=1)
    assert float(model.like_value_) == 2
    assert model.fold_in(NewUsers.of([[0]], 4)).profiles_.data.tolist() == [2]


def test_models_that_cannot_fold_in_say_so() -> None:
    model = Unfoldable().fit(small_world(), seed=1)
    with pytest.raises(
        NotImplementedError, match="unfoldable ranks items only for users that it was trained"
    ):
        model.recommend_for([[1]], 3)


def test_a_blend_with_such_a_member_says_so() -> None:
    world = small_world()
    members = [ItemKNN().fit(world, seed=1), Unfoldable().fit(world, seed=1)]
    blend = Blend(BlendConfig(members={m.name: m.name for m in members}), members).fit(world, seed=1)
    with pytest.raises(NotImplementedError, match="unfoldable"):
        blend.recommend_for([[1]], 3)
    assert blend.members == members


def test_a_blend_reads_the_latest_items_of_a_history() -> None:
    world = small_world()
    members = [ItemKNN().fit(world, seed=1), ALS(ALSConfig(factors=4, iterations=3)).fit(world, seed=1)]
    names = {m.name: m.name for m in members}
    config = BlendConfig(members=names, weights={"near last 3": 1.0})
    blend = Blend(config, members).fit(world, seed=1)
    folded = blend.fold_in(NewUsers.of([[9, 4, 9, 2], []], world.n_items))
    assert folded.latest_likes_[:, :4].tolist() == [[2, 9, 4, -1], [-1, -1, -1, -1]]
    order = [0, 2, 4, 1, 3, 7]
    assert not same(blend.recommend_for([order], 9), blend.recommend_for([order[::-1]], 9))


def test_folding_in_leaves_the_model_as_it_was() -> None:
    world: Interactions = small_world()
    model = GraphFilter().fit(world, seed=1)
    kept = {name: value for name, value in vars(model).items() if name.endswith("_")}
    model.fold_in(NewUsers.of([[1, 2]] * 3, world.n_items))
    assert all(getattr(model, name) is value for name, value in kept.items())
    assert len(model.known_users_) == N_USERS
