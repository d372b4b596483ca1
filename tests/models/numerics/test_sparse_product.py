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
