"""The contract on PinSage with each loss; its sparse products, and what its similar items know."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy import sparse

from models.graph.pinsage import PinSage
from models.graph.pinsage_config import PinSageConfig
from models.graph.pinsage_network import SparseProduct, unit_rows
from models.graph.pinsage_training import SimilarPairs
from models.interactions import Interactions
from models.neural.early_stopping import CarveOut
from models.new_users import NewUsers
from tests.models.contract import LikesContract
from tests.models.fitted_once import FittedOnce
from tests.models.retrieval.test_two_tower import with_features

SMALL = {
    "factors": 8, "batch": 256, "uniform_negatives": 64, "epochs": 4, "steps": 10, "learning_rate": 0.02,
    "walkers": 50, "neighbours": 5,
}  # fmt: skip


class TestPinSage(FittedOnce, LikesContract):
    model = PinSage
    config: ClassVar[PinSageConfig] = PinSageConfig(**SMALL)
    kept_of_own_history = 0.5


class TestPinSageWithFeatures(TestPinSage):
    def described(self, data: Interactions) -> Interactions:
        return with_features(data)


class TestPinSageByMargin(TestPinSage):
    config: ClassVar[PinSageConfig] = PinSageConfig(**SMALL, loss="margin")


def described(n_users: int = 120, n_items: int = 60, n_new: int = 10, *, seed: int = 1) -> Interactions:
    """Return likes of items of one group of five, whose feature says the group; the last items have no likes."""
    rng = np.random.default_rng(seed)
    group = np.arange(n_items) % 5
    likes = np.zeros((n_users, n_items), np.float32)
    for user in range(n_users):
        own = np.flatnonzero((group == user % 5) & (np.arange(n_items) < n_items - n_new))
        likes[user, rng.choice(own, 6, replace=False)] = 1
    features = np.zeros((n_items, 5), np.float32)
    features[np.arange(n_items), group] = 1
    data = Interactions.from_positive(sparse.csr_array(likes))
    return replace(data, item_features=sparse.csr_array(features), feature_names=tuple("abcde"))


def test_items_that_nobody_met_are_similar_to_those_of_their_features():
    data = described()
    lists = PinSage(PinSageConfig(**SMALL)).fit(data, seed=1).similar_items(np.arange(50, 60), 5).items
    assert ((lists % 5) == (np.arange(50, 60) % 5)[:, None]).all()


def test_shuffled_features_say_nothing_of_items_that_nobody_met():
    data = described()
    shuffled = sparse.csr_array(data.item_features[np.random.default_rng(3).permutation(60)])
    model = PinSage(PinSageConfig(**SMALL)).fit(replace(data, item_features=shuffled), seed=1)
    lists = model.similar_items(np.arange(50, 60), 5).items
    assert ((lists % 5) == (np.arange(50, 60) % 5)[:, None]).mean() < 0.5


def test_similar_items_without_popularity_are_ordered_by_cosine():
    data = described()
    model = PinSage(PinSageConfig(**SMALL, popularity=0.0)).fit(data, seed=1)
    [items], [scores] = model.similar_items(np.array([3]), 8)
    cosines = model.item_factors_ @ model.item_factors_[3]
    np.testing.assert_allclose(scores, cosines[items], rtol=1e-5)
    others = np.delete(cosines, 3)
    np.testing.assert_allclose(np.sort(others)[::-1][:8], scores, rtol=1e-5)


def test_a_prior_brings_the_popularity_of_items_closer():
    data = described()
    few, many = (
        PinSage(PinSageConfig(**SMALL, prior_likes=prior)).fit(data, seed=1).item_bias_
        for prior in (1.0, 100.0)
    )
    assert many.min() > few.min()
    assert many.max() == few.max() == 0


def test_sparse_products_pass_gradients_of_the_transposed_matrix():
    rng = np.random.default_rng(2)
    matrix = sparse.random_array((7, 5), density=0.4, rng=rng, dtype=np.float32, format="csr")
    dense = torch.from_numpy(matrix.toarray())
    x = torch.randn(5, 3, requires_grad=True)
    weight = torch.randn(7, 3)
    (found,) = torch.autograd.grad((SparseProduct(matrix, x.device)(x) * weight).sum(), x)
    torch.testing.assert_close(found, dense.T @ weight)
    torch.testing.assert_close(SparseProduct(matrix, x.device)(x), dense @ x)


def test_users_are_the_mean_of_their_latest_items():
    data = described()
    model = PinSage(PinSageConfig(**SMALL, latest=2)).fit(data, seed=1)
    folded = model.fold_in(NewUsers.of([[1, 2, 3], [2, 3]], 60))
    np.testing.assert_array_equal(folded.user_factors_[0], folded.user_factors_[1])
    expected = model.item_factors_[[2, 3]].mean(axis=0) / model.config.temperature
    np.testing.assert_allclose(folded.user_factors_[0], expected, rtol=1e-5)


def margin_objective(hard_negatives: int) -> SimilarPairs:
    """Return what is trained by margin, on the described items."""
    data = described()
    config = PinSageConfig(**SMALL, loss="margin", hard_negatives=hard_negatives, id_dropout=0.0)
    model = PinSage(config).fit(data, seed=1)
    return model._objective(model.network(), CarveOut.nothing(data.positive), data)


def test_each_epoch_has_one_more_hard_negative_up_to_the_most():
    objective = margin_objective(hard_negatives=2)
    batches = [next(iter(objective.batches(epoch, np.random.default_rng(epoch)))) for epoch in range(4)]
    assert [batch.hard.shape[1] for batch in batches] == [0, 1, 2, 2]
    for asked, hard in zip(batches[3].asked.tolist(), batches[3].hard.tolist(), strict=True):
        assert set(hard) <= set(objective._hard[asked].tolist())


def test_the_margin_loss_is_that_of_plain_loops():
    objective = margin_objective(hard_negatives=3)
    batch = next(iter(objective.batches(3, np.random.default_rng(1))))
    with torch.no_grad():
        vectors = objective.network(objective._products).numpy()
        found = float(objective.loss(batch))
    asked, items, hard = (part.numpy() for part in (batch.asked, batch.items, batch.hard))
    n, lacking = len(asked), []
    for row in range(n):
        drawn = items[n + row % (len(items) - n)]
        for negative in (drawn, *hard[row]):
            if negative >= 0 and negative not in (asked[row], items[row]):
                nearer = vectors[asked[row]] @ (vectors[negative] - vectors[items[row]])
                lacking.append(max(0.0, nearer + objective._config.margin))
    assert found == pytest.approx(np.mean(lacking), rel=1e-4)


def test_rows_without_a_direction_have_small_gradients():
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    found = unit_rows(x)
    (gradient,) = torch.autograd.grad((found * torch.tensor([[1.0, 2.0], [1.0, 0.0]])).sum(), x)
    torch.testing.assert_close(found, torch.tensor([[0.0, 0.0], [0.6, 0.8]]))
    torch.testing.assert_close(gradient, torch.tensor([[1.0, 2.0], [0.128, -0.096]]))


def test_deep_networks_train_on_items_without_features():
    data = replace(described(), item_features=sparse.csr_array((60, 0), dtype=np.float32), feature_names=())
    model = PinSage(PinSageConfig(**SMALL, layers=4)).fit(data, seed=1)
    lists = model.similar_items(np.arange(50), 5).items
    assert ((lists % 5) == (np.arange(50) % 5)[:, None]).mean() > 0.9
