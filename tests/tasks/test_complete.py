"""Published lists: the model's own items first, popularity's after them, nothing twice, always in order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.base import TopN
from tasks.complete import completed_lists

N_ITEMS = 9


class Ranker:
    """A recommender whose lists are given; the rest of the contract is not needed here."""

    def __init__(self, lists: list[list[tuple[int, float]]]) -> None:
        self.lists = lists

    def recommend(self, users, n, *, exclude=None, items=None) -> TopN:
        top = TopN(np.full((len(users), n), -1, np.int32), np.full((len(users), n), np.nan, np.float32))
        for row, user in enumerate(users):
            seen = exclude[[user]].indices if exclude is not None else []
            for place, (item, score) in enumerate([e for e in self.lists[user] if e[0] not in seen][:n]):
                top.items[row, place], top.scores[row, place] = item, score
        return top


own_lists = st.lists(
    st.lists(
        st.tuples(st.integers(0, N_ITEMS - 1), st.floats(-1e6, 1e6, width=32)), unique_by=lambda e: e[0]
    ),
    min_size=1,
    max_size=4,
)


@given(
    own=own_lists,
    n=st.integers(1, N_ITEMS + 2),
    popular=st.permutations(range(N_ITEMS)),
    seen_seed=st.integers(0, 99),
)
def test_lists_are_full_ordered_and_without_repeats(own, n, popular, seen_seed) -> None:
    own = [sorted(entries, key=lambda e: -e[1]) for entries in own]
    ranking = [(item, float(N_ITEMS - place)) for place, item in enumerate(popular)]
    seen = sparse.csr_array(np.random.default_rng(seen_seed).random((len(own), N_ITEMS)) < 0.3)
    users = np.arange(len(own))
    lists = completed_lists(Ranker(own), Ranker([ranking] * len(own)), users, n, seen)
    for user in users:
        unseen = [item for item in range(N_ITEMS) if item not in seen[[user]].indices]
        mine = [item for item, _ in own[user] if item in unseen]
        expected = [*mine, *(item for item in popular if item in unseen and item not in mine)][:n]
        there = lists.items[user] >= 0
        assert lists.items[user][there].tolist() == expected
        assert lists.filled[user].tolist() == [i >= len(mine) and i < len(expected) for i in range(n)]
        assert not there[len(expected) :].any()
        assert (np.diff(lists.scores[user][there]) <= 0).all()
        assert np.isfinite(lists.scores[user][there]).all()
        assert np.isnan(lists.scores[user][~there]).all()
        for item, said in zip(lists.items[user][there], lists.model_scores[user][there], strict=True):
            assert said == np.float32(dict(own[user] if item in mine else ranking)[item])


def test_a_user_whom_the_model_does_not_know_gets_what_is_popular() -> None:
    lists = completed_lists(Ranker([[]]), Ranker([[(3, 10.0), (1, 5.0)]]), np.array([0]), 3, None)
    assert lists.items.tolist() == [[3, 1, -1]]
    assert lists.scores[0, :2].tolist() == [1.0, 0.5]
    assert lists.filled.tolist() == [[True, True, False]]
