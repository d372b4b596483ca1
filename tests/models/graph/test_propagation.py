import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from models.device import torch_device
from models.graph.propagation import (
    Propagation,
    adjacency_tensor,
    normalized_adjacency,
    propagate_tensor,
    with_edges,
)

WEIGHTS = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=5)


def plain_adjacency(matrix: np.ndarray) -> np.ndarray:
    n_users, n_items = matrix.shape
    a = np.zeros((n_users + n_items, n_users + n_items))
    a[:n_users, n_users:] = matrix
    a += a.T
    degree = a.sum(axis=1)
    with np.errstate(divide="ignore"):
        scale = np.where(degree > 0, degree**-0.5, 0)
    return scale[:, None] * a * scale


def plain_propagate(a: np.ndarray, base: np.ndarray, weights: list[float]) -> np.ndarray:
    return sum(w * np.linalg.matrix_power(a, layer) @ base for layer, w in enumerate(weights))


def edges(shape: tuple[int, int]) -> st.SearchStrategy[np.ndarray]:
    return arrays.arrays(np.float32, shape, elements=st.sampled_from([0, 0, 1, 1, 2.5]))


SHAPES = st.tuples(st.integers(0, 9), st.integers(0, 9))


@given(st.data())
def test_the_adjacency_is_normalized(data: st.DataObject) -> None:
    matrix = data.draw(SHAPES.flatmap(edges))
    a = normalized_adjacency(sparse.csr_array(matrix))
    assert a.dtype == np.float32
    assert a.has_canonical_format
    np.testing.assert_allclose(a.toarray(), plain_adjacency(matrix), atol=1e-6)


def test_entries_that_are_not_positive_are_no_edges() -> None:
    matrix = sparse.csr_array((np.array([0, -1, 2.0]), ([0, 0, 1], [0, 1, 1])), shape=(2, 2))
    assert normalized_adjacency(matrix).toarray() == pytest.approx(
        plain_adjacency(np.array([[0, 0], [0, 2.0]]))
    )


@given(st.data())
def test_further_edges_leave_the_edges_of_likes_as_they_are(data: st.DataObject) -> None:
    matrix = data.draw(SHAPES.flatmap(edges))
    n_users, n_items = matrix.shape
    first = data.draw(st.sampled_from([0, n_users]))
    size = n_users if first == 0 else n_items + data.draw(st.integers(0, 3))
    one_way = data.draw(edges((size, size)))
    further = one_way + one_way.T
    found = with_edges(sparse.csr_array(matrix), sparse.csr_array(further.astype(np.float64)), first)
    expected = np.zeros((max(n_users + n_items, first + size),) * 2)
    expected[: n_users + n_items, : n_users + n_items] = plain_adjacency(matrix)
    of_likes = np.concatenate([matrix.sum(axis=1), matrix.sum(axis=0), np.zeros(9)])
    weight = further.sum(axis=1) + of_likes[first : first + size]
    scale = np.divide(1, np.sqrt(weight), out=np.zeros(size), where=weight > 0)
    expected[first : first + size, first : first + size] += scale[:, None] * further * scale
    assert found.dtype == np.float32
    assert found.has_sorted_indices
    np.testing.assert_allclose(found.toarray(), expected, atol=1e-6)


@given(st.data(), WEIGHTS)
def test_propagation_is_the_weighted_sum_of_powers(data: st.DataObject, weights: list[float]) -> None:
    matrix = data.draw(SHAPES.flatmap(edges))
    base = data.draw(arrays.arrays(np.float32, (sum(matrix.shape), 3), elements=st.floats(-4, 4, width=32)))
    before = base.copy()
    a = normalized_adjacency(sparse.csr_array(matrix))
    ours = Propagation(a).propagate(base, weights)
    in_torch = propagate_tensor(adjacency_tensor(a, torch.device("cpu")), torch.from_numpy(base), weights)
    np.testing.assert_allclose(ours, plain_propagate(plain_adjacency(matrix), base, weights), atol=1e-5)
    np.testing.assert_allclose(ours, in_torch.numpy(), atol=1e-5)
    assert np.array_equal(base, before)


def large() -> tuple[sparse.csr_array, np.ndarray]:
    rng = np.random.default_rng(5)
    popularity = rng.pareto(1, 700) + 0.1
    matrix = sparse.csr_array(rng.random((400, 700)) < popularity / popularity.max())
    return normalized_adjacency(matrix), rng.standard_normal((1100, 37)).astype(np.float32)


def test_propagation_and_its_gradient_agree_with_torch() -> None:
    adjacency, base = large()
    weights = [0.25, 0.25, 0.25, 0.25]
    x = torch.from_numpy(base).requires_grad_()
    device = torch_device("auto")  # a GPU where there is one
    final = propagate_tensor(adjacency_tensor(adjacency, device), x.to(device), weights)
    propagation = Propagation(adjacency)
    np.testing.assert_allclose(propagation.propagate(base, weights), final.detach().cpu().numpy(), atol=1e-5)
    gradient = np.cos(base)
    final.backward(torch.from_numpy(gradient).to(device))
    assert x.grad is not None
    np.testing.assert_allclose(propagation.propagate(gradient, weights), x.grad.numpy(), atol=1e-5)


def test_the_number_of_threads_changes_no_bit() -> None:
    adjacency, base = large()
    propagation = Propagation(adjacency)
    threads = numba.get_num_threads()
    several = propagation.propagate(base, [1, 0.5, 0.25])
    try:
        numba.set_num_threads(1)
        assert np.array_equal(propagation.propagate(base, [1, 0.5, 0.25]), several)
    finally:
        numba.set_num_threads(threads)


def test_a_propagation_can_be_reused_for_any_width() -> None:
    adjacency, base = large()
    propagation = Propagation(adjacency)
    whole = propagation.propagate(base, [1, 1, 1])
    narrow = propagation.propagate(np.ascontiguousarray(base[:, :5]), [1, 1, 1])
    np.testing.assert_allclose(narrow, whole[:, :5], rtol=1e-5, atol=1e-6)
