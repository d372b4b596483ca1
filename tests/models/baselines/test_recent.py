from dataclasses import replace

import numpy as np
from scipy import sparse

from models.baselines.recent import Recent, RecentConfig
from models.interactions import Interactions
from tests.models.contract import EMPTY_USER, N_ITEMS, N_USERS, RecommenderContract, interactions, small_world

_DAY_S = 86_400


def liked_on(days: list[list[int]]) -> Interactions:
    """Return likes of the given days from 1 on, a user a row; 0 is no like."""
    times = sparse.csr_array(np.array(days, np.int64) * _DAY_S)
    return replace(interactions(np.array(days) > 0), timestamp=times)


class TestRecent(RecommenderContract):
    model = Recent

    def test_only_the_last_days_count(self) -> None:
        """Item 0 has three likes of long ago, item 1 two of the last day, item 2 one of them."""
        data = liked_on([[1, 100, 0], [2, 100, 0], [3, 0, 100]])
        recent = Recent(RecentConfig(days=7)).fit(data, seed=1)
        assert recent.recommend(np.array([0]), 3).items[0].tolist() == [1, 2, 0]
        ever = Recent(RecentConfig(days=1000)).fit(data, seed=1)
        assert ever.recommend(np.array([0]), 3).items[0].tolist() == [0, 1, 2]

    def test_a_like_at_the_edge_of_the_window_is_old(self) -> None:
        """Seven days before the newest like of day 10 is day 3."""
        data = liked_on([[10, 3, 4], [10, 3, 4], [0, 3, 4]])
        scores = Recent(RecentConfig(days=7)).fit(data, seed=1).score(np.array([0]))[0]
        assert np.floor(scores).tolist() == [2, 0, 3]

    def test_ties_break_by_all_likes(self) -> None:
        data = liked_on([[50, 50, 50], [0, 1, 0], [0, 1, 1], [0, 1, 0]])
        assert Recent().fit(data, seed=1).recommend(np.array([1]), 3).items[0].tolist() == [1, 2, 0]

    def test_a_user_without_interactions_gets_a_full_list(self) -> None:
        top = self.fitted(small_world()).recommend(np.array([EMPTY_USER]), 5)
        assert (top.items >= 0).all()
        assert (
            self.fitted(small_world()).recommend(np.arange(N_USERS), N_ITEMS).items[:, 0] == top.items[0, 0]
        ).all()
