import numba
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import sparse

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.factors.als import ALS, ALSConfig
from models.graph import autograd
from models.graph.lightgcn import LightGCN, LightGCNConfig, singular_vectors
from models.graph.propagation import Propagation, adjacency_tensor, normalized_adjacency, propagate_tensor
from models.interactions import Interactions
from tests.models.contract import N_ITEMS, N_USERS, PersonalContract, checkerboard, small_world

SMALL = LightGCNConfig(factors=16, epochs=10, negatives=16, refreshes=2)


class TestLightGCN(PersonalContract):
    model = LightGCN
    config = SMALL


class TestLightGCNByBPR(PersonalContract):
    model = LightGCN
    config = SMALL.model_copy(update={"loss": "bpr", "start": "random", "epochs": 40})


class TestLightGCNWithoutLayers(PersonalContract):
    model = LightGCN
    config = SMALL.model_copy(update={"layers": 0})


def changed(**options: object) -> LightGCNConfig:
    return LightGCNConfig.model_validate(SMALL.model_dump() | options)


def test_the_number_of_threads_changes_no_bit() -> None:
    threads = numba.get_num_threads()
    several = LightGCN(SMALL).fit(small_world(), seed=1)
    try:
        numba.set_num_threads(1)
        one = LightGCN(SMALL).fit(small_world(), seed=1)
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(one.user_factors_, several.user_factors_)
    assert np.array_equal(one.item_factors_, several.item_factors_)


def test_seeds_matter() -> None:
    a, b = (LightGCN(SMALL).fit(small_world(), seed=seed) for seed in (1, 2))
    assert not np.array_equal(a.item_factors_, b.item_factors_)


def test_progress_is_told_after_every_epoch() -> None:
    told: list[tuple[int, int]] = []
    LightGCN(SMALL).fit(small_world(), seed=1, progress=lambda *at: told.append(at))
    assert told == [(done, 10) for done in range(1, 11)]


def test_layer_weights_are_as_many_as_layers_and_one() -> None:
    assert LightGCNConfig(layers=3).weights() == (0.25,) * 4
    assert changed(layers=1, layer_weights=(0.1, 0.9)).weights() == (0.1, 0.9)
    with pytest.raises(ValidationError, match="layer_weights wants 3 numbers, for the layers 0 to 2, not 2"):
        changed(layers=2, layer_weights=(0.5, 0.5))
    with pytest.raises(ValidationError, match="layers"):
        changed(layers=5)


def test_a_million_positives_get_the_most_epochs_by_default() -> None:
    epochs = [LightGCNConfig().passes(n) for n in (0, 250_000, 1_000_000, 4_000_000, 10**9)]
    assert epochs == [10, 20, 40, 20, 10]
    assert changed(epochs=3).passes(10**9) == 3


def test_only_the_outermost_layer_leaves_nothing_of_the_node_itself() -> None:
    world = small_world()
    fit = LightGCN(changed(layers=1, layer_weights=(0.0, 1.0))).fit(world, seed=1)
    alike = LightGCN(changed(layers=1, layer_weights=(0.5, 0.5))).fit(world, seed=1)
    scores = fit.score(np.arange(N_USERS)), alike.score(np.arange(N_USERS))
    assert not np.allclose(np.nan_to_num(scores[0]), np.nan_to_num(scores[1]), atol=1e-3)


def test_a_training_that_runs_away_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="diverged"):
        LightGCN(changed(step=10, gain=100, epochs=50, start="random")).fit(small_world(), seed=1)


# -- where it starts ------------------------------------------------------------------------------------


def test_singular_vectors_are_those_of_the_full_decomposition() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((60, 6)) @ np.diag([9, 7, 5, 3, 2, 1]) @ rng.standard_normal((6, 45))
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    ours = singular_vectors(sparse.csr_array(matrix, dtype=np.float32), 4, rng)
    assert ours.shape == (105, 4)
    rebuilt = (left[:, :4] * values[:4]) @ right[:4]
    np.testing.assert_allclose(ours[:60] @ ours[60:].T, rebuilt, atol=1e-3 * np.abs(rebuilt).max())


def test_it_starts_from_the_factors_of_another_model() -> None:
    world = small_world()
    als = ALS(ALSConfig(factors=16, iterations=3)).fit(world, seed=1)
    idle = changed(epochs=1, step=1e-9, shrink=0)
    model = LightGCN(idle).fit(world, seed=1, warm_start=als)
    base = np.vstack([als.user_factors_, als.item_factors_])
    expected = Propagation(normalized_adjacency(world.positive)).propagate(base, idle.weights())
    ours = np.vstack([model.user_factors_, model.item_factors_])
    np.testing.assert_allclose(ours / np.linalg.norm(ours), expected / np.linalg.norm(expected), atol=1e-4)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Popularity(), "can start from a factor model, not from popularity"),
        (ALS(ALSConfig(factors=8)), "of 16 factors, but als has 100 of 8"),
    ],
)
def test_a_start_that_does_not_fit_is_an_error(other: Recommender, message: str) -> None:
    world = small_world()
    with pytest.raises(ValueError, match=message):
        LightGCN(SMALL).fit(world, seed=1, warm_start=other.fit(world, seed=1))


# -- features -------------------------------------------------------------------------------------------


def with_features(data: Interactions, features: np.ndarray) -> Interactions:
    names = tuple(f"tag:{n}" for n in range(features.shape[1]))
    parts = {**vars(data), "item_features": sparse.csr_array(features, dtype=np.float32)}
    return Interactions(**{**parts, "feature_names": names})


def test_items_that_share_a_feature_become_more_alike() -> None:
    likes = np.zeros((40, 20))
    likes[np.arange(40), np.arange(40) % 20] = 1  # nobody links any two items
    data = with_features(
        Interactions.from_positive(sparse.csr_array(likes)), np.arange(20)[:, None] % 2 == [0, 1]
    )
    plain = LightGCN(SMALL).fit(data, seed=1).similar_items(np.arange(20), 5).items
    tagged = LightGCN(changed(feature_weight=2.0)).fit(data, seed=1).similar_items(np.arange(20), 5).items
    same_tag = [(lists % 2 == np.arange(20)[:, None] % 2).mean() for lists in (plain, tagged)]
    assert same_tag[1] > 0.9 > same_tag[0]


# -- autograd -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_training_by_autograd_brings_back_the_withheld_diagonal_too(loss: str) -> None:
    data, config = checkerboard(), changed(loss=loss, epochs=300, device="cpu")
    adjacency, rng = normalized_adjacency(data.positive), np.random.default_rng(0)
    told: list[tuple[int, int]] = []
    start = 0.1 * rng.standard_normal((60, 16), np.float32)
    base = autograd.train(start.copy(), data.positive, adjacency, config, rng, lambda *at: told.append(at))
    final = Propagation(adjacency).propagate(base, config.weights())
    scores = final[:30] @ final[30:].T
    scores[data.positive.toarray() > 0] = -np.inf
    assert np.array_equal(scores.argmax(axis=1), np.arange(30))
    assert told[-1] == (300, 300)


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_the_gradient_of_the_base_is_the_propagated_gradient_of_the_final_embeddings(loss: str) -> None:
    world, config = small_world(), changed(loss=loss)
    adjacency = normalized_adjacency(world.positive)
    graph = adjacency_tensor(adjacency, torch.device("cpu"))
    base = torch.randn(N_USERS + N_ITEMS, 16, generator=torch.Generator().manual_seed(1)).requires_grad_()
    final = propagate_tensor(graph, base, config.weights())
    final.retain_grad()
    scores = final[:N_USERS] @ final[N_USERS:].T
    autograd.ranking_loss(scores, config).backward()
    assert base.grad is not None
    assert final.grad is not None
    ours = Propagation(adjacency).propagate(final.grad.numpy(), config.weights())
    np.testing.assert_allclose(ours, base.grad.numpy(), atol=1e-6)
