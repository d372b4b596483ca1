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
