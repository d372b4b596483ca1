"""The kernels of `mf` agree with torch's operations, and their bits do not depend on threads."""

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.factors import squared_errors as module
from models.factors.squared_errors import Rows, plain_squared_errors, squared_errors
from tests.examples import examples


def problem(seed: int, shape: tuple[int, int], factors: int) -> tuple[list[torch.Tensor], Rows]:
    """Return tables that require gradients, and ratings with some empty rows and columns."""
    rng = np.random.default_rng(seed)
    ratings = sparse.csr_array((rng.random(shape) < 0.4) * rng.normal(size=shape))
    sizes = [(shape[0], factors), (shape[1], factors), shape[:1], shape[1:]]
    tables = [torch.from_numpy(rng.normal(size=size).astype(np.float32)).requires_grad_() for size in sizes]
    parts = (
        ratings.indptr.astype(np.int64),
        ratings.indices.astype(np.int64),
        ratings.data.astype(np.float32),
    )
    return tables, Rows(*(torch.from_numpy(part) for part in parts))


def outcome(errors, tables, rows) -> list[np.ndarray]:
    """Return the sum, and the gradients of three times the sum, so that the outer gradient is not 1."""
    total = errors(*tables, rows)
    return [total.detach().numpy(), *(slope.numpy() for slope in torch.autograd.grad(3 * total, tables))]


@pytest.mark.parametrize("many", [0, 1_000_000])
@given(st.integers(0, 2**32), st.tuples(st.integers(1, 12), st.integers(1, 12)), st.integers(1, 20))
@settings(max_examples=examples(30))
def test_the_kernels_agree_with_autograd(many, seed, shape, factors) -> None:
    tables, rows = problem(seed, shape, factors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_MANY", many)
        for ours, plain in zip(
            outcome(squared_errors, tables, rows), outcome(plain_squared_errors, tables, rows), strict=True
        ):
            np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-3)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    tables, rows = problem(0, (300, 200), 16)
    alone = outcome(squared_errors, tables, rows)
    monkeypatch.setattr(module, "_MANY", 0)
    threads = numba.get_num_threads()
    try:
        for some in (1, threads):
            numba.set_num_threads(some)
            for one, together in zip(alone, outcome(squared_errors, tables, rows), strict=True):
                assert np.array_equal(one, together)
    finally:
        numba.set_num_threads(threads)
