"""The losses of Mult-VAE and RecVAE against dense formulas and torch's distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from torch.distributions import Categorical, MixtureSameFamily, Normal, kl_divergence
from torch.nn.functional import normalize

from models.neural import row_training
from models.neural.bags import Bags
from models.neural.early_stopping import CarveOut
from models.neural.initial_vectors import Directions, Shape
from models.neural.layers import give_generator
from models.neural.multvae_network import MultVAELikelihood, MultVAENetwork
from models.neural.recvae_network import RecVAELikelihood, RecVAENetwork
from models.neural.row_config import MultVAEConfig, RecVAEConfig
from models.neural.row_training import RowLikelihood, decoder_inputs, start_popular
from tests.models.contract import small_world

SMALL = {"factors": 6, "hidden": 8, "batch": 16}


def likes(n_items: int = 40) -> sparse.csr_array:
    return sparse.csr_array(small_world().positive[:, :n_items])


def multvae(matrix: sparse.csr_array, **options: object) -> MultVAELikelihood:
    config = MultVAEConfig(**SMALL | options)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        network = MultVAENetwork(matrix.shape[1], config)
    start_popular(network, matrix)
    give_generator(network, 0)
    return MultVAELikelihood("multvae", network, config, CarveOut.nothing(matrix))


def recvae(matrix: sparse.csr_array, **options: object) -> RecVAELikelihood:
    config = RecVAEConfig(**SMALL | options)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        network, previous = (RecVAENetwork(matrix.shape[1], config) for _ in range(2))
        torch.nn.init.normal_(network.log_variance.weight)
    give_generator(network, 0)
    return RecVAELikelihood("recvae", network, config, CarveOut.nothing(matrix), previous)


@given(st.integers(0, 1000), st.integers(0, 6), st.integers(0, 9))
def test_sums_of_bags_are_dense_products(seed: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = sparse.csr_array(
        (rng.random((rows, columns)) < 0.4) * rng.normal(size=(rows, columns)), dtype=np.float32
    )
    vectors = rng.normal(size=(columns, 3)).astype(np.float32)
    bags = Bags.of(matrix)
    np.testing.assert_allclose(bags.sums(torch.from_numpy(vectors)), matrix.toarray() @ vectors, atol=1e-5)
    assert bags.lengths().tolist() == np.diff(matrix.indptr).tolist()


@pytest.mark.parametrize("build", [multvae, recvae])
def test_a_softmax_over_all_items_is_exact(build) -> None:
    objective: RowLikelihood = build(
        likes(), dropout=0.0, **({"beta": 0} if build is multvae else {"gamma": 0})
    )
    dense = torch.from_numpy(objective._carved.train.toarray())
    known = dense.sum(dim=0) > 0
    objective.network.eval()
    for batch in objective.batches(0, np.random.default_rng(1)):
        scores = objective.network(batch.bags)
        scores = scores.masked_fill(~known, -torch.inf).log_softmax(dim=1)
        expected = -scores[batch.bags.rows, batch.bags.items].sum() / len(batch.counts)
        assert objective.loss(batch).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("n_users", "batch", "steps"),
    [(5, 512, 1), (192, 512, 1), (600, 512, 4), (4000, 512, 16), (10_000, 512, 20), (64, 2, 32)],
)
def test_small_data_give_enough_steps(n_users: int, batch: int, steps: int) -> None:
    """Users without items, such as the last one, are in none."""
    matrix = sparse.csr_array(np.eye(n_users + 1, n_users, dtype=np.float32))
    batches = list(multvae(matrix, batch=batch).batches(0, np.random.default_rng(1)))
    assert len(batches) == steps
    assert sum(len(one.counts) for one in batches) == n_users


def test_the_sampled_denominator_is_that_of_all_items(monkeypatch: pytest.MonkeyPatch) -> None:
    """On average over draws, for a batch whose users have few of the items."""
    monkeypatch.setattr(row_training, "_LEAST_DRAWN", 5)
    matrix = sparse.csr_array(np.eye(30, 31, dtype=np.float32))  # item 30 is unknown
    objective = multvae(matrix, softmax_items=1, batch=4)
    scores = np.random.default_rng(0).normal(0, 2, 31)
    rng, sums = np.random.default_rng(1), []
    for _ in range(300):
        for batch in objective.batches(0, rng):
            columns, weights = batch.columns.numpy(), batch.log_weights.exp().numpy()
            assert len(columns) == len(np.unique(columns)) < 12
            assert 30 not in columns
            sums.append((np.exp(scores[columns]) * weights).sum())
            own = batch.bags.items.numpy()
            assert np.array_equal(columns[batch.places.numpy()], own)
            assert (weights[: len(own)] == 1).all()
    assert np.mean(sums) == pytest.approx(np.exp(scores[:30]).sum(), rel=0.03)


def test_the_divergence_of_multvae_is_that_of_torch() -> None:
    objective = multvae(likes(), beta=0.7, anneal_epochs=4)
    for epoch, beta in ((0, 0.0), (1, 0.7 / 4), (4, 0.7), (9, 0.7)):
        batch = next(iter(objective.batches(epoch, np.random.default_rng(1))))
        encoded = objective.network.encode(batch.bags)
        posterior = Normal(encoded.mean, (0.5 * encoded.log_variance).exp())
        expected = beta * kl_divergence(posterior, Normal(0.0, 1.0)).sum()
        assert objective.divergence(encoded, batch).item() == pytest.approx(
            expected.item(), rel=1e-4, abs=1e-6
        )


def test_the_prior_of_recvae_is_a_mixture_of_three() -> None:
    objective = recvae(likes(), gamma=0.3)
    batch = next(iter(objective.batches(0, np.random.default_rng(1))))
    encoded = objective.network.encode(batch.bags)
    with torch.no_grad():
        old = objective.network.eval().encode(batch.bags)  # the epoch has just begun
    zero = torch.zeros_like(old.mean)
    means = torch.stack([zero, old.mean, zero], dim=-1)
    log_variances = torch.stack([zero, old.log_variance, zero + 10], dim=-1)
    weights = torch.tensor([3 / 20, 3 / 4, 1 / 10]).expand_as(means)
    prior = MixtureSameFamily(Categorical(probs=weights), Normal(means, (0.5 * log_variances).exp()))
    posterior = Normal(encoded.mean, (0.5 * encoded.log_variance).exp())
    apart = posterior.log_prob(encoded.sample) - prior.log_prob(encoded.sample)
    expected = 0.3 * (batch.counts[:, None] * apart).sum()
    assert objective.divergence(encoded, batch).item() == pytest.approx(expected.item(), rel=1e-4)


def test_half_of_recvae_is_trained_at_a_time() -> None:
    objective = recvae(likes())
    names = [name for name, _ in objective.network.named_parameters()]
    turns = []
    for batch in objective.batches(0, np.random.default_rng(1)):
        gradients = torch.autograd.grad(
            objective.loss(batch), list(objective.network.parameters()), allow_unused=True
        )
        moved = {name for name, gradient in zip(names, gradients, strict=True) if gradient is not None}
        decoder = {"decoder.weight", "decoder.bias"}
        assert moved == (decoder if batch.trains_decoder else set(names) - decoder)
        assert objective.network.dropout.training == batch.trains_encoder
        turns.append(batch.trains_encoder)
    assert turns == sorted(turns, reverse=True), "first the encoder, then the decoder"
    assert np.mean(turns) == 0.75


@pytest.mark.parametrize("build", [multvae, recvae])
def test_networks_start_near_the_linear_autoencoder(build) -> None:
    matrix = likes()
    vectors = Directions(matrix, 6, np.random.default_rng(1)).vectors(Shape(6, 0.5))
    network = build(matrix).network
    network.start_from(vectors)
    users = np.flatnonzero(np.diff(matrix.indptr))
    found = decoder_inputs(network, matrix, users) @ network.decoder.weight.detach().numpy().T
    rows = normalize(torch.from_numpy(matrix.toarray()[users]), dim=1).numpy()
    linear = rows @ vectors @ vectors.T
    alike = [np.corrcoef(a, b)[0, 1] for a, b in zip(found, linear, strict=True)]
    assert np.median(alike) > (0.99 if build is multvae else 0.7)
