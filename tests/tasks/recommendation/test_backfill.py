"""Backfilled lists: the model's own items, then those of the backfill models, without repeats, scores descending."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.base import TopN
from tasks.recommendation.backfill import completed_lists

N_ITEMS = 9


class Ranker:
    """A recommender that returns given lists; the rest of the contract is not needed here."""

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


def by_score(entries):
    return sorted(entries, key=lambda entry: -entry[1])


@given(
    own=own_lists,
    second=st.lists(
        st.tuples(st.integers(0, N_ITEMS - 1), st.floats(0.125, 1.0, width=32)), unique_by=lambda e: e[0]
    ),
    n=st.integers(1, N_ITEMS + 2),
    popular=st.permutations(range(N_ITEMS)),
    seen_seed=st.integers(0, 99),
)
def test_lists_are_full_ordered_and_without_repeats(own, second, n, popular, seen_seed) -> None:
    own = [by_score(entries) for entries in own]
    second = by_score(second)
    ranking = [(item, float(N_ITEMS - place)) for place, item in enumerate(popular)]
    seen = sparse.csr_array(np.random.default_rng(seen_seed).random((len(own), N_ITEMS)) < 0.3)
    users = np.arange(len(own))
    models = [Ranker(own), Ranker([second] * len(own)), Ranker([ranking] * len(own))]
    lists = completed_lists(models, users, n, seen)
    for user in users:
        expected = {}  # item → (number of the model that places it, its score)
        for number, entries in enumerate((own[user], second, ranking)):
            for item, score in entries:
                if item not in seen[[user]].indices:
                    expected.setdefault(item, (number, np.float32(score)))
        expected = list(expected.items())[:n]
        there = lists.items[user] >= 0
        assert there.tolist() == [place < len(expected) for place in range(n)]
        placed = zip(lists.placed_by[user][there].tolist(), lists.model_scores[user][there], strict=True)
        assert list(zip(lists.items[user][there].tolist(), placed, strict=True)) == expected
        assert (np.diff(lists.scores[user][there]) <= 0).all()
        assert np.isfinite(lists.scores[user][there]).all()
        assert np.isnan(lists.scores[user][~there]).all()
        assert np.isnan(lists.model_scores[user][~there]).all()


def test_users_unknown_to_the_model_get_backfilled_lists() -> None:
    models = [Ranker([[]]), Ranker([[(3, 0.2), (1, 0.1)]]), Ranker([[(3, 10.0), (0, 5.0)]])]
    lists = completed_lists(models, np.array([0]), 4, None)
    assert lists.items.tolist() == [[3, 1, 0, -1]]
    assert lists.scores[0, :3].tolist() == [1.0, 0.5, 0.0]
    assert lists.placed_by[0, :3].tolist() == [1, 1, 2]


def test_negative_backfill_scores_keep_their_order() -> None:
    lists = completed_lists(
        [Ranker([[(8, 3.0)]]), Ranker([[(3, -1.0), (1, -2.0), (0, -5.0)]])], np.array([0]), 4, None
    )
    assert lists.items.tolist() == [[8, 3, 1, 0]]
    assert lists.scores.tolist() == [[3.0, 3.0, 2.75, 2.0]]
    assert lists.model_scores.tolist() == [[3.0, -1.0, -2.0, -5.0]]


def test_only_allowed_items_complete_a_list():
    """Every model is asked for the allowed items alone."""
    asked = []

    class Recording(Ranker):
        def recommend(self, users, n, *, exclude=None, items=None) -> TopN:
            asked.append(items)
            return super().recommend(users, n, exclude=exclude, items=items)

    allowed = np.ones(N_ITEMS, bool)
    completed_lists([Recording([[]]), Recording([[(1, 0.5)]])], np.array([0]), 2, None, allowed)
    assert len(asked) == 2
    assert all(items is allowed for items in asked)
