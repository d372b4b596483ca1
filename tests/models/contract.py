"""What every recommender must do. A model's test file names the model and inherits these tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy import sparse

from models.base import Config, NotFittedError, Recommender, TopN
from models.interactions import Interactions

N_USERS, N_ITEMS = 60, 40
EMPTY_USER, ONE_ITEM_USER, EVERYTHING_USER = 3, 7, 11
UNTOUCHED_ITEM = 5


def interactions(composite: np.ndarray | sparse.csr_array) -> Interactions:
    """Interactions of one matrix of utilities: whatever has one was seen and liked."""
    utility = sparse.csr_array(composite, dtype=np.float32)
    likes = Interactions.from_positive(utility)
    return Interactions(
        seen=likes.seen,
        rating=utility,
        positive=likes.positive,
        composite=utility,
        timestamp=likes.timestamp,
        item_features=likes.item_features,
    )


def small_world(seed: int = 0) -> Interactions:
    """Two tastes and some noise, and the four rows and columns that break models."""
    rng = np.random.default_rng(seed)
    taste = np.arange(N_USERS)[:, None] % 2 == np.arange(N_ITEMS)[None, :] % 2
    utility = (rng.random((N_USERS, N_ITEMS)) < np.where(taste, 0.4, 0.05)) * rng.uniform(0.5, 3, taste.shape)
    utility[EMPTY_USER] = 0
    utility[ONE_ITEM_USER] = np.arange(N_ITEMS) == 1
    utility[EVERYTHING_USER] = 1
    utility[:, UNTOUCHED_ITEM] = 0
    return interactions(utility)


def checkerboard(n: int = 30) -> Interactions:
    """Users like the items of their parity but one: the diagonal, which should come back, as in implicit."""
    parity = np.arange(n) % 2
    return interactions((parity[:, None] == parity[None, :]) & ~np.eye(n, dtype=bool))


def same(a: TopN, b: TopN) -> bool:
    """Equal to the bit, padding included."""
    return np.array_equal(a.items, b.items) and np.array_equal(a.scores, b.scores, equal_nan=True)


def sparse_parts(model: Recommender) -> list[tuple[str, sparse.csr_array]]:
    """The sparse matrices that were learned, by name."""
    return [(name, value) for name, value in vars(model).items() if isinstance(value, sparse.csr_array)]


class RecommenderContract:
    """For any model. Subclasses set `model`, and `config` where the default suits only bigger data."""

    model: ClassVar[type[Recommender]]
    config: ClassVar[Config | None] = None

    def fitted(self, data: Interactions, seed: int = 1) -> Recommender:
        return self.model(self.config).fit(self.described(data), seed=seed)

    def described(self, data: Interactions) -> Interactions:
        """`data` with what else the model learns from, such as features of the items."""
        return data

    @pytest.fixture
    def world(self) -> Interactions:
        return small_world()

    def test_reasons_are_other_items_that_the_user_liked(self, world: Interactions) -> None:
        model = self.fitted(world)
        users = np.arange(N_USERS)
        lists = model.recommend(users, 15).items
        reasons = model.because_of(users, lists, world.positive)
        if reasons is not None:
            row, place = np.nonzero(reasons >= 0)
            assert (reasons.shape, reasons.dtype) == (lists.shape, np.int32)
            assert (lists[row, place] >= 0).all()
            assert (world.positive.toarray()[row, reasons[row, place]] != 0).all()
            assert (reasons[row, place] != lists[row, place]).all()
            strangers = np.array([0, -1, N_USERS, 10**6])
            mixed = model.because_of(strangers, lists[[0] * 4], world.positive[[0] * 4].tocsc())
            assert np.array_equal(mixed[0], reasons[0])

    def test_giving_reasons_changes_nothing_that_was_learned(self, world: Interactions) -> None:
        model = self.fitted(world)
        before = {name: (matrix.indices.copy(), matrix.data.copy()) for name, matrix in sparse_parts(model)}
        model.because_of(np.arange(N_USERS), np.zeros((N_USERS, 2), np.int32), world.positive)
        for name, matrix in sparse_parts(model):
            assert matrix.has_sorted_indices, name
            assert np.array_equal(matrix.indices, before[name][0])
            assert np.array_equal(matrix.data, before[name][1])

    def test_lists_are_well_formed(self, world: Interactions) -> None:
        model = self.fitted(world)
        top = model.recommend(np.arange(N_USERS), 15, exclude=world.seen)
        assert top.items.shape == top.scores.shape == (N_USERS, 15)
        assert (top.items.dtype, top.scores.dtype) == (np.int32, np.float32)
        assert (top.items[0] >= 0).any()
        for user, (items, scores) in enumerate(zip(*top, strict=True)):
            length = int((items >= 0).sum())
            assert (items[length:] == -1).all(), "padding comes last"
            assert np.isnan(scores[length:]).all()
            assert np.isfinite(scores[:length]).all()
            assert len(set(items[:length])) == length, "no item twice"
            assert (np.diff(scores[:length]) <= 0).all(), "best first"
            assert not set(items[:length]) & set(
                world.seen.indices[slice(*world.seen.indptr[user : user + 2])]
            )
            assert UNTOUCHED_ITEM not in items

    def test_lists_hold_the_best_scores(self, world: Interactions) -> None:
        model = self.fitted(world)
        top = model.recommend(np.arange(N_USERS), N_ITEMS + 5)
        scores = model.score(np.arange(N_USERS))
        best = -np.sort(-np.where(np.isnan(scores), -np.inf, scores), axis=1)
        best = np.pad(best, ((0, 0), (0, 5)), constant_values=-np.inf)
        np.testing.assert_allclose(np.where(np.isnan(top.scores), -np.inf, top.scores), best, rtol=1e-5)

    def test_equal_scores_are_listed_in_the_tie_order(self) -> None:
        data = interactions(np.vstack([np.ones(N_ITEMS), np.eye(N_ITEMS)[0], np.ones(N_ITEMS)]))
        model = self.fitted(data)
        rank = np.argsort(model.tie_order_)
        items, scores = model.recommend(np.array([1]), N_ITEMS, exclude=data.seen)
        tied = np.flatnonzero(np.diff(scores[0]) == 0)
        assert (rank[items[0][tied]] < rank[items[0][tied + 1]]).all()

    def test_only_eligible_items_are_listed(self, world: Interactions) -> None:
        eligible = np.arange(N_ITEMS) < 10
        top = self.fitted(world).recommend(np.arange(N_USERS), 15, items=eligible)
        assert top.items.max() < 10
        assert (top.items[0] >= 0).sum() <= 10
        none = self.fitted(world).recommend(np.arange(N_USERS), 15, items=np.zeros(N_ITEMS, bool))
        assert (none.items == -1).all()

    def test_the_user_who_has_seen_everything_gets_an_empty_list(self, world: Interactions) -> None:
        seen = world.seen.toarray()
        seen[EVERYTHING_USER] = 1
        top = self.fitted(world).recommend(np.array([EVERYTHING_USER]), 5, exclude=sparse.csr_array(seen))
        assert (top.items == -1).all()
        assert np.isnan(top.scores).all()

    def test_unknown_users_get_nan_and_empty_lists(self, world: Interactions) -> None:
        model = self.fitted(world)
        strangers = np.array([-1, N_USERS, 10**9])
        assert np.isnan(model.score(strangers)).all()
        assert (model.recommend(strangers, 5, exclude=world.seen).items == -1).all()
        mixed = model.recommend(np.array([0, N_USERS, 1]), 5)
        assert same(TopN(mixed.items[::2], mixed.scores[::2]), model.recommend(np.array([0, 1]), 5))

    def test_untouched_items_have_no_score(self, world: Interactions) -> None:
        model = self.fitted(world)
        assert np.isnan(model.score(np.arange(N_USERS))[:, UNTOUCHED_ITEM]).all()
        assert (model.similar_items(np.array([UNTOUCHED_ITEM, -1, N_ITEMS]), 5).items == -1).all()

    def test_one_item_is_enough_for_scores(self, world: Interactions) -> None:
        model = self.fitted(world)
        assert np.isfinite(model.score(np.array([ONE_ITEM_USER]))).any()

    def test_no_users_no_lists(self, world: Interactions) -> None:
        model = self.fitted(world)
        for nobody in (np.empty(0, np.int64), np.array([]), []):
            assert model.recommend(nobody, 5, exclude=world.seen).items.shape == (0, 5)
            assert model.score(nobody).shape == (0, N_ITEMS)
            assert model.similar_items(nobody, 5).items.shape == (0, 5)

    def test_what_is_left_out_may_be_stored_in_any_form(self, world: Interactions) -> None:
        model, users = self.fitted(world), np.arange(N_USERS)
        expected = model.recommend(users, 9, exclude=world.seen)
        for form in (world.seen.tocsc(), world.seen.tocoo(), sparse.csr_matrix(world.seen)):
            assert same(model.recommend(users, 9, exclude=form), expected)

    def test_arguments_of_another_shape_or_kind_are_refused(self, world: Interactions) -> None:
        model, users, lists = self.fitted(world), np.arange(2), np.zeros((2, 3), np.int32)
        rows = world.positive[:2]
        for exclude in (world.seen.T, world.seen[:-1], sparse.csr_array((N_USERS, N_ITEMS + 1))):
            with pytest.raises(ValueError, match=r"exclude must have shape \(60, 40\), not \("):
                model.recommend(users, 3, exclude=exclude)
        for mask in (np.arange(N_ITEMS), np.ones(N_ITEMS + 1, bool), np.ones((1, N_ITEMS), bool)):
            with pytest.raises(ValueError, match=r"mask of dtype bool and shape \(40,\), not of"):
                model.recommend(users, 3, items=mask)
        for ask in (
            model.score,
            lambda indices: model.recommend(indices, 3),
            lambda indices: model.similar_items(indices, 3),
            lambda indices: model.because_of(indices, lists, rows),
        ):
            with pytest.raises(ValueError, match="must be integers, not float64"):
                ask(np.array([0.0, 1.0]))
            with pytest.raises(ValueError, match="one dimension"):
                ask(np.array([[0, 1]]))
        for items in (lists[:1], lists[0], lists.astype(float), lists + N_ITEMS, lists - 2):
            with pytest.raises(ValueError, match="items must"):
                model.because_of(users, items, rows)
        with pytest.raises(ValueError, match=r"liked must have shape \(2, 40\), not \(60, 40\)"):
            model.because_of(users, lists, world.positive)

    def test_one_user_and_one_item(self) -> None:
        data = interactions(np.ones((1, 1)))
        model = self.fitted(data)
        assert model.score(np.array([0])).shape == (1, 1)
        assert model.recommend(np.array([0]), 3, exclude=data.seen).items.tolist() == [[-1, -1, -1]]
        assert model.similar_items(np.array([0]), 2).items.tolist() == [[-1, -1]]

    def test_an_empty_matrix_gives_no_personal_list(self) -> None:
        model = self.fitted(interactions(np.zeros((3, 4))))
        assert (model.recommend(np.arange(3), 2).items == -1).all()

    def test_saved_and_loaded_scores_are_the_same_to_the_bit(
        self, world: Interactions, tmp_path: Path
    ) -> None:
        model = self.fitted(world)
        model.save(tmp_path / "model")
        loaded = type(model).load(tmp_path / "model")
        users, items = np.arange(-1, N_USERS + 1), np.arange(N_ITEMS)
        assert loaded.config == model.config
        assert np.array_equal(loaded.score(users), model.score(users), equal_nan=True)
        assert same(
            loaded.recommend(users, 9, exclude=world.seen), model.recommend(users, 9, exclude=world.seen)
        )
        assert same(loaded.similar_items(items, 4), model.similar_items(items, 4))
        assert all(matrix.has_sorted_indices for _, matrix in sparse_parts(loaded))

    def test_fitting_again_forgets_what_was(self, world: Interactions) -> None:
        model = self.fitted(checkerboard())
        model.fit(self.described(world), seed=1)
        users = np.arange(N_USERS)
        assert np.array_equal(model.score(users), self.fitted(world).score(users), equal_nan=True)

    def test_the_same_seed_gives_the_same_lists(self, world: Interactions) -> None:
        users = np.arange(N_USERS)
        assert same(self.fitted(world, 5).recommend(users, 9), self.fitted(world, 5).recommend(users, 9))

    def test_fitting_leaves_the_data_alone(self, world: Interactions) -> None:
        self.fitted(world)
        untouched = small_world()
        for name in ("seen", "rating", "positive", "composite"):
            assert np.array_equal(getattr(world, name).toarray(), getattr(untouched, name).toarray())

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_matrix_with_nan_or_infinity_is_refused(self, world: Interactions, bad: float) -> None:
        model = self.fitted(world)
        broken = self.described(small_world())
        broken.matrix(self.model.matrix).data[3] = bad
        with pytest.raises(ValueError, match="NaN or infinite"):
            model.fit(broken, seed=1)
        with pytest.raises(NotFittedError):
            model.score(np.array([0]))

    def test_a_fit_that_is_broken_off_leaves_a_model_that_is_not_fitted(
        self, world: Interactions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken_off(_: Recommender) -> None:
            raise KeyboardInterrupt

        model = self.fitted(world)
        monkeypatch.setattr(self.model, "_check_learned", broken_off)
        with pytest.raises(KeyboardInterrupt):
            model.fit(self.described(world), seed=1)
        with pytest.raises(NotFittedError):
            model.score(np.array([0]))
        assert not [name for name in vars(model) if name.endswith("_")]

    def test_asking_before_fitting_is_an_error(self) -> None:
        model = self.model(self.config)
        for ask in (
            model.score,
            lambda users: model.recommend(users, 3),
            lambda i: model.similar_items(i, 3),
        ):
            with pytest.raises(NotFittedError, match="call fit first"):
                ask(np.array([0]))

    def test_a_list_of_no_length_is_an_error(self, world: Interactions) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            self.fitted(world).recommend(np.array([0]), 0)


class PersonalContract(RecommenderContract):
    """For models whose lists depend on what the user did."""

    def test_the_withheld_diagonal_comes_back(self) -> None:
        data = checkerboard()
        top = self.fitted(data).recommend(np.arange(data.n_users), 1, exclude=data.seen)
        assert top.items[:, 0].tolist() == list(range(data.n_users))

    def test_an_empty_row_is_an_unknown_user(self, world: Interactions) -> None:
        model = self.fitted(world)
        assert np.isnan(model.score(np.array([EMPTY_USER]))).all()
        assert (model.recommend(np.array([EMPTY_USER]), 5).items == -1).all()

    def test_similar_items_share_the_taste_and_leave_out_the_item_itself(self) -> None:
        top = self.fitted(checkerboard()).similar_items(np.arange(30), 10)
        for item, row in enumerate(top.items):
            assert item not in row
            assert (row % 2 == item % 2).all()
            assert len(set(row)) == 10
        assert (np.diff(top.scores, axis=1) <= 0).all()

    def test_similar_items_of_a_few_are_those_of_all_without_the_others(self) -> None:
        model, few = self.fitted(checkerboard()), np.arange(30) % 5 == 0
        every, among = (
            model.similar_items(np.arange(30), 29),
            model.similar_items(np.arange(30), 3, among=few),
        )
        for all_of_it, row in zip(every.items, among.items, strict=True):
            expected = [item for item in all_of_it if item >= 0 and few[item]][:3]
            assert len(expected) > 0
            assert [item for item in row if item >= 0] == expected


class LikesContract(PersonalContract):
    """For models to which an entry is a like, whatever its value."""

    def test_what_is_not_above_zero_is_no_like(self, caplog: pytest.LogCaptureFixture) -> None:
        world = small_world()
        ratings = world.rating.copy()
        for first, value in enumerate((0, -1, 1)):
            ratings.data[first::3] = value
        liked = sparse.csr_array(np.maximum(ratings.toarray(), 0))
        clean = self.fitted(interactions(liked))
        assert not caplog.records
        assert self.config is not None
        on_ratings = self.config.model_copy(update={"matrix": "rating"})
        model = self.model(on_ratings).fit(replace(world, rating=ratings), seed=1)
        assert f"ignores {ratings.nnz - liked.nnz} of {ratings.nnz} entries" in caplog.text
        users = np.arange(N_USERS)
        assert not model.known_users_[ONE_ITEM_USER], "else no user is lost"
        assert np.array_equal(model.score(users), clean.score(users), equal_nan=True)
