"""Shared entries of two matrices, against sets of pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.numerics import shared_entries
from models.numerics.shared_entries import count_shared
from tests.examples import examples


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 2**32),
    shape=st.tuples(st.integers(0, 30), st.integers(1, 20)),
    density=st.floats(0, 1),
)
def test_shared_entries_are_the_common_pairs(seed: int, shape: tuple[int, int], density: float) -> None:
    rng = np.random.default_rng(seed)
    other_shape = int(rng.integers(1, 40)), int(rng.integers(1, 30))
    matrix, other = (
        sparse.csr_array(rng.random(each) < density, dtype=np.float32) for each in (shape, other_shape)
    )
    rows, columns = (matched(rng, n, m) for n, m in zip(shape, other_shape, strict=True))
    pairs = {(rows[row], columns[column]) for row, column in zip(*matrix.nonzero(), strict=True)}
    there = set(zip(*(each.tolist() for each in other.nonzero()), strict=True))
    assert count_shared(matrix, other, rows, columns) == len(pairs & there)


def test_rows_of_several_chunks_are_counted_once() -> None:
    n = 2 * shared_entries._ROWS_PER_CHUNK + 5
    same = sparse.csr_array(sparse.eye_array(n, dtype=np.float32))
    assert count_shared(same, same, np.arange(n), np.arange(n)) == n
    assert count_shared(same, same, np.arange(n)[::-1].copy(), np.arange(n)[::-1].copy()) == n
    assert count_shared(same, same, np.arange(n), np.roll(np.arange(n), 1)) == 0


def matched(rng: np.random.Generator, n: int, m: int) -> np.ndarray:
    """Return for each of n places another of m, none twice; −1 for none."""
    others = rng.permutation(np.concatenate([np.arange(m), np.full(n, -1)]))[:n]
    return others.astype(np.int64)
