import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.ranking import factor_scorer, topk
from tests.examples import examples
from tests.models.ranking import oracle
from tests.models.threads import on_one_and_all_threads


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 10_000),
    n_users=st.integers(1, 30),
    n_items=st.integers(1, 60),
    n_factors=st.integers(1, 4),
    n=st.integers(1, 70),
    bias=st.booleans(),
    masks=st.booleans(),
)
def test_lists_match_numpy(seed, n_users, n_items, n_factors, n, bias, masks):
    rng = np.random.default_rng(seed)
    whole = rng.integers  # small whole numbers multiply without rounding and tie often
    user_factors = whole(-2, 3, (n_users, n_factors)).astype(np.float32)
    item_factors = whole(-2, 3, (n_items, n_factors)).astype(np.float32)
    item_bias = whole(-2, 3, n_items).astype(np.float32) if bias else None
    users = whole(0, n_users, 2 * n_users)
    order = rng.permutation(n_items).astype(np.int32)
    exclude = rng.random((n_users, n_items)) < 0.3 if masks else None
    eligible = rng.random(n_items) < 0.7 if masks else None
    scores = user_factors[users] @ item_factors.T + (0 if item_bias is None else item_bias)
    expected = oracle.top_n(scores, n, order, exclude[users] if masks else None, eligible)
    found = factor_scorer.top_n(
        user_factors, item_factors, users, n, tie_order=order, item_bias=item_bias,
        exclude=sparse.csr_array(exclude) if masks else None, eligible=eligible,
    )  # fmt: skip
    assert np.array_equal(found.items, expected.items)
    assert np.array_equal(found.scores, expected.scores, equal_nan=True)
    assert np.array_equal(factor_scorer.score(user_factors, item_factors, users, item_bias), scores)


def test_lists_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(1)
    user_factors, item_factors = (rng.standard_normal((n, 48), np.float32) for n in (3000, 2500))
    given = {"tie_order": rng.permutation(2500).astype(np.int32), "eligible": rng.random(2500) < 0.9}
    one, all_of_them = on_one_and_all_threads(
        lambda: factor_scorer.top_n(user_factors, item_factors, np.arange(3000), 20, **given)
    )
    assert np.array_equal(one.items, all_of_them.items)
    assert np.array_equal(one.scores, all_of_them.scores)


def test_many_blocks_match_one(monkeypatch):
    rng = np.random.default_rng(0)
    user_factors = rng.standard_normal((700, 8)).astype(np.float32)
    item_factors = rng.standard_normal((90, 8)).astype(np.float32)
    order = rng.permutation(90).astype(np.int32)

    def lists():
        return factor_scorer.top_n(user_factors, item_factors, np.arange(700), 10, tie_order=order)

    whole = lists()
    monkeypatch.setattr(topk, "_MAX_BLOCK_ROWS", 37)
    parts = lists()
    assert np.array_equal(whole.items, parts.items)
    np.testing.assert_allclose(whole.scores, parts.scores, rtol=1e-5)
