"""The parts of the attentive content model against dense arithmetic: start, examples, scores of network and scorer."""

import numpy as np
import pytest
import torch
from scipy import sparse

from models.content import attentive_scorer, attentive_training
from models.content.attentive import AttentiveContent
from models.content.attentive_config import AttentiveContentConfig
from models.content.attentive_network import AttentiveNetwork
from models.content.attentive_scorer import ItemAttention
from models.content.attentive_start import first_vectors
from models.content.attentive_training import padded, parted
from models.content.tf_idf import unit_rows
from models.graph.initial_embeddings import singular_embeddings
from models.graph.propagation import normalized_adjacency
from models.numerics.unit_vectors import unit_vectors
from tests.models.content.test_attentive import SMALL, planted
from tests.models.threads import on_one_and_all_threads


def random_rows(shape: tuple[int, int], share: float, seed: int) -> sparse.csr_array:
    rng = np.random.default_rng(seed)
    return sparse.csr_array((rng.random(shape) < share).astype(np.float32))


def learned(seed: int, n_items: int = 30, factors: int = 6) -> ItemAttention:
    rng = np.random.default_rng(seed)
    scored, met = rng.standard_normal((2, n_items, factors), np.float32)
    return ItemAttention(scored, met, rng.standard_normal(factors, np.float32), 0.4, scored[:, 0].copy())


def test_first_vectors_solve_the_ridge_regression() -> None:
    likes, descriptions = random_rows((80, 40), 0.2, 0), unit_rows(random_rows((40, 12), 0.3, 1))
    likes = sparse.csr_array(likes * (np.arange(40) > 2).astype(np.float32))
    likes.eliminate_zeros()
    counts = np.bincount(likes.indices, minlength=40)
    x = descriptions.toarray().astype(np.float64)
    links = sparse.csr_array(normalized_adjacency(likes)[:80, 80:])
    v = unit_vectors(singular_embeddings(links, 5, np.random.default_rng(3))[80:])
    w = np.sqrt(counts * (np.diff(descriptions.indptr) > 0))
    shrinkage = 0.5 * w.sum() / 12
    expected = np.linalg.solve(x.T @ (w[:, None] * x) + shrinkage * np.eye(12), x.T @ (w[:, None] * v))
    np.testing.assert_allclose(first_vectors(descriptions, likes, 5, 0.5, seed=3), expected, atol=3e-4)


def test_first_vectors_without_likes_are_zero() -> None:
    found = first_vectors(
        random_rows((9, 4), 0.5, 0), sparse.csr_array((5, 9), dtype=np.float32), 3, 1, seed=1
    )
    assert found.shape == (4, 3)
    assert not found.any()


def test_targets_are_never_in_the_history_that_must_find_them() -> None:
    likes = random_rows((300, 50), 0.3, 2)
    given, wanted = parted(likes, 8, 5, np.random.default_rng(1))
    given_counts, wanted_counts = np.diff(given.indptr), np.diff(wanted.indptr)
    assert given.multiply(wanted).nnz == 0
    assert (given + wanted).multiply(likes).nnz == given.nnz + wanted.nnz
    assert (given_counts.min(), given_counts.max()) == (1, 8)
    assert (wanted_counts.min(), wanted_counts.max()) == (1, 5) or wanted_counts.min() > 1
    assert (given_counts <= 2).mean() > 0.3, "short histories are as frequent as long ones"


def test_padded_histories_hold_the_same_items() -> None:
    rows = random_rows((6, 20), 0.3, 4)
    items, at, taken = padded(rows)
    for row in range(6):
        expected = rows.indices[rows.indptr[row] : rows.indptr[row + 1]]
        assert items[at[row]][taken[row] > 0].tolist() == expected.tolist()


@pytest.mark.parametrize("attention", [True, False])
def test_network_and_scorer_give_the_same_scores(attention: bool) -> None:
    parts, histories = learned(5), random_rows((7, 30), 0.3, 6)
    config = AttentiveContentConfig(factors=6, attention=attention)
    network = AttentiveNetwork(np.zeros((1, 6), np.float32), 1.0, config)
    with torch.no_grad():
        network.attention.copy_(torch.from_numpy(parts.weights))
        network.smoothing.fill_(float(np.log(0.4 / 0.6)))
        items, at, taken = padded(histories)
        found = network.scores(
            torch.from_numpy(parts.scored), torch.from_numpy(parts.bias),
            torch.from_numpy(parts.met[items])[torch.from_numpy(at)], torch.from_numpy(taken),
        )  # fmt: skip
        own = network.scores(
            torch.from_numpy(parts.scored[:3]).expand(7, 3, 6), torch.from_numpy(parts.bias[:3]).expand(7, 3),
            torch.from_numpy(parts.met[items])[torch.from_numpy(at)], torch.from_numpy(taken),
        )  # fmt: skip
    if not attention:
        parts = parts._replace(weights=np.zeros(6, np.float32))
    expected = attentive_scorer.scores(parts, histories, 10**6)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(own.numpy(), expected[:, :3], rtol=1e-4, atol=1e-5)


def test_great_logits_stay_finite() -> None:
    parts = learned(7)._replace(weights=np.full(6, 1e6, np.float32))
    assert np.isfinite(attentive_scorer.scores(parts, random_rows((5, 30), 0.3, 8), 100)).all()


def test_users_without_a_history_score_by_the_bias() -> None:
    parts = learned(9)
    found = attentive_scorer.scores(parts, sparse.csr_array((2, 30), dtype=np.float32), 100)
    assert np.array_equal(found, np.tile(parts.bias, (2, 1)))


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    data, _ = planted(6)
    models = list(on_one_and_all_threads(lambda: AttentiveContent(SMALL).fit(data, seed=1)))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        models.append(AttentiveContent(SMALL).fit(data, seed=1))
    finally:
        torch.set_num_threads(before)
    first, *others = (model.score(np.arange(200)) for model in models)
    assert all(np.array_equal(first, other, equal_nan=True) for other in others)


def test_a_pass_takes_no_more_users_than_it_may(monkeypatch):
    likes = sparse.csr_array(np.tile([[1, 1, 0]], (12, 1)).astype(np.float32))
    lengths = []

    def counted(some, config, rng):
        lengths.append(some.shape[0])
        return iter(())

    monkeypatch.setattr(attentive_training, "_steps", counted)
    config = AttentiveContentConfig(most_users=5, epochs=4, factors=2)
    network = AttentiveNetwork(np.zeros((3, 2), np.float32), 1.0, config)
    descriptions = sparse.csr_array(np.eye(3, dtype=np.float32))
    catalogue = attentive_training.Catalogue(descriptions, np.zeros(3, np.float32), np.ones(3, bool))
    attentive_training.train(network, catalogue, likes, config, seed=1, progress=lambda *_: None)
    assert lengths == [5, 5, 5, 5]
