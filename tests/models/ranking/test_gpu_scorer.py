"""The scorer for GPUs makes the lists of the one for processors; here it computes on the processor, too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.ranking import factor_scorer, gpu_scorer
from tests.examples import examples
from tests.models.ranking import oracle

CPU = torch.device("cpu")


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 10_000),
    n_users=st.integers(1, 30),
    n_items=st.integers(1, 60),
    n=st.integers(1, 70),
    masks=st.booleans(),
)
def test_lists_match_numpy(seed: int, n_users: int, n_items: int, n: int, masks: bool) -> None:
    rng = np.random.default_rng(seed)
    user_factors, item_factors = (
        rng.integers(-99, 99, (rows, 3)).astype(np.float32) for rows in (n_users, n_items)
    )
    users, order = rng.integers(0, n_users, 2 * n_users), rng.permutation(n_items).astype(np.int32)
    exclude = rng.random((n_users, n_items)) < 0.3 if masks else None
    eligible = rng.random(n_items) < 0.7 if masks else None
    scores = user_factors[users] @ item_factors.T
    expected = oracle.top_n(scores, n, order, exclude[users] if masks else None, eligible)
    found = gpu_scorer.top_n(
        user_factors, item_factors, users, n, tie_order=order, device=CPU,
        exclude=sparse.csr_array(exclude) if masks else None, eligible=eligible,
    )  # fmt: skip
    assert np.array_equal(found.items, expected.items)
    assert np.array_equal(found.scores, expected.scores, equal_nan=True)


def test_overflow_and_nan_are_as_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_scorer, "_SCORES_AT_A_TIME", 12)
    user_factors = np.array([[1e38], [-1e38], [np.nan], [0]], np.float32)
    item_factors = np.array([[10], [1], [-10], [0], [np.nan], [2]], np.float32)
    order, users = np.arange(6, dtype=np.int32)[::-1].copy(), np.array([0, 1, 2, 3, 0])
    expected = factor_scorer.top_n(user_factors, item_factors, users, 4, tie_order=order)
    found = gpu_scorer.top_n(user_factors, item_factors, users, 4, tie_order=order, device=CPU)
    assert np.array_equal(found.items, expected.items)
    assert np.array_equal(found.scores, expected.scores, equal_nan=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")
def test_a_gpu_lists_what_the_processors_list() -> None:
    rng = np.random.default_rng(0)
    user_factors, item_factors = (rng.standard_normal((rows, 32), np.float32) for rows in (500, 3000))
    given = {"tie_order": rng.permutation(3000).astype(np.int32), "eligible": rng.random(3000) < 0.9}
    on_gpu, here = (
        gpu_scorer.top_n(user_factors, item_factors, np.arange(500), 50, device=device, **given)
        for device in (torch.device("cuda"), CPU)
    )
    np.testing.assert_allclose(on_gpu.scores, here.scores, rtol=1e-4)
    assert np.mean(on_gpu.items == here.items) > 0.99
