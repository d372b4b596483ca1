import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from models.factors import bpr_kernels as kernels
from models.factors.bpr_kernels import Factors, Trainer
from tests.examples import examples

numbers = st.floats(-2, 2, width=32)


def world(n_users: int = 300, n_items: int = 200, seed: int = 0) -> sparse.csr_array:
    return sparse.csr_array(np.random.default_rng(seed).random((n_users, n_items)) < 0.1, dtype=np.float32)


def trained(positives: sparse.csr_array, epochs: int = 3, **options: float) -> Factors:
    rng = np.random.default_rng(5)
    n_users, n_items = positives.shape
    factors = Factors(
        rng.standard_normal((n_users, 6), np.float32) / 10,
        rng.standard_normal((n_items, 6), np.float32) / 10,
        np.zeros(n_items, np.float32),
    )
    trainer = Trainer(positives, factors, rng)
    for _ in range(epochs):
        trainer.epoch(**{"step": 0.1, "regularization": 0.01, "candidates": 2} | options)
    return factors


def loss(vectors: np.ndarray, biases: np.ndarray, decay: float) -> float:
    """Return the loss of one comparison, by its formula."""
    user, liked, other = vectors
    margin = user @ liked + biases[0] - user @ other - biases[1]
    return np.log1p(np.exp(-margin)) + decay / 2 * ((vectors**2).sum() + (biases**2).sum())


@settings(max_examples=examples(30))
@given(arrays(np.float32, (3, 4), elements=numbers), arrays(np.float32, 2, elements=numbers), st.floats(0, 1))
def test_a_step_follows_the_gradient_of_the_loss(
    vectors: np.ndarray, biases: np.ndarray, decay: float
) -> None:
    before = np.concatenate([vectors.ravel(), biases]).astype(np.float64)
    gradient = np.empty(len(before))
    for at in range(len(before)):
        nudge = np.eye(len(before))[at] * 1e-6
        high, low = before + nudge, before - nudge
        gradient[at] = (
            loss(high[:12].reshape(3, 4), high[12:], decay) - loss(low[:12].reshape(3, 4), low[12:], decay)
        ) / 2e-6
    moved, bias = vectors.copy(), biases.copy()
    other_score = np.float32(vectors[0] @ vectors[2] + biases[1])
    kernels._step(*moved, bias, 0, 1, other_score, np.float32(0.01), np.float32(decay))
    after = np.concatenate([moved.ravel(), bias])
    np.testing.assert_allclose(after, before - 0.01 * gradient, atol=1e-5)


def test_an_epoch_penalises_squares_by_the_regularization() -> None:
    """Two users like one item each: to first order in the step, an epoch adds the gradients of both comparisons."""
    rng, step, weight = np.random.default_rng(0), 1e-3, 0.3
    tables = [rng.standard_normal(shape).astype(np.float32) for shape in ((2, 3), (2, 3), 2)]

    def total(flat: np.ndarray) -> float:
        users, items, bias = np.split(flat, [6, 12])
        users, items = users.reshape(2, 3), items.reshape(2, 3)
        rows = ([u, i, 1 - i] for u, i in ((0, 0), (1, 1)))
        return sum(
            loss(np.stack([users[u], items[i], items[j]]), bias[[i, j]], 2 * weight) for u, i, j in rows
        )

    before = np.concatenate([table.ravel() for table in tables]).astype(np.float64)
    nudges = 1e-6 * np.eye(len(before))
    gradient = [(total(before + nudge) - total(before - nudge)) / 2e-6 for nudge in nudges]
    trainer = Trainer(sparse.csr_array(np.eye(2, dtype=np.float32)), Factors(*tables), rng)
    trainer.epoch(step=step, regularization=weight, candidates=50)
    after = np.concatenate([table.ravel() for table in tables])
    np.testing.assert_allclose((before - after) / step, gradient, atol=0.01)


def test_every_entry_is_in_the_shard_of_its_groups_once() -> None:
    positives = world()
    trainer = Trainer(positives, trained(positives, epochs=0), np.random.default_rng(0))
    groups = len(trainer._entry_bounds) - 1
    assert groups > 2
    group_of = np.random.default_rng(1).integers(groups, size=positives.shape[1]).astype(np.int32)
    starts = kernels._deal(trainer._users, positives.indices, trainer._entry_bounds, group_of, trainer._dealt)
    assert sorted(zip(*trainer._dealt, strict=True)) == sorted(zip(*positives.nonzero(), strict=True))
    owners = [set(trainer._dealt[0, row[0] : row[-1]]) for row in starts]
    assert sum(map(len, owners)) == len(set.union(*owners)), "each user is in one group"
    for row in starts:
        for group in range(groups):
            assert (group_of[trainer._dealt[1, row[group] : row[group + 1]]] == group).all()


@pytest.mark.parametrize("shape", [(300, 200), (97, 40)])
def test_the_number_of_threads_changes_no_bit(shape: tuple[int, int]) -> None:
    positives = world(*shape)
    here = trained(positives)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = trained(positives)
    finally:
        numba.set_num_threads(threads)
    for one, other in zip(here, alone, strict=True):
        assert np.array_equal(one, other)


def test_each_entry_is_compared_with_its_highest_candidate() -> None:
    positives = world(80, 20)  # one group
    positives = sparse.csr_array(sparse.hstack([positives, sparse.csr_array((80, 1), dtype=np.float32)]))
    dense = positives.toarray()
    dense[0] = np.arange(21) == 20  # only user 0 has item 20, which has the highest score
    factors = Factors(np.zeros((80, 2), np.float32), np.zeros((21, 2), np.float32), np.zeros(21, np.float32))
    factors.bias[20] = 100
    trainer = Trainer(sparse.csr_array(dense), factors, np.random.default_rng(0))
    trainer.epoch(step=0.01, regularization=0, candidates=500)
    degree = dense.sum(axis=0)
    np.testing.assert_allclose(factors.bias[:20], 0.01 * degree[:20], rtol=1e-4)
    assert factors.bias[20] == pytest.approx(100 - 0.01 * degree[:20].sum(), rel=1e-4)


def test_negatives_are_never_liked_items() -> None:
    dense = np.ones((60, 50), np.float32)
    dense[:, 49] = 0
    dense[0, 49] = 1  # an item needs a user to be known
    factors = trained(sparse.csr_array(dense), epochs=1, regularization=0.0, candidates=50)
    assert (factors.bias[:49] > 0).all()
    assert factors.bias[49] < 0


def test_unknown_items_and_users_are_not_changed() -> None:
    positives = world(300, 200)
    positives = sparse.csr_array(sparse.block_diag([positives, sparse.csr_array((3, 4))]), dtype=np.float32)
    before, after = trained(positives, epochs=0), trained(positives)
    assert np.array_equal(before.users[300:], after.users[300:])
    assert np.array_equal(before.items[200:], after.items[200:])
    assert (before.items[:200] != after.items[:200]).any(axis=1).all()


@given(st.lists(st.integers(0, 30), unique=True), st.integers(0, 30))
@settings(max_examples=examples(50))
def test_contains_finds_exactly_the_stored_items(row: list[int], item: int) -> None:
    assert kernels._contains(np.array(sorted(row), np.int32), item) == (item in row)


def test_draws_are_uniform_and_below_the_limit() -> None:
    state, drawn = 7, []
    for _ in range(6000):
        state, value = kernels._draw(np.uint64(state), 6)
        drawn.append(value)
    counts = np.bincount(drawn)
    assert len(counts) == 6
    assert abs(counts - 1000).max() < 150
