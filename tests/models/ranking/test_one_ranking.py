"""Lists of one ranking for all equal those that the factor scorer makes of equal users."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.ranking import one_ranking
from tests.examples import examples
from tests.models.ranking import oracle


@settings(max_examples=examples(80))
@given(
    seed=st.integers(0, 10_000),
    n_users=st.integers(0, 30),
    n_items=st.integers(1, 60),
    n=st.integers(1, 70),
    masks=st.booleans(),
)
def test_lists_match_numpy(seed: int, n_users: int, n_items: int, n: int, masks: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.choice(np.array([-np.inf, np.nan, -2, -0.0, 0.0, 1, 1, 3], np.float32), n_items)
    users = rng.integers(0, max(n_users, 1), 2 * n_users)
    order = rng.permutation(n_items).astype(np.int32)
    exclude = rng.random((max(n_users, 1), n_items)) < 0.4 if masks else None
    eligible = rng.random(n_items) < 0.7 if masks else None
    alike = np.tile(scores, (len(users), 1))
    expected = oracle.top_n(alike, n, order, exclude[users] if masks else None, eligible)
    found = one_ranking.top_n(
        scores, users, n, tie_order=order,
        exclude=sparse.csr_array(exclude) if masks else None, eligible=eligible,
    )  # fmt: skip
    assert np.array_equal(found.items, expected.items)
    assert np.array_equal(found.scores, expected.scores, equal_nan=True)


def test_chunks_of_users_do_not_mix() -> None:
    n_users = 2 * one_ranking._USERS_PER_CHUNK + 3
    exclude = sparse.csr_array(
        (np.ones(n_users, np.float32), (np.arange(n_users), np.arange(n_users) % 3)), shape=(n_users, 4)
    )
    found = one_ranking.top_n(
        np.array([4, 3, 2, 1], np.float32), np.arange(n_users), 2,
        tie_order=np.arange(4, dtype=np.int32), exclude=exclude,
    )  # fmt: skip
    expected = np.array([[1, 2], [0, 2], [0, 1]])
    assert np.array_equal(found.items, expected[np.arange(n_users) % 3])
