"""The carve that a blend learns its weights on: a share of each user's likes, and never all of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from benchmarks.blended import carve
from tests.examples import examples


@settings(max_examples=examples(30))
@given(
    seed=st.integers(0, 10_000),
    n_users=st.integers(1, 12),
    n_items=st.integers(1, 12),
    share=st.floats(0, 0.9),
)
def test_each_like_is_kept_or_held_out(seed: int, n_users: int, n_items: int, share: float) -> None:
    likes = sparse.csr_array(
        (np.random.default_rng(seed).random((n_users, n_items)) < 0.5).astype(np.float32)
    )
    kept, held = carve(likes, share, seed)
    assert np.array_equal((kept + held).toarray(), likes.toarray())
    lengths, left, taken = (np.diff(matrix.indptr) for matrix in (likes, kept, held))
    assert (left[lengths > 0] >= 1).all()
    assert (taken <= np.ceil(share * lengths)).all()
    assert (taken >= np.minimum(np.floor(share * lengths), np.maximum(lengths - 1, 0))).all()


def test_the_share_is_kept_on_average() -> None:
    kept, held = carve(sparse.csr_array(np.ones((2000, 5), np.float32)), 0.1, seed=3)
    assert 0.09 < held.nnz / (kept.nnz + held.nnz) < 0.11
