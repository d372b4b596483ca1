import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.interactions import Interactions
from models.neural.early_stopping import carve_out


def matrices(seed: int, n_users: int = 30, n_items: int = 25) -> tuple[sparse.csr_array, sparse.csr_array]:
    rng = np.random.default_rng(seed)
    likes = sparse.csr_array((rng.random((n_users, n_items)) < 0.4).astype(np.float32))
    seen = likes.toarray() + (rng.random(likes.shape) < 0.1)
    return likes, sparse.csr_array(np.where(seen > 0, rng.integers(1, 9, likes.shape), 0).astype(np.int64))


@given(st.integers(0, 50), st.sampled_from([0.0, 0.1, 0.5]))
def test_the_newest_items_are_taken_out(seed: int, share: float) -> None:
    likes, timestamp = matrices(seed)
    found = carve_out(likes, timestamp, np.random.default_rng(1), share=share)
    back = found.train.toarray()
    back[found.users] += found.held_out.toarray()
    assert np.array_equal(back, likes.toarray())
    times = timestamp.toarray()
    for row, user in enumerate(found.users):
        out, left = (m[[i]].indices for m, i in ((found.held_out, row), (found.train, user)))
        assert len(out) == max(1, int(share * (len(out) + len(left))))
        assert times[user, out].min() >= times[user, left].max()


def test_indices_keep_their_type() -> None:
    """Another type would have every kernel compiled anew for the search."""
    likes, timestamp = matrices(3)
    likes = Interactions.from_positive(likes).positive
    found = carve_out(likes, timestamp, np.random.default_rng(1))
    for matrix in (found.train, found.held_out):
        assert matrix.indices.dtype == matrix.indptr.dtype == np.int32


def test_users_with_fewer_than_three_items_keep_all() -> None:
    likes = sparse.csr_array(np.array([[1, 1, 0], [1, 1, 1], [0, 0, 0]], np.float32))
    found = carve_out(likes, likes.astype(np.int64), np.random.default_rng(1))
    assert found.users.tolist() == [1]
    assert found.train.sum(axis=1).tolist() == [2, 2, 0]


def test_only_so_many_users_are_drawn() -> None:
    likes, timestamp = matrices(3)
    found = carve_out(likes, timestamp, np.random.default_rng(1), most_users=7)
    assert len(found.users) == 7 == found.held_out.shape[0]


def test_ndcg_is_one_for_lists_of_what_was_taken_out() -> None:
    likes, timestamp = matrices(4)
    found = carve_out(likes, timestamp, np.random.default_rng(1))
    perfect = found.held_out.toarray()
    assert found.ndcg(perfect, np.eye(25, dtype=np.float32)) == pytest.approx(1)
    assert found.ndcg(-perfect, np.eye(25, dtype=np.float32)) < 0.5


def test_nothing_taken_out_has_no_ndcg() -> None:
    likes = sparse.csr_array(np.eye(3, dtype=np.float32))
    found = carve_out(likes, likes.astype(np.int64), np.random.default_rng(1))
    assert found.ndcg(np.empty((0, 2), np.float32), np.empty((3, 2), np.float32)) is None
