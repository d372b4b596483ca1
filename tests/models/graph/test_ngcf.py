from typing import ClassVar

import numpy as np
import pytest
from pydantic import ValidationError

from models.graph.ngcf import NGCF, NGCFConfig
from models.graph.ngcf_training import schedule, user_blocks
from tests.models.contract import N_ITEMS, N_USERS, PersonalContract, checkerboard, same, small_world

SMALL = NGCFConfig(factors=8, layers=2, steps=40, learning_rate=0.05)


class TestNGCF(PersonalContract):
    model = NGCF
    config: ClassVar[NGCFConfig] = SMALL

    def test_a_vector_holds_all_layers_and_those_of_the_graph_have_length_1(self) -> None:
        model = self.fitted(small_world())
        assert model.user_factors_.shape == (N_USERS, 3 * 8)
        assert model.item_factors_.shape == (N_ITEMS, 3 * 8)
        known = model.user_factors_[model.known_users_].reshape(-1, 3, 8)
        np.testing.assert_allclose(np.linalg.norm(known, axis=2)[:, 1:], 1, rtol=1e-5)

    def test_progress_is_told_after_every_step(self) -> None:
        told: list[tuple[int, int]] = []
        NGCF(SMALL).fit(small_world(), seed=1, progress=lambda *at: told.append(at))
        assert told == [(step + 1, 40) for step in range(40)]


class TestNGCFAsInThePaper(PersonalContract):
    model = NGCF
    config: ClassVar[NGCFConfig] = SMALL.model_copy(
        update={"loss": "bpr", "start": "xavier", "temperature": 1.0, "steps": 80}
    )


def test_the_start_is_the_singular_vectors_smoothed_by_the_graph():
    still = SMALL.model_copy(update={"steps": 1, "learning_rate": 1e-9})
    own_parity = {}
    for start in ("svd", "xavier"):
        model = NGCF(still.model_copy(update={"start": start})).fit(checkerboard(), seed=1)
        own_parity[start] = (model.recommend(np.arange(30), 5).items % 2 == np.arange(30)[:, None] % 2).mean()
    assert own_parity["svd"] == 1
    assert own_parity["xavier"] < 0.8


def test_without_layers_it_is_matrix_factorisation():
    data = checkerboard()
    model = NGCF(SMALL.model_copy(update={"layers": 0})).fit(data, seed=1)
    assert model.user_factors_.shape == (30, 8)
    assert (model.recommend(np.arange(30), 5).items[::2] % 2 == 0).all()


def test_negatives_may_be_fewer_than_items_and_blocks_smaller_than_the_data():
    config = SMALL.model_copy(update={"negatives": 5, "batch": 60, "steps": 80})
    data = checkerboard()
    items = NGCF(config).fit(data, seed=1).recommend(np.arange(30), 10).items
    assert (items % 2 == np.arange(30)[:, None] % 2).mean() > 0.9


def test_other_seeds_give_other_models():
    data = small_world()
    one, other = (NGCF(SMALL).fit(data, seed=seed).recommend(np.arange(N_USERS), 9) for seed in (1, 2))
    assert not same(one, other)


def test_blocks_hold_every_user_with_likes_once_a_round():
    likes = small_world().positive
    blocks = user_blocks(likes, likes.nnz // 4, np.random.default_rng(0))
    for _ in range(2):
        drawn = np.concatenate([next(blocks) for _ in range(4)])
        assert sorted(drawn) == np.flatnonzero(np.diff(likes.indptr)).tolist()


def test_the_learning_rate_rises_then_falls():
    rates = [schedule(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert np.argmax(rates) == 9
    assert rates[-1] < 0.01


@pytest.mark.parametrize(
    ("field", "value"),
    [("factors", 0), ("message_dropout", 1.0), ("temperature", 0), ("loss", "hinge"), ("device", "tpu")],
)
def test_a_value_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(ValidationError, match=field):
        NGCFConfig.model_validate({field: value})
