"""Products of a sparse matrix with dense vectors equal numpy's."""

from __future__ import annotations

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.numerics.sparse_product import multiply, multiply_add
from tests.examples import examples


def random(seed: int, rows: int, columns: int, width: int) -> tuple[sparse.csr_array, np.ndarray]:
    rng = np.random.default_rng(seed)
    filled = rng.random((rows, columns)) < 0.3 * rng.random((rows, 1)) ** 2
    matrix = sparse.csr_array(filled * rng.standard_normal((rows, columns)), dtype=np.float32)
    return matrix, rng.standard_normal((columns, width)).astype(np.float32)


@settings(max_examples=examples(40))
@given(st.integers(0, 10**6), st.integers(0, 90), st.integers(0, 20), st.integers(0, 5))
def test_results_equal_numpys_product_and_sum(seed: int, rows: int, columns: int, width: int) -> None:
    matrix, x = random(seed, rows, columns, width)
    expected = matrix.toarray() @ x
    np.testing.assert_allclose(multiply(matrix, x), expected, rtol=1e-4, atol=1e-5)
    base = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    out = np.full_like(base, np.nan)
    assert multiply_add(matrix, x, base, out, gain=2, own=-0.5) is out
    np.testing.assert_allclose(out, 2 * expected - 0.5 * base, rtol=1e-4, atol=1e-5)


def test_previous_content_of_out_is_ignored() -> None:
    matrix, x = random(1, 50, 30, 4)
    assert np.array_equal(multiply(matrix, x, np.full((50, 4), np.nan, np.float32)), multiply(matrix, x))


def test_bits_do_not_depend_on_the_number_of_threads() -> None:
    matrix, x = random(2, 3000, 400, 16)
    threads = numba.get_num_threads()
    several = multiply(matrix, x)
    try:
        numba.set_num_threads(1)
        assert np.array_equal(multiply(matrix, x), several)
    finally:
        numba.set_num_threads(threads)


@numba.njit(fastmath={"contract"})
def plain_product(indptr, indices, data, x, out):  # type: ignore[no-untyped-def]
    """Add one entry after the other, by the same fused multiplication and addition."""
    for row in range(len(out)):
        total = np.zeros(x.shape[1], np.float32)
        for at in range(indptr[row], indptr[row + 1]):
            for f in range(x.shape[1]):
                total[f] += data[at] * x[indices[at], f]
        out[row] = total


def test_bits_are_those_of_adding_single_entries() -> None:
    """Rows of 0 to 39 entries of very different sizes: a sum in another order has other bits."""
    rng = np.random.default_rng(3)
    rows = np.repeat(np.arange(40), np.arange(40))
    columns = np.concatenate([rng.permutation(50)[:size] for size in range(40)])
    data = (rng.standard_normal(len(rows)) * 10.0 ** rng.integers(-3, 4, len(rows))).astype(np.float32)
    matrix = sparse.csr_array(sparse.coo_array((data, (rows, columns)), shape=(40, 50)))
    x = rng.standard_normal((50, 33)).astype(np.float32)
    expected = np.empty((40, 33), np.float32)
    plain_product(matrix.indptr, matrix.indices, matrix.data, x, expected)
    assert np.array_equal(multiply(matrix, x), expected)
