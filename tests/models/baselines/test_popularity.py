from dataclasses import replace

import numpy as np
from scipy import sparse

from models.baselines.popularity import Popularity
from tests.models.contract import EMPTY_USER, N_ITEMS, N_USERS, RecommenderContract, interactions, small_world


class TestPopularity(RecommenderContract):
    model = Popularity

    def test_all_users_get_the_most_liked_items(self) -> None:
        world = small_world()
        top = self.fitted(world).recommend(np.arange(N_USERS), N_ITEMS)
        counts = world.positive.toarray().sum(axis=0)
        assert np.array_equal(np.floor(top.scores[0, : N_ITEMS - 1]), -np.sort(-counts)[:-1])
        assert (top.items == top.items[0]).all()

    def test_ties_break_by_interaction_count(self) -> None:
        """Items 0 and 1 have one like each and 3 and 2 users; item 3, of one user and no like, comes last."""
        seen = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 0, 1, 0, 0]], np.float32)
        likes = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 0, 0]], np.float32)
        data = replace(interactions(seen), positive=sparse.csr_array(likes))
        assert Popularity().fit(data, seed=1).recommend(np.array([0]), 5).items[0].tolist() == [
            2,
            0,
            1,
            3,
            -1,
        ]

    def test_a_user_without_interactions_gets_a_full_list(self) -> None:
        top = self.fitted(small_world()).recommend(np.array([EMPTY_USER]), 5)
        assert (top.items >= 0).all()

    def test_ties_are_not_listed_by_index(self) -> None:
        model = self.fitted(interactions(np.eye(20)))
        items = model.recommend(np.array([0]), 20).items[0]
        assert items.tolist() == model.tie_order_.tolist() != sorted(items)

    def test_no_item_has_similar_items(self) -> None:
        assert (self.fitted(small_world()).similar_items(np.arange(N_ITEMS), 3).items == -1).all()
