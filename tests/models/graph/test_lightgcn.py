from dataclasses import replace

import numba
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import sparse

from benchmarks import plain_lightgcn
from models.factors.als import ALS, ALSConfig
from models.graph import lightgcn_gpu
from models.graph.lightgcn import LightGCN
from models.graph.lightgcn_config import LightGCNConfig
from models.graph.propagation import Propagation, adjacency_tensor, normalized_adjacency, propagate_tensor
from models.graph.sampled_softmax import Loss
from models.interactions import Interactions
from models.warm_start import WarmStart
from tests.models.contract import N_ITEMS, N_USERS, LikesContract, checkerboard, small_world

SMALL = LightGCNConfig(factors=16, epochs=10, negatives=16, refreshes=2, device="cpu")


class TestLightGCN(LikesContract):
    model = LightGCN
    kept_of_own_history = 0.9
    config = SMALL


class TestLightGCNByBPR(LikesContract):
    model = LightGCN
    kept_of_own_history = 0.9
    config = SMALL.model_copy(update={"loss": "bpr", "start": "random", "epochs": 40})


class TestLightGCNWithoutLayers(LikesContract):
    model = LightGCN
    kept_of_own_history = 0.9
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


def test_another_seed_gives_another_fit() -> None:
    a, b = (LightGCN(SMALL).fit(small_world(), seed=seed) for seed in (1, 2))
    assert not np.array_equal(a.item_factors_, b.item_factors_)


def test_progress_is_reported_after_every_epoch() -> None:
    reported: list[tuple[int, int]] = []
    LightGCN(SMALL).fit(small_world(), seed=1, progress=lambda *at: reported.append(at))
    assert reported == [(done, 10) for done in range(1, 11)]


def test_there_is_one_weight_more_than_layers() -> None:
    assert LightGCNConfig(layers=3).weights() == (0.25,) * 4
    assert changed(layers=1, layer_weights=(0.1, 0.9)).weights() == pytest.approx((0.1, 0.9))


def test_only_the_proportion_of_layer_weights_counts() -> None:
    assert changed(layers=3, layer_weights=(7, 7, 7, 7)).weights() == (0.25,) * 4
    assert changed(layers=1, layer_weights=(100, 300)).weights() == (0.25, 0.75)


@pytest.mark.parametrize(
    ("options", "field", "message"),
    [
        (
            {"layers": 2, "layer_weights": (0.5, 0.5)},
            ("layer_weights",),
            "3 numbers, for the layers 0 to 2, not 2",
        ),
        ({"layers": 1, "layer_weights": (0, 0)}, ("layer_weights",), "at least one weight must be above 0"),
        ({"layers": 1, "layer_weights": (1, -1)}, ("layer_weights", 1), "greater than or equal to 0"),
        ({"layers": 5, "layer_weights": (1,)}, ("layers",), "less than or equal to 4"),
    ],
)
def test_invalid_layers_are_refused_by_name(
    options: dict[str, object], field: tuple[object, ...], message: str
) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        changed(**options)
    assert [fault["loc"] for fault in caught.value.errors()] == [field]


def test_a_million_positives_get_the_most_epochs_by_default() -> None:
    epochs = [LightGCNConfig().passes(n) for n in (0, 250_000, 1_000_000, 4_000_000, 10**9)]
    assert epochs == [10, 20, 40, 20, 10]
    assert changed(epochs=3).passes(10**9) == 3


@pytest.mark.parametrize(("factors", "drawn"), [(16, 128), (64, 128), (200, 81), (256, 64), (1024, 64)])
def test_short_embeddings_have_more_negatives_by_default(factors: int, drawn: int) -> None:
    assert LightGCNConfig(factors=factors).negatives_drawn() == drawn
    assert LightGCNConfig(factors=factors, negatives=5).negatives_drawn() == 5


def test_negatives_count_together_as_a_fifth_of_the_known_items() -> None:
    assert LightGCNConfig(negatives=50).weight_of_a_negative(4000) == pytest.approx(16)
    assert changed(negative_weight=3.0).weight_of_a_negative(4000) == 3


def test_the_outermost_layer_alone_excludes_the_node_itself() -> None:
    likes = np.kron(np.eye(20), np.ones((3, 2)))  # three users each share two items with nobody else
    data = Interactions.from_positive(sparse.csr_array(likes, dtype=np.float32))
    alone, alike = (
        LightGCN(changed(layers=1, layer_weights=weights)).fit(data, seed=1).user_factors_.reshape(20, 3, 16)
        for weights in ((0, 1), (0.5, 0.5))
    )
    np.testing.assert_allclose(alone, alone[:, :1].repeat(3, axis=1), rtol=1e-6)
    assert np.abs(alike - alike[:, :1]).max() > 1e-3


def test_the_decay_of_an_epoch_is_independent_of_refreshes() -> None:
    data = Interactions.from_positive(
        sparse.csr_array(np.ones((6, 5)))
    )  # with a tiny step, only the decay has an effect
    lengths = [
        np.linalg.norm(LightGCN(changed(start="svd", gain=1e-9, refreshes=n)).fit(data, seed=1).item_factors_)
        for n in (1, 8, 50)
    ]
    assert lengths == pytest.approx([lengths[1]] * 3, rel=0.2)


def test_divergence_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="diverged"):
        LightGCN(changed(step=10, gain=100, epochs=50, start="random")).fit(small_world(), seed=1)


def test_a_default_gain_that_diverges_gives_way(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    """The first training ends in NaN; the second one is that of crowded data, from the same start."""
    starts: list[np.ndarray] = []

    def trained(base, matrix, adjacency, config, *rest, warm):
        starts.append(base.copy())
        return base * np.float32(np.nan) if config.gain is None else base

    monkeypatch.setattr("models.graph.lightgcn._trained", trained)
    model = LightGCN(changed(factors=8)).fit(small_world(), seed=1)
    assert np.isfinite(model.item_factors_).all()
    assert np.array_equal(*starts)
    assert "diverged with the gain of sparse data" in caplog.text
    monkeypatch.setattr("models.graph.lightgcn._trained", lambda base, *_, warm: base * np.float32(np.nan))
    with pytest.raises(RuntimeError, match="diverged"):
        LightGCN(changed(factors=8, gain=4.0)).fit(small_world(), seed=1)


def test_vanished_embeddings_are_an_error() -> None:
    with pytest.raises(RuntimeError, match="vanished; a smaller `shrink`"):
        LightGCN(changed(step=0.05, shrink=100, epochs=40)).fit(small_world(), seed=1)


# -- where it starts ------------------------------------------------------------------------------------


def test_a_cold_fit_can_start_from_als_factors() -> None:
    world = small_world()
    als = ALS(ALSConfig(factors=16, matrix="positive")).fit(world, seed=1)
    idle = changed(start="als", epochs=1, step=1e-9, shrink=0)
    model = LightGCN(idle).fit(world, seed=1)
    base = np.vstack([als.user_factors_, als.item_factors_])
    expected = Propagation(normalized_adjacency(world.positive)).propagate(base, idle.weights())
    ours = np.vstack([model.user_factors_, model.item_factors_])
    np.testing.assert_allclose(ours / np.linalg.norm(ours), expected / np.linalg.norm(expected), atol=1e-4)


def test_a_warm_start_takes_the_base_embeddings_as_they_are() -> None:
    world, idle = small_world(), changed(epochs=1, step=1e-9, shrink=0)
    model = LightGCN(SMALL).fit(world, seed=1)
    start = WarmStart({"user_base_": model.user_base_, "item_base_": model.item_base_})
    warm = LightGCN(idle).fit(world, seed=1, warm_start=start)
    np.testing.assert_allclose(warm.item_factors_, model.item_factors_, atol=1e-5)
    np.testing.assert_allclose(warm.user_factors_, model.user_factors_, atol=1e-5)


def test_the_als_to_start_from_is_fitted_on_likes_only() -> None:
    world = small_world()
    ratings = world.rating.copy()
    ratings.data[::3] = -1
    likes = sparse.csr_array(np.maximum(ratings.toarray(), 0))
    own, expected = (
        LightGCN(changed(start="als", matrix="rating")).fit(replace(world, rating=rating), seed=1)
        for rating in (ratings, likes)
    )
    assert np.array_equal(own.user_factors_, expected.user_factors_)


# -- on a GPU, and by autograd: both run on the CPU too ---------------------------------------------------


def finds_the_diagonal(base: np.ndarray, data: Interactions, config: LightGCNConfig) -> bool:
    final = Propagation(normalized_adjacency(data.positive)).propagate(base, config.weights())
    scores = final[:30] @ final[30:].T
    scores[data.positive.toarray() > 0] = -np.inf
    return np.array_equal(scores.argmax(axis=1), np.arange(30))


def noise(rows: int = 60) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal((rows, 16), np.float32)


def test_training_by_autograd_recovers_the_diagonal() -> None:
    data, config, rng = checkerboard(), changed(epochs=20), np.random.default_rng(0)
    adjacency = normalized_adjacency(data.positive)
    reported: list[tuple[int, int]] = []
    base = plain_lightgcn.train(
        noise(), data.positive, adjacency, config, rng, lambda *at: reported.append(at), learning_rate=0.05
    )
    assert finds_the_diagonal(base, data, config)
    assert reported == [(done, 20) for done in range(1, 21)]


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_training_in_batches_recovers_the_diagonal(loss: str) -> None:
    data, config, rng = checkerboard(), changed(loss=loss, epochs=20, step=0.3), np.random.default_rng(0)
    adjacency = normalized_adjacency(data.positive)
    reported: list[tuple[int, int]] = []
    base = lightgcn_gpu.train(
        noise(), data.positive, adjacency, config, rng, lambda *at: reported.append(at), torch.device("cpu")
    )
    assert finds_the_diagonal(base, data, config)
    assert reported == [(done, 20) for done in range(1, 21)]


@pytest.mark.parametrize(
    ("negatives", "factors", "size"), [(64, 256, 512), (1_000, 256, 325), (10_000, 2048, 4)]
)
def test_a_batch_stays_under_a_gigabyte(negatives: int, factors: int, size: int) -> None:
    assert lightgcn_gpu.batch_size(negatives, factors) == size


def test_on_a_gpu_bpr_draws_no_own_like() -> None:
    """User 0 likes three items of ten, user 1 everything: a positive compared with itself stands for no negative."""
    users, items = torch.tensor([0] * 3 + [1] * 10), torch.tensor([2, 5, 11, *range(2, 12)])
    generator = torch.Generator().manual_seed(1)
    known, likes = torch.arange(2, 12), lightgcn_gpu.pair_keys(users, items)
    negatives = known[torch.randint(10, (13, 200), generator=generator)]
    lightgcn_gpu.redraw_likes(negatives, users, items, known, likes, generator)
    assert set(negatives[:3].unique().tolist()) == {3, 4, 6, 7, 8, 9, 10}
    assert (negatives[3:] == items[3:, None]).all()


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_a_batch_follows_the_gradient_of_its_summed_loss(loss: Loss) -> None:
    rng = np.random.default_rng(4)
    final = torch.from_numpy(noise(20)).requires_grad_()
    users = torch.from_numpy(rng.integers(0, 5, 30))
    ranked = torch.from_numpy(rng.integers(5, 20, (30, 4)))
    steps = torch.from_numpy(rng.random(30, np.float32))
    scores = (final[ranked] * final[users][:, None]).sum(dim=2)
    losses = torch.stack([lightgcn_gpu.ranking_loss(row[None], loss, 3) for row in scores])
    (slope,) = torch.autograd.grad(losses @ steps, final)
    ours = final.detach().clone()
    lightgcn_gpu._descend(ours, users, ranked, steps, loss, 3)
    torch.testing.assert_close(ours, final.detach() - slope, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_the_base_gradient_is_the_propagated_final_gradient(loss: Loss) -> None:
    world, config = small_world(), SMALL
    adjacency = normalized_adjacency(world.positive)
    graph = adjacency_tensor(adjacency, torch.device("cpu"))
    base = torch.randn(N_USERS + N_ITEMS, 16, generator=torch.Generator().manual_seed(1)).requires_grad_()
    final = propagate_tensor(graph, base, config.weights())
    final.retain_grad()
    scores = final[:N_USERS] @ final[N_USERS:].T
    lightgcn_gpu.ranking_loss(scores, loss, 3).backward()
    assert base.grad is not None
    assert final.grad is not None
    ours = Propagation(adjacency).propagate(final.grad.numpy(), config.weights())
    np.testing.assert_allclose(ours, base.grad.numpy(), atol=1e-6)
