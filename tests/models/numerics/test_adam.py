"""Our Adam takes the same steps as torch's."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.numerics import adam
from models.numerics.adam import Adam
from tests.models.threads import on_one_and_all_threads

SHAPES = ((7, 5), (11,), (0, 3))


def gradients_of(step: int) -> list[torch.Tensor]:
    """Gradients of very different sizes; a row of the first parameter always has 0."""
    rng = np.random.default_rng(step)
    drawn = [rng.normal(size=shape) * 10.0 ** rng.integers(-6, 4, shape) for shape in SHAPES]
    drawn[0][3] = 0
    return [torch.from_numpy(each.astype(np.float32)) for each in drawn]


def tables() -> list[torch.Tensor]:
    rng = np.random.default_rng(99)
    return [torch.from_numpy(rng.normal(size=shape).astype(np.float32)) for shape in SHAPES]


def after(steps: int) -> list[np.ndarray]:
    ours = tables()
    optimizer = Adam(ours)
    for step in range(steps):
        optimizer.step(gradients_of(step), 0.1 / (1 + step))
    return [table.numpy() for table in ours]


@pytest.mark.parametrize("many", [0, 1_000_000])
def test_steps_are_those_of_torchs_adam(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adam, "_MANY", many)
    theirs = tables()
    optimizer = torch.optim.Adam(theirs)
    for step in range(20):
        for table, gradient in zip(theirs, gradients_of(step), strict=True):
            table.grad = gradient
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        optimizer.step()
    for mine, other, first in zip(after(20), theirs, tables(), strict=True):
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-5, atol=1e-6)
        assert mine.size == 0 or not np.array_equal(mine, first.numpy())
    assert np.array_equal(after(20)[0][3], tables()[0][3].numpy()), "without a gradient nothing moves"


def test_bits_are_the_same_on_all_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = after(5)
    monkeypatch.setattr(adam, "_MANY", 0)
    for one, together in zip(alone, after(5), strict=True):
        assert np.array_equal(one, together)


def test_operations_for_the_gpu_take_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = after(5)
    monkeypatch.setattr(adam, "_CPU", "nowhere")
    for one, other in zip(alone, after(5), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_training_does_not_load_torchs_compiler() -> None:
    """Using torch.optim would load it."""
    code = """
import sys
import numpy as np
from scipy import sparse
from models.interactions import Interactions
from models.registry import recommender_class
likes = Interactions.from_positive(sparse.csr_array(np.tril(np.ones((6, 5), np.float32))))
for name in ("mf", "lightgcn", "ngcf"):
    recommender = recommender_class(name)
    recommender(recommender.config_class(epochs=1, factors=2)).fit(likes, seed=1)
print("torch._dynamo" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=8))
def test_parameters_without_gradient_are_left_alone(given_gradients: list[list[bool]]) -> None:
    """Each parameter counts its own steps, as torch's Adam does for parameters whose gradient is None."""
    ours, theirs = tables(), tables()
    mine, other = Adam(ours), torch.optim.Adam(theirs, lr=0.1)
    for step, has_gradient in enumerate(given_gradients):
        gradients = [g if has else None for g, has in zip(gradients_of(step), has_gradient, strict=True)]
        before = [table.clone() for table in ours]
        mine.step(gradients, 0.1)
        for table, gradient in zip(theirs, gradients, strict=True):
            table.grad = gradient
        other.step()
        for table, was, gradient in zip(ours, before, gradients, strict=True):
            assert gradient is not None or torch.equal(table, was)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)
    assert mine.steps == np.sum(given_gradients, axis=0).tolist()


def sparse_of(rows: np.ndarray, values: np.ndarray, shape: tuple[int, ...]) -> torch.Tensor:
    """Return a gradient of some rows, in their order, as `torch.nn.functional.embedding` gives it."""
    parts = torch.from_numpy(rows)[None], torch.from_numpy(values.astype(np.float32))
    return torch.sparse_coo_tensor(*parts, shape, check_invariants=True)


def drawn_rows(shape: tuple[int, ...], n_steps: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw for each step some distinct rows, never the last two, and their gradients, of very different sizes."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n_steps):
        rows = rng.permutation(shape[0] - 2)[: rng.integers(1, shape[0] - 1)]
        sizes = 10.0 ** rng.integers(-6, 4, len(rows))
        found.append(
            (rows, rng.normal(size=(len(rows), *shape[1:])) * sizes.reshape(-1, *[1] * (len(shape) - 1)))
        )
    return found


def state_of(table: torch.Tensor, optimizer: Adam) -> list[np.ndarray]:
    """Return the only parameter and its moments."""
    return [table.numpy(), *(kept[0].numpy() for kept in optimizer.moments().values())]


ROW_SHAPES = [(9, 5), (9,), (9, 1), (40, 33), (6, 2, 3)]


@pytest.mark.parametrize("shape", ROW_SHAPES)
def test_a_sparse_gradient_steps_its_rows_as_a_dense_one(shape: tuple[int, ...]) -> None:
    """The same rows in every step: they change as if they were the whole parameter."""
    first = torch.from_numpy(np.random.default_rng(1).normal(size=shape).astype(np.float32))
    rows = np.array([4, 0, 3])
    table, alone = first.clone(), first[rows].clone()
    sparse_steps, dense_steps = Adam([table]), Adam([alone])
    for step in range(6):
        gradient = np.random.default_rng(step).normal(size=(3, *shape[1:])) * 10.0 ** (step - 3)
        sparse_steps.step([sparse_of(rows, gradient, shape)], 0.1)
        dense_steps.step([torch.from_numpy(gradient.astype(np.float32))], 0.1)
    others = np.setdiff1d(np.arange(shape[0]), rows)
    for ours, theirs, was in zip(
        state_of(table, sparse_steps), state_of(alone, dense_steps), [first, 0, 0], strict=True
    ):
        np.testing.assert_allclose(ours[rows], theirs, rtol=1e-6, atol=1e-9)
        assert np.array_equal(ours[others], np.broadcast_to(was, shape)[others])
    assert (table[rows] != first[rows]).all()


def formula(first: np.ndarray, steps: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """Return the parameter and its moments by the paper's formulas, for the rows with a gradient alone, in float64."""
    table, mean, square = first.astype(np.float64), np.zeros(first.shape), np.zeros(first.shape)
    for step, (rows, g) in enumerate(steps, start=1):
        mean[rows] = 0.9 * mean[rows] + 0.1 * g
        square[rows] = 0.999 * square[rows] + 0.001 * g**2
        scale = np.sqrt(square[rows] / (1 - 0.999**step)) + 1e-8
        table[rows] -= 0.1 * mean[rows] / (1 - 0.9**step) / scale
    return [table, mean, square]


@pytest.mark.parametrize("shape", ROW_SHAPES)
def test_sparse_steps_of_other_rows_are_the_formulas(shape: tuple[int, ...]) -> None:
    """Other rows in every step, of which the last two never come; the parameter counts the steps, not its rows."""
    first = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    steps = drawn_rows(shape, 15)
    table = torch.from_numpy(first.copy())
    optimizer = Adam([table])
    for rows, values in steps:
        before = [part.copy() for part in state_of(table, optimizer)]
        optimizer.step([sparse_of(rows, values, shape)], 0.1)
        untouched = np.setdiff1d(np.arange(shape[0]), rows)
        for was, now in zip(before, state_of(table, optimizer), strict=True):
            assert np.array_equal(was[untouched], now[untouched])
            assert (was[rows] != now[rows]).any()
    for ours, expected in zip(state_of(table, optimizer), formula(first, steps), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-6)
    assert optimizer.steps == [15]


def after_sparse(shape: tuple[int, ...]) -> list[np.ndarray]:
    table = torch.zeros(shape)
    optimizer = Adam([table])
    for rows, values in drawn_rows(shape, 8):
        optimizer.step([sparse_of(rows, values, shape)], 0.1)
    return state_of(table, optimizer)


def test_bits_of_sparse_steps_do_not_depend_on_threads() -> None:
    for one, many in zip(*on_one_and_all_threads(lambda: after_sparse((40, 33))), strict=True):
        assert np.array_equal(one, many)


@pytest.mark.parametrize("shape", ROW_SHAPES)
def test_sparse_operations_for_the_gpu_take_the_same_steps(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = after_sparse(shape)
    monkeypatch.setattr(adam, "_CPU", "nowhere")
    for one, other in zip(alone, after_sparse(shape), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_sparse_and_dense_gradients_may_take_turns() -> None:
    """A sparse gradient of all rows is a dense one."""
    shape = (7, 5)
    ours, theirs = (torch.ones(shape) for _ in range(2))
    mine, dense = Adam([ours]), Adam([theirs])
    for step in range(6):
        gradient = np.random.default_rng(step).normal(size=shape).astype(np.float32)
        rows = np.random.default_rng(step).permutation(7)
        whole = torch.from_numpy(gradient)
        mine.step([sparse_of(rows, gradient[rows], shape) if step % 2 else whole], 0.1)
        dense.step([whole], 0.1)
    for one, other in zip(state_of(ours, mine), state_of(theirs, dense), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
