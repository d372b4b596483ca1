import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.ranking.topk import Selector, block_rows
from tests.examples import examples
from tests.models.ranking import oracle

FEW_VALUES = np.array([0.0, -0.0, 1, 2, -1, -2.5, np.nan, -np.inf, np.inf, 1e-40, 3e38], np.float32)


def draw_scores(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> np.ndarray:
    if kind == "ties":
        return rng.choice(FEW_VALUES, shape)
    if kind == "rising":
        return np.tile(np.arange(shape[1], dtype=np.float32), (shape[0], 1))
    return rng.standard_normal(shape).astype(np.float32)


@settings(max_examples=examples(150))
@given(
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(["ties", "rising", "normal"]),
    n_rows=st.integers(0, 40),
    n_items=st.integers(1, 700),
    n=st.integers(1, 120),
    masks=st.booleans(),
    here=st.booleans(),
)
def test_selection_equals_a_full_sort(seed, kind, n_rows, n_items, n, masks, here):
    rng = np.random.default_rng(seed)
    scores = draw_scores(rng, kind, (n_rows, n_items))
    order = rng.permutation(n_items).astype(np.int32)
    users = rng.permutation(n_rows)
    exclude = rng.random((n_rows, n_items)) < 0.3 if masks else None
    eligible = rng.random(n_items) < 0.8 if masks else None
    expected = oracle.top_n(scores, n, order, exclude[users] if masks else None, eligible)
    selector = Selector(users, n, order, sparse.csr_array(exclude) if masks else None, eligible)
    for start in range(0, n_rows, 17):
        select = selector.select_here if here else selector.select
        select(start, scores[start : start + 17].copy())
    assert np.array_equal(selector.top.items, expected.items)
    assert np.array_equal(selector.top.scores, expected.scores, equal_nan=True)


@pytest.mark.parametrize("n_items", [1, 26_744, 1_000_000, 100_000_000])
def test_blocks_hold_at_most_30_million_scores(n_items):
    rows = block_rows(n_items)
    assert 1 <= rows <= 1024
    assert rows == 1 or rows * n_items <= 30_000_000
