"""AutoRec by hand, against numpy, and its two versions against each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from models.neural.autorec import AutoRec
from models.neural.autorec_config import AutoRecConfig
from models.neural.autorec_network import AutoRecNetwork, SquaredErrors
from models.neural.bags import Bags
from models.neural.early_stopping import CarveOut
from models.ranking.rating_baselines import fit_baselines, residuals
from tests.models.neural.rated_world import planted, rated, rmse, rmse_of_baselines


def network_of(n_columns: int, **options: object) -> AutoRecNetwork:
    options = {"factors": 3, "hidden_ratings": 0.0, "regularization": 0.0, **options}
    network = AutoRecNetwork(n_columns, AutoRecConfig(**options))
    torch.manual_seed(1)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    return network


def test_a_tiny_network_by_hand() -> None:
    """One hidden unit. Row (2, –, 1): sigmoid(2 · 1 + 1 · (−1) + 0.5) − 0.5 = 0.31757; its outputs are v · that + b."""
    network = AutoRecNetwork(3, AutoRecConfig(factors=1, hidden_ratings=0.0)).eval()
    for parameter, values in (
        (network.encoder, [[1.0], [7.0], [-1.0]]), (network.encoder_bias, [0.5]),
        (network.decoder, [[2.0], [4.0], [-6.0]]), (network.decoder_bias, [0.1, 0.2, 0.3]),
    ):  # fmt: skip
        parameter.data = torch.tensor(values)
    row = Bags.of(sparse.csr_array(np.array([[2, 0, 1]], np.float32)))
    hidden = network.encode(row)
    assert hidden.item() == pytest.approx(0.3175745)
    found = network.decode(hidden, torch.tensor([0, 0, 0]), torch.tensor([0, 1, 2]))
    assert found.tolist() == pytest.approx([0.1 + 0.635149, 0.2 + 1.270298, 0.3 - 1.905447], abs=1e-5)


def test_only_stored_ratings_count_in_the_loss() -> None:
    """The rows lack columns 1 and 4: what the network would say there changes nothing, and has no gradient."""
    ratings = sparse.csr_array(np.array([[1, 0, -1, 0, 0], [0, 0, 2, 0.5, 0]], np.float32))
    config, network = AutoRecConfig(factors=3, regularization=0.0), network_of(5)
    objective = SquaredErrors("autorec", network, config, CarveOut.nothing(ratings))
    (batch,) = objective.batches(0, np.random.default_rng(1))
    before = objective.loss(batch)
    gradients = torch.autograd.grad(before, list(network.parameters()))
    stored = np.array([True, False, True, True, False])
    for gradient in (gradients[0], gradients[2], gradients[3]):
        assert ((gradient.reshape(5, -1) != 0).any(dim=1).numpy() == stored).all()
    with torch.no_grad():
        for parameter in (network.encoder, network.decoder, network.decoder_bias):
            parameter[~stored] = 1e3
    assert objective.loss(batch).item() == before.item()

    hidden = 1 / (
        1 + np.exp(-(ratings @ network.encoder.detach().numpy() + network.encoder_bias.detach().numpy()))
    )
    dense = (hidden - 0.5) @ network.decoder.detach().numpy().T + network.decoder_bias.detach().numpy()
    errors = (dense - ratings.toarray())[ratings.toarray() != 0]
    assert before.item() == pytest.approx(np.mean(errors**2), rel=1e-5)


def test_a_rating_of_zero_is_a_rating() -> None:
    stored_zero = sparse.csr_array(
        (np.array([1, 0], np.float32), np.array([0, 1]), np.array([0, 2])), shape=(1, 2)
    )
    network = network_of(2)
    objective = SquaredErrors(
        "autorec", network, AutoRecConfig(regularization=0.0), CarveOut.nothing(stored_zero)
    )
    (batch,) = objective.batches(0, np.random.default_rng(1))
    assert len(batch.items) == 2
    gradient = torch.autograd.grad(objective.loss(batch), [network.decoder_bias])[0]
    assert gradient[1] != 0


@pytest.mark.parametrize("rows", ["items", "users"])
def test_predictions_are_those_of_dense_numpy(rows: str) -> None:
    data = rated(planted()[0])
    model = AutoRec(AutoRecConfig(rows=rows, factors=5, epochs=4, batch=500)).fit(data, seed=1)
    network = model.network()
    v, mu, w, b = (p.detach().numpy().astype(np.float64) for p in network.parameters())
    baselines = fit_baselines(data.rating)
    apart = residuals(data.rating, baselines).toarray()
    spread = residuals(data.rating, baselines).data.std(dtype=np.float64)
    x = apart / spread if rows == "users" else apart.T / spread
    found = (1 / (1 + np.exp(-(x @ v + mu))) - 0.5) @ w.T + b
    found = found if rows == "users" else found.T
    expected = baselines.mean + baselines.user[:, None] + baselines.item + found * spread
    users, items = np.nonzero(np.ones(expected.shape))
    clipped = expected.clip(data.rating.data.min(), data.rating.data.max())
    np.testing.assert_allclose(model.predict(users, items), clipped.ravel(), atol=1e-4)


def test_both_versions_agree_when_users_are_items() -> None:
    """On a symmetric matrix, the item version says of (u, i) what the user version says of (i, u)."""
    shown = planted(users=40, items=40)[0]
    shown = np.triu(shown) + np.triu(shown, 1).T
    predicted = []
    for rows in ("items", "users"):
        config = AutoRecConfig(rows=rows, factors=5, epochs=6, batch=200, learning_rate=0.01)
        model = AutoRec(config).fit(rated(shown), seed=1)
        users, items = np.nonzero(np.ones(shown.shape))
        predicted.append(model.predict(users, items).reshape(shown.shape))
    np.testing.assert_allclose(predicted[0], predicted[1].T, atol=0.02)
    assert np.abs(predicted[0] - predicted[0].T).max() > 0, "the versions are not symmetric in themselves"


@pytest.mark.parametrize("rows", ["items", "users"])
def test_held_out_ratings_are_predicted_better_than_by_biases(rows: str) -> None:
    shown, truth = planted()
    config = AutoRecConfig(rows=rows, factors=20, epochs=80, batch=500, learning_rate=0.01, regularization=10)
    model = AutoRec(config).fit(rated(shown), seed=1)
    assert rmse(model, shown, truth) < 0.8 * rmse_of_baselines(shown, truth)
