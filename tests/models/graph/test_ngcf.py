from typing import ClassVar

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import sparse

from models.base import DivergedError
from models.graph.bi_interaction import final_embeddings, graph_product
from models.graph.ngcf import NGCF
from models.graph.ngcf_config import NGCFConfig
from models.graph.ngcf_training import initial_parameters
from models.graph.propagation import normalized_adjacency
from tests.models.contract import N_ITEMS, N_USERS, LikesContract, checkerboard, same, small_world
from tests.models.fitted_once import FittedOnce

SMALL = NGCFConfig(factors=8, layers=2, epochs=10, negatives=16, refreshes=2, gain=1.0)


def changed(**options: object) -> NGCFConfig:
    return NGCFConfig.model_validate(SMALL.model_dump() | options)


class TestNGCF(FittedOnce, LikesContract):
    model = NGCF
    kept_of_own_history = 0.8
    config: ClassVar[NGCFConfig] = SMALL


class TestNGCFAsInThePaper(FittedOnce, LikesContract):
    model = NGCF
    kept_of_own_history = 0.8
    config: ClassVar[NGCFConfig] = changed(loss="bpr", start="xavier", epochs=60, gain=0.3)


def likes_of_the_checkerboard() -> sparse.csr_array:
    return sparse.csr_array(normalized_adjacency(checkerboard().positive)[:30, 30:])


def test_a_vector_is_all_layers_concatenated():
    model = NGCF(SMALL).fit(small_world(), seed=1)
    assert model.user_factors_.shape == (N_USERS, 3 * 8)
    assert model.item_factors_.shape == (N_ITEMS, 3 * 8)


def test_progress_is_reported_after_every_epoch():
    reported: list[tuple[int, int]] = []
    NGCF(SMALL).fit(small_world(), seed=1, progress=lambda *at: reported.append(at))
    assert reported == [(epoch, 10) for epoch in range(1, 11)]


def test_a_million_positives_get_the_most_epochs_by_default():
    epochs = [NGCFConfig().passes(n) for n in (0, 250_000, 1_000_000, 4_000_000, 10**9)]
    assert epochs == [10, 15, 30, 15, 10]
    assert changed(epochs=3).passes(10**9) == 3


def test_the_default_gain_is_lower_for_small_data():
    gains = [NGCFConfig().feedback(n) for n in (0, 125_000, 500_000, 10**9)]
    assert gains == [0.2, 0.25, 1, 1]
    assert SMALL.feedback(0) == 1


def test_default_vectors_are_longer_for_large_data():
    assert [NGCFConfig().width(n) for n in (0, 499_999, 500_000)] == [64, 64, 128]
    data = checkerboard()
    assert NGCF(changed(factors=None)).fit(data, seed=1).item_factors_.shape[1] == 64 * (SMALL.layers + 1)


def test_an_untrained_model_is_the_network_at_its_start():
    data, still = checkerboard(), changed(epochs=1, step=1e-9, shrink=0, learning_rate=1e-9)
    model = NGCF(still).fit(data, seed=1)
    arrays = initial_parameters(likes_of_the_checkerboard(), still, np.random.default_rng(1))
    base, *weights = (torch.from_numpy(array) for array in arrays)
    product = graph_product(normalized_adjacency(data.positive), torch.device("cpu"))
    expected = final_embeddings(base, weights, product).numpy()
    np.testing.assert_allclose(np.vstack([model.user_factors_, model.item_factors_]), expected, atol=1e-5)


def test_the_start_smooths_singular_vectors():
    base, *weights = initial_parameters(likes_of_the_checkerboard(), SMALL, np.random.default_rng(1))
    assert np.sqrt(np.square(base).mean()) == pytest.approx(0.1, rel=1e-5)
    scores = base[:30] @ base[30:].T
    np.fill_diagonal(
        scores, -np.inf
    )  # its rank depends on the basis of a repeated singular value, which is arbitrary
    lists = (-scores).argsort(axis=1)[:, :14]
    assert (lists % 2 == np.arange(30)[:, None] % 2).all()
    for weight in weights:
        assert np.array_equal(weight, np.vstack([0.5 * np.eye(8), np.zeros((8, 8))]))


def test_learned_matrices_change_the_lists():
    data = small_world()
    frozen, free = (
        NGCF(changed(learning_rate=rate)).fit(data, seed=1).recommend(np.arange(N_USERS), 9)
        for rate in (1e-12, 0.05)
    )
    assert not np.allclose(np.nan_to_num(frozen.scores), np.nan_to_num(free.scores), atol=1e-2)


def test_message_dropout_is_for_training_only():
    data = small_world()
    models = [NGCF(changed(message_dropout=share)).fit(data, seed=1) for share in (0.0, 0.5)]
    assert not np.array_equal(models[0].item_factors_, models[1].item_factors_)
    assert (models[1].item_factors_[models[1].known_items_] != 0).all()


def test_another_seed_gives_another_fit():
    data = small_world()
    one, other = (NGCF(SMALL).fit(data, seed=seed).recommend(np.arange(N_USERS), 9) for seed in (1, 2))
    assert not same(one, other)


def test_vanished_embeddings_are_an_error():
    with pytest.raises(DivergedError, match="ngcf: the embeddings vanished; a smaller `shrink`"):
        NGCF(changed(step=0.5, shrink=100, gain=1e-6)).fit(small_world(), seed=1)


def test_divergence_is_an_error():
    with pytest.raises(RuntimeError, match="ngcf: training diverged"):
        NGCF(changed(step=10, gain=100, epochs=50, shrink=0)).fit(small_world(), seed=1)


@pytest.mark.parametrize(
    ("field", "value"),
    [("factors", 0), ("layers", 0), ("message_dropout", 0.95), ("loss", "hinge"), ("device", "tpu")],
)
def test_a_value_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(ValidationError, match=field):
        NGCFConfig.model_validate({field: value})
