"""NeuMF's scores, its drawn items, and its start from factor models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from torch.nn import functional

from models.factors.als import ALS, ALSConfig
from models.factors.bpr import BPR, BPRConfig
from models.neural.early_stopping import CarveOut
from models.neural.layers import give_generator
from models.neural.neumf import NeuMF
from models.neural.neumf_config import NeuMFConfig
from models.neural.neumf_network import NeuMFNetwork, PairLoss
from tests.models.contract import N_ITEMS, N_USERS, small_world
from tests.models.neural.rated_world import planted, rated, rmse, rmse_of_baselines


def network_of(n_users: int, n_items: int, **options: object) -> NeuMFNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = NeuMFNetwork(n_users, n_items, NeuMFConfig(**{"factors": 8, **options}))
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.7)
    give_generator(network, 0)
    return network


@pytest.mark.parametrize("parts", ["both", "gmf", "mlp"])
@pytest.mark.parametrize("layers", [1, 3])
def test_scores_of_all_items_are_those_of_pairs(
    parts: str, layers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.neural.neumf_network._ENTRIES", 200)  # so that users come in several blocks
    network = network_of(9, 7, parts=parts, layers=layers).eval()
    users, items = (torch.from_numpy(part) for part in np.nonzero(np.ones((9, 7))))
    with torch.no_grad():
        block = network.score_all(torch.arange(9))
        np.testing.assert_allclose(block.flatten(), network(users, items), rtol=1e-4, atol=1e-5)
    assert block.std() > 0.1


def pair_loss(**options: object) -> PairLoss:
    config = NeuMFConfig(**{"factors": 8, "dropout": 0.0, "regularization": 0.0, **options})
    carved = CarveOut.nothing(small_world().positive)
    return PairLoss("neumf", network_of(N_USERS, N_ITEMS, dropout=0.0), config, carved)


def test_drawn_items_that_are_liked_do_not_count() -> None:
    objective, liked = pair_loss(negatives=6, batch=500), small_world().positive.toarray() > 0
    seen = []
    for batch in objective.batches(0, np.random.default_rng(1)):
        users, items, targets, weights = (part.numpy() for part in batch)
        own = targets == 1
        assert liked[users[own], items[own]].all()
        assert (weights[own] == 1).all()
        assert (weights[~own] == ~liked[users[~own], items[~own]]).all()
        assert (~own).sum() == 6 * own.sum()
        assert np.isin(items, np.flatnonzero(liked.any(axis=0))).all(), "unknown items are not drawn"
        seen += [*zip(users[own], items[own], strict=True)]
        losses = functional.binary_cross_entropy_with_logits(
            objective.network(batch.users, batch.items), batch.targets, reduction="none"
        )
        counted = torch.from_numpy(weights > 0)
        assert objective.loss(batch).item() == pytest.approx(losses[counted].mean().item(), rel=1e-5)
    assert sorted(seen) == [*zip(*np.nonzero(liked), strict=True)], "each like once"


def test_the_penalty_is_of_the_embeddings_that_were_read() -> None:
    plain, bound = pair_loss(batch=10**6), pair_loss(batch=10**6, regularization=0.3)
    (batch,) = plain.batches(0, np.random.default_rng(1))
    users, items = plain.network.users[batch.users], plain.network.items[batch.items]
    expected = 0.3 * (users.square().sum(dim=1).mean() + items.square().sum(dim=1).mean())
    found = bound.loss(batch) - plain.loss(batch)
    assert found.item() == pytest.approx(expected.item(), rel=1e-3)


@pytest.mark.parametrize("start", [ALS(ALSConfig(factors=5)), BPR(BPRConfig(factors=5))])
def test_a_product_starts_with_the_ranking_of_its_model(start: ALS | BPR) -> None:
    data = small_world()
    model = start.fit(data, seed=1)
    network = NeuMFNetwork(N_USERS, N_ITEMS, NeuMFConfig(factors=8, parts="gmf")).eval()
    bias = model.item_bias_ if model.item_bias_.size else np.zeros(N_ITEMS, np.float32)
    network.start_from(model.user_factors_, model.item_factors_, bias, 2.5, -1.5)
    users = np.flatnonzero(model.known_users_)
    with torch.no_grad():
        found = network.score_all(torch.from_numpy(users)).numpy()
    expected = 2.5 * model.score(users) - 1.5
    np.testing.assert_allclose(found[:, model.known_items_], expected[:, model.known_items_], atol=1e-4)


def test_the_start_is_as_good_as_its_model_before_training() -> None:
    """With steps of no size, lists are those of the model it starts from, fitted to the same likes."""
    data = small_world()
    still = {"factors": 5, "parts": "gmf", "epochs": 1, "learning_rate": 1e-12}
    of_als, at_random = (
        NeuMF(NeuMFConfig(**still, start=start)).fit(data, seed=1) for start in ("als", "random")
    )
    liked = data.positive.toarray() > 0
    gaps = []
    for model in (of_als, at_random):
        users = np.setdiff1d(np.flatnonzero(model.known_users_), np.flatnonzero(liked.all(axis=1)))
        scores = model.score(users)
        gaps.append(np.nanmean(np.where(liked[users], scores, np.nan)) - np.nanmean(scores))
    assert gaps[0] > 0.5, "log-odds of likes are above those of other items"
    assert abs(gaps[1]) < 0.1


def test_held_out_ratings_are_predicted_better_than_by_biases() -> None:
    shown, truth = planted()
    config = NeuMFConfig(objective="rating", factors=8, epochs=60, batch=500, learning_rate=0.01, dropout=0.0)
    model = NeuMF(config).fit(rated(shown), seed=1)
    assert rmse(model, shown, truth) < 0.8 * rmse_of_baselines(shown, truth)


def test_a_model_of_likes_predicts_no_ratings() -> None:
    model = NeuMF(NeuMFConfig(factors=4, epochs=1, start="als")).fit(small_world(), seed=1)
    with pytest.raises(NotImplementedError, match="only with objective = 'rating'"):
        model.predict(np.array([0]), np.array([0]))


@pytest.mark.parametrize("start", ["ease", "multvae", "popularity"])
def test_a_start_that_is_no_factor_model_is_refused(start: str) -> None:
    with pytest.raises(ValueError, match=f"such as 'als', 'bpr' or 'lightgcn', not '{start}'"):
        NeuMFConfig(start=start)


def test_the_objective_of_ratings_trains_on_ratings() -> None:
    assert NeuMFConfig(objective="rating").matrix == "rating"
    assert NeuMFConfig(objective="rating", matrix="composite").matrix == "composite"
    assert NeuMFConfig().matrix is None


def test_every_like_is_found_among_drawn_items() -> None:
    matrix = sparse.csr_array(np.array([[1, 1, 1], [0, 0, 1]], np.float32))
    objective = PairLoss("neumf", network_of(2, 3), NeuMFConfig(factors=8), CarveOut.nothing(matrix))
    users, items = np.nonzero(np.ones((2, 3)))
    assert objective._is_stored(users, items).reshape(2, 3).tolist() == (matrix.toarray() > 0).tolist()
