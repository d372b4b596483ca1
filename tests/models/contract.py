"""Contract tests of every recommender: a model's test file sets `model` and inherits them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from scipy import sparse

from models.base import Config, NotFittedError, Recommender, TopN
from models.interactions import Interactions, MatrixName
from models.new_users import NewUsers

N_USERS, N_ITEMS = 60, 40
EMPTY_USER, ONE_ITEM_USER, EVERYTHING_USER = 3, 7, 11
UNTOUCHED_ITEM = 5


def interactions(composite: np.ndarray | sparse.csr_array) -> Interactions:
    """Return Interactions of one matrix of utilities, in which every stored entry is seen and liked."""
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
    """Return interactions of two tastes with noise, and with rows and columns of four edge cases."""
    rng = np.random.default_rng(seed)
    taste = np.arange(N_USERS)[:, None] % 2 == np.arange(N_ITEMS)[None, :] % 2
    utility = (rng.random((N_USERS, N_ITEMS)) < np.where(taste, 0.4, 0.05)) * rng.uniform(0.5, 3, taste.shape)
    utility[EMPTY_USER] = 0
    utility[ONE_ITEM_USER] = np.arange(N_ITEMS) == 1
    utility[EVERYTHING_USER] = 1
    utility[:, UNTOUCHED_ITEM] = 0
    return interactions(utility)


def checkerboard(n: int = 30) -> Interactions:
    """Return users who like all items of their parity but their own: models should recommend the diagonal."""
    parity = np.arange(n) % 2
    return interactions((parity[:, None] == parity[None, :]) & ~np.eye(n, dtype=bool))


def likes_of(data: Interactions, user: int) -> np.ndarray:
    """Return the items that a user likes, by time and then by index."""
    row = slice(*data.positive.indptr[user : user + 2])
    items = data.positive.indices[row]
    return items[np.argsort(data.timestamp[[user]].toarray()[0, items], kind="stable")]


def same(a: TopN, b: TopN) -> bool:
    """Whether two lists are equal to the bit, padding included."""
    return np.array_equal(a.items, b.items) and np.array_equal(a.scores, b.scores, equal_nan=True)


def overlap(before: np.ndarray, after: np.ndarray) -> float:
    """Return the share of a list's items that is in the other list too, on average over the rows; −1 pads."""
    shares = []
    for row, other in zip(before, after, strict=True):
        items = set(row.tolist()) - {-1}
        shares.append(len(items & set(other.tolist())) / len(items))
    return float(np.mean(shares))


def sparse_parts(model: Recommender) -> list[tuple[str, sparse.csr_array]]:
    """Return the learned sparse matrices and their names."""
    return [(name, value) for name, value in vars(model).items() if isinstance(value, sparse.csr_array)]


class RecommenderContract:
    """Tests of any model. Subclasses set `model`, and `config` if the default suits only larger data.

    Class attributes of a subclass:
        kept_of_tiny_rows: least share of their first ten items that users keep when their values are 1e-12 of what they
            were.
        kept_beside_a_huge_row: least share that the other users keep when one user's values are 1e12 times as great.
        kept_of_own_history: least share of their first ten items that trained users keep when the lists are made from
            their histories alone.
    """

    model: ClassVar[type[Recommender]]
    config: ClassVar[Config | None] = None
    kept_of_tiny_rows: ClassVar[float] = 0.7
    kept_beside_a_huge_row: ClassVar[float] = 0.5
    kept_of_own_history: ClassVar[float] = 1.0

    def fitted(self, data: Interactions, seed: int = 1) -> Recommender:
        return self.model(self.config).fit(self.described(data), seed=seed)

    def described(self, data: Interactions) -> Interactions:
        """Return `data` with other inputs of the model, such as item features; by default unchanged."""
        return data

    @pytest.fixture
    def world(self) -> Interactions:
        return small_world()

    def test_reasons_are_other_liked_items(self, world: Interactions) -> None:
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
            unknown = np.array([0, -1, N_USERS, 10**6])
            mixed = model.because_of(unknown, lists[[0] * 4], world.positive[[0] * 4].tocsc())
            assert np.array_equal(mixed[0], reasons[0])

    def test_explanations_do_not_change_the_model(self, world: Interactions) -> None:
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
        shorter = model.recommend(np.arange(N_USERS), 4, exclude=world.seen)
        assert same(shorter, TopN(top.items[:, :4], top.scores[:, :4])), "a shorter list is its beginning"
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
        np.testing.assert_allclose(
            np.where(np.isnan(top.scores), -np.inf, top.scores), best, rtol=1e-5, atol=1e-6
        )

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

    def test_users_who_have_seen_everything_get_empty_lists(self, world: Interactions) -> None:
        seen = world.seen.toarray()
        seen[EVERYTHING_USER] = 1
        top = self.fitted(world).recommend(np.array([EVERYTHING_USER]), 5, exclude=sparse.csr_array(seen))
        assert (top.items == -1).all()
        assert np.isnan(top.scores).all()

    def test_unknown_users_get_nan_and_empty_lists(self, world: Interactions) -> None:
        model = self.fitted(world)
        unknown = np.array([-1, N_USERS, 10**9])
        assert np.isnan(model.score(unknown)).all()
        assert (model.recommend(unknown, 5, exclude=world.seen).items == -1).all()
        mixed = model.recommend(np.array([0, N_USERS, 1]), 5)
        assert same(TopN(mixed.items[::2], mixed.scores[::2]), model.recommend(np.array([0, 1]), 5))

    def test_untouched_items_have_no_score(self, world: Interactions) -> None:
        model = self.fitted(world)
        assert np.isnan(model.score(np.arange(N_USERS))[:, UNTOUCHED_ITEM]).all()
        assert (model.similar_items(np.array([UNTOUCHED_ITEM, -1, N_ITEMS]), 5).items == -1).all()

    def test_similar_items_have_positive_scores(self, world: Interactions) -> None:
        top = self.fitted(world).similar_items(np.arange(N_ITEMS), N_ITEMS)
        length = (top.items >= 0).sum(axis=1)
        for items, scores, n in zip(*top, length, strict=True):
            assert (scores[:n] > 0).all()
            assert (items[n:] == -1).all()
            assert np.isnan(scores[n:]).all()

    def test_one_item_is_enough_for_scores(self, world: Interactions) -> None:
        model = self.fitted(world)
        assert np.isfinite(model.score(np.array([ONE_ITEM_USER]))).any()

    def test_no_users_give_no_rows(self, world: Interactions) -> None:
        model = self.fitted(world)
        for no_users in (np.empty(0, np.int64), np.array([]), []):
            assert model.recommend(no_users, 5, exclude=world.seen).items.shape == (0, 5)
            assert model.score(no_users).shape == (0, N_ITEMS)
            assert model.similar_items(no_users, 5).items.shape == (0, 5)

    def test_exclude_may_have_any_sparse_format(self, world: Interactions) -> None:
        model, users = self.fitted(world), np.arange(N_USERS)
        expected = model.recommend(users, 9, exclude=world.seen)
        for form in (world.seen.tocsc(), world.seen.tocoo(), sparse.csr_matrix(world.seen)):
            assert same(model.recommend(users, 9, exclude=form), expected)

    def test_arguments_of_wrong_shape_or_dtype_are_refused(self, world: Interactions) -> None:
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

    def test_loaded_models_score_the_same_to_the_bit(self, world: Interactions, tmp_path: Path) -> None:
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
        assert same(loaded.recommend_for([[2, 4], [1]], 9), model.recommend_for([[2, 4], [1]], 9))
        assert all(matrix.has_sorted_indices for _, matrix in sparse_parts(loaded))

    def test_a_second_fit_forgets_the_first(self, world: Interactions) -> None:
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
        broken.matrix(model.config.matrix or model.matrix).data[3] = bad
        with pytest.raises(ValueError, match="NaN or infinite"):
            model.fit(broken, seed=1)
        with pytest.raises(NotFittedError):
            model.score(np.array([0]))

    def test_an_interrupted_fit_leaves_the_model_unfitted(
        self, world: Interactions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(_: Recommender) -> None:
            raise KeyboardInterrupt

        model = self.fitted(world)
        monkeypatch.setattr(self.model, "_check_learned", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.fit(self.described(world), seed=1)
        with pytest.raises(NotFittedError):
            model.score(np.array([0]))
        assert not [name for name in vars(model) if name.endswith("_")]

    def test_rows_of_any_scale_leave_sensible_lists(self, world: Interactions) -> None:
        tiny, huge = np.isin(np.arange(N_USERS), [1, 8, 20, 33]), np.arange(N_USERS) == 21
        others = np.setdiff1d(np.arange(N_USERS), [EMPTY_USER, EVERYTHING_USER, *np.flatnonzero(tiny | huge)])
        plain = self.lists_of_scaled_rows(world, huge, 1)
        shrunk = self.lists_of_scaled_rows(world, tiny, 1e-12)
        assert overlap(plain[tiny], shrunk[tiny]) >= self.kept_of_tiny_rows
        assert overlap(plain[others], shrunk[others]) >= self.kept_beside_a_huge_row
        grown = self.lists_of_scaled_rows(world, huge, 1e12)
        assert overlap(plain[others], grown[others]) >= self.kept_beside_a_huge_row

    def lists_of_scaled_rows(self, world: Interactions, rows: np.ndarray, scale: float) -> np.ndarray:
        """Fit on a matrix of values, with some users' rows multiplied by `scale`; return the first ten items of all."""
        config = self.config or self.model.config_class()
        name = config.matrix or self.model.matrix
        name = "composite" if name == "positive" else name
        values = self.described(world).matrix(name).copy()
        values.data[np.repeat(rows, np.diff(values.indptr))] *= np.float32(scale)
        model = self.fitted_on(name, replace(self.described(world), **{name: values}))
        items, scores = model.recommend(np.arange(N_USERS), 10, exclude=world.seen)
        assert np.isfinite(scores[items >= 0]).all()
        return items

    def fitted_on(self, name: MatrixName, data: Interactions) -> Recommender:
        """Fit on the matrix `name` in place of the model's own."""
        config = self.config or self.model.config_class()
        return self.model(config.model_copy(update={"matrix": name})).fit(data, seed=1)

    # -- users who were not trained on --------------------------------------------------------------

    @pytest.fixture(scope="class")
    @classmethod
    def fit_once(cls) -> Recommender:
        return cls().fitted(small_world())

    def test_trained_users_keep_lists_when_folded_in(
        self, fit_once: Recommender, world: Interactions
    ) -> None:
        users = np.setdiff1d(np.arange(N_USERS), [EMPTY_USER, EVERYTHING_USER])
        before = fit_once.recommend(users, 10, exclude=world.seen)
        after = fit_once.recommend_for([likes_of(world, user) for user in users], 10)
        kept = overlap(before.items, after.items)
        assert kept >= self.kept_of_own_history, kept
        assert same(before, fit_once.recommend(users, 10, exclude=world.seen)), "the model is unchanged"

    def test_lists_for_histories_are_well_formed(self, fit_once: Recommender, world: Interactions) -> None:
        histories = [likes_of(world, user) for user in range(N_USERS)]
        top = fit_once.recommend_for(histories, N_ITEMS)
        assert (top.items.dtype, top.scores.dtype) == (np.int32, np.float32)
        for history, items, scores in zip(histories, *top, strict=True):
            length = int((items >= 0).sum())
            assert not set(items[:length]) & set(history.tolist())
            assert len(set(items[:length])) == length
            assert (np.diff(scores[:length]) <= 0).all()
            assert (items[length:] == -1).all()
            assert UNTOUCHED_ITEM not in items
        assert (top.items[[EMPTY_USER, EVERYTHING_USER]] == -1).all()
        assert fit_once.recommend_for([], 3).items.shape == (0, 3)

    def test_a_history_of_one_item_gives_a_list(self, fit_once: Recommender) -> None:
        top = fit_once.recommend_for([[item] for item in range(N_ITEMS) if item != UNTOUCHED_ITEM], 5)
        assert (top.items[:, 0] >= 0).all()

    def test_unknown_items_of_a_history_are_ignored(self, fit_once: Recommender) -> None:
        plain = fit_once.recommend_for([[2, 4, 1]], 9)
        assert same(fit_once.recommend_for([[2, -1, 4, 10**9, UNTOUCHED_ITEM, N_ITEMS, 1]], 9), plain)
        nothing_known = fit_once.recommend_for([[], [UNTOUCHED_ITEM, -5], np.array([])], 9)
        assert (nothing_known.items == -1).all()
        assert np.isnan(nothing_known.scores).all()

    def test_the_last_time_of_a_repeated_item_counts(self, fit_once: Recommender) -> None:
        plain = fit_once.recommend_for([[2, 4, 1]], 9)
        assert same(fit_once.recommend_for([[4, 1, 2, 4, 4, 1]], 9), plain)

    def test_histories_do_not_count_for_each_other(self, fit_once: Recommender, world: Interactions) -> None:
        histories = [likes_of(world, user) for user in range(12)]
        together = fit_once.recommend_for(histories, 9)
        reversed_ = fit_once.recommend_for(histories[::-1], 9)
        assert np.array_equal(reversed_.items[::-1], together.items)
        np.testing.assert_allclose(reversed_.scores[::-1], together.scores, rtol=1e-4, atol=1e-5)
        for row, history in enumerate(histories):
            assert np.array_equal(fit_once.recommend_for([history], 9).items[0], together.items[row])

    def test_only_eligible_items_are_listed_for_histories(self, fit_once: Recommender) -> None:
        top = fit_once.recommend_for([[2, 4], [1]], 15, items=np.arange(N_ITEMS) < 10)
        assert 0 <= top.items.max() < 10

    def test_histories_of_other_types_are_refused(self, fit_once: Recommender) -> None:
        for wrong in ([1, 2], [[1], [0.5]], [["a"]], [[[1]]]):
            with pytest.raises(
                ValueError, match=r"history \d must be .*: give a list of item indices for each user"
            ):
                fit_once.recommend_for(wrong, 3)
        with pytest.raises(ValueError, match="at least 1"):
            fit_once.recommend_for([[1]], 0)
        with pytest.raises(ValueError, match="mask of dtype bool"):
            fit_once.recommend_for([[1]], 3, items=np.arange(N_ITEMS))

    def test_reasons_for_new_users_are_of_their_history(self, fit_once: Recommender) -> None:
        new = NewUsers.of([[2, 4], [1, 3, 7]], N_ITEMS)
        folded = fit_once.fold_in(new)
        lists = folded.recommend(np.arange(2), 6, exclude=new.likes())
        reasons = folded.because_of(np.arange(2), lists.items, new.likes())
        if reasons is not None:
            assert set(reasons[0]) <= {2, 4, -1}
            assert set(reasons[1]) <= {1, 3, 7, -1}

    def test_use_before_fit_is_an_error(self) -> None:
        model = self.model(self.config)
        for ask in (
            lambda users: model.recommend_for([users], 3),
            model.score,
            lambda users: model.recommend(users, 3),
            lambda i: model.similar_items(i, 3),
        ):
            with pytest.raises(NotFittedError, match="call fit first"):
                ask(np.array([0]))

    def test_a_list_length_of_zero_is_an_error(self, world: Interactions) -> None:
        with pytest.raises(ValueError, match="at least 1"):
            self.fitted(world).recommend(np.array([0]), 0)


class PersonalContract(RecommenderContract):
    """Tests of models whose lists depend on the user's history.

    Class attributes of a subclass:
        share_of_the_taste: least share of the first five items that are of the taste of the one item of a history.
    """

    share_of_the_taste: ClassVar[float] = 1.0

    def test_the_held_out_diagonal_is_recovered(self) -> None:
        data = checkerboard()
        top = self.fitted(data).recommend(np.arange(data.n_users), 1, exclude=data.seen)
        assert top.items[:, 0].tolist() == list(range(data.n_users))

    def test_one_item_is_answered_with_items_of_its_taste(self) -> None:
        top = self.fitted(checkerboard()).recommend_for([[item] for item in range(30)], 5)
        share = np.mean(top.items % 2 == np.arange(30)[:, None] % 2)
        assert share >= self.share_of_the_taste, share

    def test_an_empty_row_is_an_unknown_user(self, world: Interactions) -> None:
        model = self.fitted(world)
        assert np.isnan(model.score(np.array([EMPTY_USER]))).all()
        assert (model.recommend(np.array([EMPTY_USER]), 5).items == -1).all()

    def test_similar_items_share_the_taste_and_exclude_the_item(self) -> None:
        top = self.fitted(checkerboard()).similar_items(np.arange(30), 10)
        for item, row in enumerate(top.items):
            assert item not in row
            assert (row % 2 == item % 2).all()
            assert len(set(row)) == 10
        assert (np.diff(top.scores, axis=1) <= 0).all()

    def test_similar_items_among_a_few_keep_their_order(self) -> None:
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
    """Tests of models that treat every entry above zero as a like, whatever its value."""

    kept_of_tiny_rows = 1.0
    kept_beside_a_huge_row = 1.0

    def test_entries_not_above_zero_are_no_likes(self, caplog: pytest.LogCaptureFixture) -> None:
        world = small_world()
        ratings = world.rating.copy()
        for first, value in enumerate((0, -1, 1)):
            ratings.data[first::3] = value
        liked = sparse.csr_array(np.maximum(ratings.toarray(), 0))
        clean = self.fitted(replace(interactions(liked), seen=world.seen, timestamp=world.timestamp))
        assert not caplog.records
        assert self.config is not None
        on_ratings = self.config.model_copy(update={"matrix": "rating"})
        model = self.model(on_ratings).fit(self.described(replace(world, rating=ratings)), seed=1)
        assert f"ignores {ratings.nnz - liked.nnz} of {ratings.nnz} entries" in caplog.text
        users = np.arange(N_USERS)
        assert not model.known_users_[ONE_ITEM_USER], "the test needs a user who becomes unknown"
        assert np.array_equal(model.score(users), clean.score(users), equal_nan=True)
