import numpy as np
import pytest
import torch
from scipy import sparse

from models.graph import shared_negatives
from models.graph.shared_negatives import Block, Negatives, NegativeSampler, block_loss, pair_scores
from tests.models.graph import ngcf_oracle


@pytest.fixture
def liked() -> np.ndarray:
    return (np.random.default_rng(0).random((7, 12)) < 0.4).astype(np.float32)


def embeddings(*sizes: int) -> list[torch.Tensor]:
    rng = np.random.default_rng(1)
    return [torch.from_numpy(rng.standard_normal((n, 5)).astype(np.float32)).requires_grad_() for n in sizes]


def block(liked: np.ndarray, negatives: np.ndarray) -> Block:
    return Block(
        np.arange(len(liked)),
        sparse.csr_array(liked),
        Negatives(negatives, np.ones(len(negatives), np.float32)),
    )


def test_with_all_items_as_negatives_the_softmax_is_exact(liked):
    users, items = embeddings(*liked.shape)
    found = block_loss(users, items, block(liked, np.arange(12)), "softmax", 0.5, np.random.default_rng(2))
    found.backward()
    plain = [tensor.detach().double().requires_grad_() for tensor in (users, items)]
    expected = ngcf_oracle.softmax_loss(plain[0] @ plain[1].T / 0.5, torch.from_numpy(liked))
    expected.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    for mine, theirs in zip((users, items), plain, strict=True):
        torch.testing.assert_close(mine.grad.double(), theirs.grad, rtol=1e-4, atol=1e-6)


def test_negatives_count_as_often_as_they_weigh():
    users, items = torch.ones(1, 3), torch.ones(40, 3)
    likes = sparse.csr_array(np.arange(40)[None, :] == 39, dtype=np.float32)
    negatives = Negatives(np.array([0, 5]), np.array([9.0, 30.0], np.float32))
    found = block_loss(
        users, items, Block(np.array([0]), likes, negatives), "softmax", 1, np.random.default_rng(0)
    )
    assert found.item() == pytest.approx(np.log(1 + 9 + 30))


def test_bpr_compares_each_like_with_one_negative(liked):
    users, items = embeddings(*liked.shape)
    only = np.array([3])
    found = block_loss(users, items, block(liked, only), "bpr", 2.0, np.random.default_rng(2))
    scores = (users @ items.T / 2).detach()
    expected = [
        0.0 if liked[user, 3] else torch.nn.functional.softplus(scores[user, 3] - scores[user, item]).item()
        for user, item in zip(*liked.nonzero(), strict=True)
    ]
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-5)


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_a_user_who_likes_everything_teaches_nothing(loss):
    users, items = embeddings(1, 4)
    everything = block(np.ones((1, 4), np.float32), np.arange(4))
    found = block_loss(users, items, everything, loss, 1.0, np.random.default_rng(0))
    found.backward()
    assert found.item() == 0
    assert not users.grad.any()
    assert not items.grad.any()


def test_pair_scores_and_gradients_are_those_of_the_general_path(liked, monkeypatch):
    monkeypatch.setattr(shared_negatives, "_ROWS", 5)
    pairs = sparse.csr_array(liked)
    users, items = embeddings(*liked.shape)
    found = pair_scores(users, items, pairs)
    rows, columns = liked.nonzero()
    twins = [tensor.detach().clone().requires_grad_() for tensor in (users, items)]
    expected = (twins[0][rows] * twins[1][columns]).sum(dim=1)
    torch.testing.assert_close(found, expected)
    upstream = torch.arange(float(pairs.nnz))
    found.backward(upstream)
    expected.backward(upstream)
    torch.testing.assert_close(users.grad, twins[0].grad)
    torch.testing.assert_close(items.grad, twins[1].grad)


def test_a_sample_stands_for_all_items_although_half_of_it_is_drawn_by_popularity():
    rng = np.random.default_rng(3)
    likes = sparse.csr_array((rng.random((30, 50)) < np.linspace(0, 0.9, 50)), dtype=np.float32)
    sampler = NegativeSampler(likes, 20)
    estimates, drawn = np.zeros(50), np.zeros(50)
    for _ in range(3000):
        items, weights = sampler.draw(rng)
        assert (np.diff(items) > 0).all(), "distinct and ascending"
        estimates[items] += weights / 3000
        drawn[items] += 1
    assert abs(estimates - 1).max() < 0.15
    assert drawn[-5:].mean() > 2 * drawn[:5].mean()


def test_no_more_items_than_wanted_are_all_taken():
    items, weights = NegativeSampler(sparse.csr_array((3, 6), dtype=np.float32), 10).draw(
        np.random.default_rng(0)
    )
    assert items.tolist() == list(range(6))
    assert (weights == 1).all()
