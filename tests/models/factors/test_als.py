from dataclasses import replace

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_info, threadpool_limits

from models.factors import als_weights
from models.factors.als import ALS, ALSConfig
from tests.models.contract import (
    EMPTY_USER,
    N_ITEMS,
    N_USERS,
    UNTOUCHED_ITEM,
    PersonalContract,
    checkerboard,
    interactions,
    small_world,
)
from tests.models.threads import on_one_and_all_threads

SMALL = ALSConfig(factors=16, regularization=0.5, alpha=5, iterations=8)


def solution(item_factors: np.ndarray, weights: sparse.csr_matrix, row: int) -> np.ndarray:
    """Return the exact vector of a user, (f,): the minimum of equation 3 of Hu et al. (2008), in float64."""
    factors, own = item_factors.astype(np.float64), weights[[row]].tocoo()
    more = SMALL.alpha * own.data.astype(np.float64)
    y = factors[own.col]
    left = factors.T @ factors + (y.T * more) @ y
    left += SMALL.alpha * als_weights.penalty(weights, SMALL.regularization) * np.eye(len(left))
    return np.linalg.solve(left, y.T @ (1 + more))


class TestALS(PersonalContract):
    model = ALS
    config = SMALL
    kept_of_own_history = 0.6  # a history says what was liked, not how much

    def test_scores_and_lists_equal_those_of_implicit(self) -> None:
        world = small_world()
        ours = ALS(SMALL).fit(world, seed=9)
        weights = als_weights.entry_weights(world.composite, SMALL.degree_exponent)
        theirs = AlternatingLeastSquares(
            factors=16,
            regularization=5 * als_weights.penalty(weights, 0.5),
            alpha=1,
            iterations=8,
        )
        theirs.user_factors, theirs.item_factors = als_weights.starting_factors(
            world.composite.shape, 16, seed=9
        )
        theirs.fit(als_weights.confidences(weights, 5), show_progress=False)
        users = np.setdiff1d(np.arange(N_USERS), [EMPTY_USER])
        scores, known = ours.score(users), ours.known_items_
        expected = theirs.user_factors[users] @ theirs.item_factors.T
        # rounding alone moves both libraries' scores by 3e-4 to 7e-4 from the same steps in float64
        np.testing.assert_allclose(scores[:, known], expected[:, known], atol=2e-3)
        items, _ = theirs.recommend(
            users, sparse.csr_matrix(world.seen)[users], N=10, filter_items=[UNTOUCHED_ITEM]
        )
        top = ours.recommend(users, 10, exclude=world.seen)
        full = (top.items >= 0).all(axis=1)
        assert full.sum() > N_USERS / 2
        assert (top.items == items)[full].mean() > 0.98

    def test_new_rows_do_not_change_the_start_of_others(self) -> None:
        few, more = (als_weights.starting_factors(shape, 4, seed=9) for shape in ((5, 7), (6, 9)))
        for before, after in zip(few, more, strict=True):
            assert np.array_equal(after[: len(before)], before)
            assert after.dtype == np.float32
        assert not np.array_equal(few[0], few[1][:5]), "users and items start from different values"

    def test_entries_that_are_all_zero_give_no_lists(self) -> None:
        nothing = small_world()
        nothing.composite.data[:] = 0
        top = ALS(SMALL).fit(nothing, seed=1).recommend(np.arange(N_USERS), 5)
        assert (top.items == -1).all()

    def test_rows_of_explicit_zeros_are_unknown(self) -> None:
        world, utility = small_world(), small_world().composite.toarray()
        padded = sparse.csr_array(np.where(utility > 0, utility, 1))  # every pair has an entry
        padded.data[utility.ravel() == 0] = 0
        model, clean = (ALS(SMALL).fit(data, seed=1) for data in (replace(world, composite=padded), world))
        assert padded.nnz == utility.size
        assert not model.known_users_[EMPTY_USER]
        assert not model.known_items_[UNTOUCHED_ITEM]
        users = np.arange(N_USERS)
        assert np.array_equal(model.score(users), clean.score(users), equal_nan=True)

    def test_weights_are_divided_by_a_power_of_the_items_users(self) -> None:
        matrix = sparse.csr_array(np.array([[1, 2], [3, 0], [4, 0], [5, 0]], np.float32))
        even = als_weights.entry_weights(matrix, 0.5).toarray()
        assert even / even[0, 0] == pytest.approx(np.array([[1, 4], [3, 0], [4, 0], [5, 0]]))

    @pytest.mark.parametrize("exponent", [0.0, 0.4, 1.0])
    def test_the_mean_weight_is_one_at_any_scale(self, exponent: float) -> None:
        matrix = small_world().composite
        found = als_weights.entry_weights(matrix, exponent)
        assert found.data.mean() == pytest.approx(1)
        assert als_weights.entry_weights(7 * matrix, exponent).data == pytest.approx(found.data)
        assert not als_weights.entry_weights(0 * matrix, exponent).data.any()

    def test_no_confidence_is_below_that_of_no_entry(self) -> None:
        weights = sparse.csr_matrix(np.array([[1e-9, 0.5, 1, -0.5]], np.float32))
        found = als_weights.confidences(weights, 20)
        assert found.toarray() == pytest.approx(np.array([[1, 11, 21, -11]]))
        assert weights.max() == 1, "the weights are not changed"

    def test_enormous_entries_leave_weight_for_the_others(self) -> None:
        matrix = small_world().composite
        plain = als_weights.entry_weights(matrix, 0)
        row = slice(*matrix.indptr[5:7])
        matrix.data[row] *= 1e12
        found = als_weights.entry_weights(matrix, 0)
        others = np.ones(matrix.nnz, bool)
        others[row] = False
        assert 0.05 < found.data[others].mean() / plain.data[others].mean() < 1
        assert found.data[row].max() == found.data.max()

    @pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e-6, 1e6, 1e12])
    def test_lists_of_rows_of_any_scale_are_exact(self, scale: float) -> None:
        """A user's vector must be the solution of its least squares, not what the iterations started from."""
        world = small_world()
        rows = [1, 7, 20]
        for row in rows:
            world.composite.data[slice(*world.composite.indptr[row : row + 2])] *= scale
        model = ALS(SMALL).fit(world, seed=1)
        weights = als_weights.entry_weights(world.composite, SMALL.degree_exponent)
        found = model.score(np.array(rows))
        for scores, row in zip(found, rows, strict=True):
            exact = model.item_factors_ @ solution(model.item_factors_, weights, row)
            known = model.known_items_
            assert np.corrcoef(scores[known], exact[known])[0, 1] > 0.95
            best = np.argsort(-np.where(known, scores, -np.inf))[:10]
            assert len(set(best) & set(np.argsort(-np.where(known, exact, -np.inf))[:10])) >= 8

    def test_only_users_and_items_that_have_entries_count(self) -> None:
        matrix = sparse.csr_array(np.array([[1, 0, 1], [0, 0, 0], [1, 0, 0]], np.float32))
        assert als_weights.used_sides(matrix) == (2, 2)
        assert als_weights.used_sides(sparse.csr_array((3, 4), dtype=np.float32)) == (0, 0)

    def test_the_defaults_find_tastes_in_a_thousand_entries(self) -> None:
        own = np.arange(100)[:, None] % 4 == np.arange(80) % 4
        data = interactions(np.random.default_rng(0).random(own.shape) < np.where(own, 0.4, 0.04))
        assert 900 < data.seen.nnz < 1100
        top = ALS().fit(data, seed=1).recommend(np.arange(100), 10, exclude=data.seen)
        assert np.take_along_axis(own, top.items, axis=1).mean() > 0.9

    def test_the_penalty_grows_with_density(self) -> None:
        weights = sparse.csr_matrix(np.kron(np.eye(5), np.ones((2, 4))), dtype=np.float32)
        assert als_weights.penalty(weights, 0.5) == pytest.approx(0.5 * 0.2**0.5)
        assert als_weights.penalty(sparse.csr_matrix((3, 4), dtype=np.float32), None) == 0

    def test_the_default_penalty_is_limited_on_dense_data(self) -> None:
        dense = sparse.csr_matrix(np.kron(np.eye(5), np.ones((2, 4))), dtype=np.float32)
        assert als_weights.penalty(dense, None) == pytest.approx(0.48 * 10 ** (1 / 3))
        wide = sparse.csr_matrix(sparse.eye_array(10_000, dtype=np.float32))
        assert als_weights.penalty(wide, None) == pytest.approx(50 * 0.01)

    @pytest.mark.parametrize(("shape", "density"), [((250, 90), 0.3), ((50, 20), 0.5), ((5000, 4000), 0.001)])
    def test_search_space_contains_the_default_penalty(self, shape: tuple[int, int], density: float) -> None:
        matrix = sparse.random_array(shape, density=density, rng=np.random.default_rng(0), dtype=np.float32)
        matrix.data[:] = 1
        weights = sparse.csr_matrix(matrix)
        assert (
            als_weights.penalty(weights, None) / als_weights.penalty(weights, 1)
            in ALSConfig.search_space["regularization"]
        )

    def test_heavy_tails_lower_the_default_penalty(self) -> None:
        weights = sparse.csr_matrix(np.array([[0.1, 0.1, 2.8]], np.float32))
        mean_square = (0.01 + 0.01 + 2.8**2) / 3
        assert als_weights.penalty(weights, None) == pytest.approx(0.48 / mean_square**0.25)

    def test_the_same_bits_on_one_thread_and_on_two(self) -> None:
        world = small_world()
        one, every = on_one_and_all_threads(lambda: ALS(SMALL).fit(world, seed=3).user_factors_)
        assert np.array_equal(one, every)

    def test_a_refit_on_more_users_has_all_rows(self) -> None:
        world = small_world()
        model = self.fitted(checkerboard()).fit(world, seed=1)
        assert model.user_factors_.shape == (N_USERS, 16)
        assert model.item_factors_.shape == (N_ITEMS, 16)

    def test_blas_has_one_thread_during_the_fit(self) -> None:
        reported = []

        def progress(done: int, total: int) -> None:
            blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
            assert set(blas) == {1}
            reported.append((done, total))

        with threadpool_limits(2, "blas"):
            ALS(SMALL).fit(small_world(), seed=1, progress=progress)
        assert reported == [(done, 8) for done in range(1, 9)]


@pytest.mark.parametrize(
    ("entries", "rounds"), [(0, 10), (1_000_000, 10), (1_200_000, 10), (2_500_000, 8), (10**9, 8)]
)
def test_large_data_get_fewer_iterations(entries: int, rounds: int) -> None:
    assert ALSConfig().rounds(entries) == rounds
    assert ALSConfig(iterations=3).rounds(entries) == 3
