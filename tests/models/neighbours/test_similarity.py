import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.neighbours.similarity import cosine_neighbours


def dense_cosine(matrix: np.ndarray, shrink: float) -> np.ndarray:
    norms = np.linalg.norm(matrix, axis=0)
    scale = norms[:, None] * norms + shrink * (norms @ norms) / max(np.count_nonzero(matrix), 1)
    cosine = np.divide(matrix.T @ matrix, scale, out=np.zeros_like(scale), where=scale > 0)
    np.fill_diagonal(cosine, 0)
    return cosine


def random_matrix(seed: int, n_users: int, n_items: int, density: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((n_users, n_items)) < density) * rng.uniform(0.5, 3, (n_users, n_items))


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    n_users=st.integers(1, 15),
    n_items=st.integers(1, 12),
    k=st.integers(1, 14),
    shrink=st.sampled_from([0.0, 2.5]),
)
def test_each_item_keeps_its_k_greatest_cosines(seed, n_users, n_items, k, shrink):
    matrix = random_matrix(seed, n_users, n_items)
    order = np.random.default_rng(seed).permutation(n_items).astype(np.int32)
    found = cosine_neighbours(sparse.csr_array(matrix, dtype=np.float32), k=k, shrink=shrink, tie_order=order)
    expected = dense_cosine(matrix, shrink)
    for row, kept in zip(expected, found.toarray(), strict=True):
        np.testing.assert_allclose(kept[kept > 0], row[kept > 0], rtol=1e-5)
        best = np.sort(row[row > 0])[::-1][:k]
        np.testing.assert_allclose(np.sort(kept[kept > 0])[::-1], best, rtol=1e-5)


def test_a_worked_example():
    matrix = sparse.csr_array(np.array([[3, 4, 0], [4, 3, 0], [0, 0, 1]], np.float32))
    order = np.arange(3, dtype=np.int32)
    plain = cosine_neighbours(matrix, k=2, shrink=0, tie_order=order).toarray()
    shrunk = cosine_neighbours(matrix, k=2, shrink=25 / 10.2, tie_order=order).toarray()
    assert plain == pytest.approx(np.array([[0, 0.96, 0], [0.96, 0, 0], [0, 0, 0]]))
    assert shrunk == pytest.approx(plain / 2), "the mean square of the five entries is 10.2"


def test_the_scale_of_the_entries_does_not_matter():
    matrix = sparse.csr_array(random_matrix(1, 30, 20), dtype=np.float32)
    order = np.arange(20, dtype=np.int32)
    once, sevenfold = (cosine_neighbours(m, k=20, shrink=5, tie_order=order) for m in (matrix, 7 * matrix))
    np.testing.assert_allclose(sevenfold.toarray(), once.toarray(), rtol=1e-5)


def test_the_number_of_threads_changes_no_bit():
    matrix = sparse.csr_array(random_matrix(1, 200, 150), dtype=np.float32)
    order = np.arange(150, dtype=np.int32)
    found = []
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        before = numba.get_num_threads()
        numba.set_num_threads(threads)
        found.append(cosine_neighbours(matrix, k=20, shrink=1, tie_order=order))
        numba.set_num_threads(before)
    assert np.array_equal(found[0].indices, found[1].indices)
    assert np.array_equal(found[0].data, found[1].data)
