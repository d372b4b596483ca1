import numpy as np

from models.neighbours.item_knn import ItemKNN, ItemKNNConfig
from tests.models.contract import N_USERS, PersonalContract, interactions, small_world


class TestItemKNN(PersonalContract):
    model = ItemKNN

    def test_scores_are_profile_times_similarity(self) -> None:
        world = small_world()
        model = self.fitted(world)
        expected = world.positive.toarray() @ model.similarity_.toarray()
        scores = model.score(np.arange(N_USERS))
        np.testing.assert_allclose(np.nan_to_num(scores), expected, rtol=1e-5)

    def test_items_that_share_no_user_with_the_profile_are_never_listed(self) -> None:
        apart = np.kron(np.eye(2), np.ones((3, 3)))
        apart[0, 1] = 0
        model = self.fitted(interactions(apart))
        assert model.recommend(np.array([0]), 6).items[0].tolist().count(-1) == 3
        assert np.isnan(model.score(np.array([0]))[0, 3:]).all()

    def test_ties_are_not_listed_by_index(self) -> None:
        data = interactions(np.vstack([np.ones(30), np.eye(30)[0]]))
        model = self.fitted(data)
        items = model.recommend(np.array([1]), 29, exclude=data.seen).items[0]
        assert items.tolist() == [i for i in model.tie_order_ if i != 0] != sorted(items)

    def test_k_bounds_the_neighbours(self) -> None:
        model = ItemKNN(ItemKNNConfig(k=4)).fit(small_world(), seed=1)
        assert np.bincount(model.similarity_.indices).max() == 4

    def test_an_item_is_judged_by_its_own_neighbours_and_similar_to_them(self) -> None:
        model = ItemKNN(ItemKNNConfig(k=4)).fit(small_world(), seed=1)
        similarity = model.similarity_.toarray()
        for item in np.flatnonzero(model.known_items_):
            similar = [i for i in model.similar_items(np.array([item]), 9).items[0].tolist() if i >= 0]
            assert set(similar) == set(np.flatnonzero(similarity[:, item]))
            assert (np.diff(similarity[similar, item]) <= 0).all()
