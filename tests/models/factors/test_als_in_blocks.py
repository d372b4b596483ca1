"""ALS in blocks against the fit as a whole, over shapes and numbers of blocks."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.factors.als import ALS, ALSConfig
from models.factors.als_weights import starting_factors, starting_rows
from models.interactions import Interactions
from models.row_blocks import InProcess
from tests.examples import examples
from tests.models.contract import small_world

SMALL = ALSConfig(factors=8, iterations=4)


def world(n_users: int, n_items: int, density: float, seed: int) -> Interactions:
    """Return random utilities, some of them large; some users and items have none."""
    rng = np.random.default_rng(seed)
    matrix = sparse.random_array((n_users, n_items), density=density, rng=rng, dtype=np.float32, format="csr")
    matrix.data += np.float32(0.01) + rng.pareto(3, matrix.nnz).astype(np.float32)
    matrix.sum_duplicates()
    times = sparse.csr_array((np.zeros(matrix.nnz, np.int64), matrix.indices, matrix.indptr), matrix.shape)
    no_features = sparse.csr_array((n_items, 0), dtype=np.float32)
    return Interactions(matrix, matrix, matrix, matrix, times, no_features)


def fitted_in_blocks(data: Interactions, n_blocks: int, config: ALSConfig = SMALL, **options) -> ALS:
    """Return a model fitted in blocks of this process; its factors are copied from the files."""
    with TemporaryDirectory() as folder:
        model = ALS(config)
        model.runner = InProcess(n_blocks, Path(folder))
        model.fit(data, seed=3, **options)
        model.user_factors_, model.item_factors_ = (
            np.array(model.user_factors_),
            np.array(model.item_factors_),
        )
    return model


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the length of the difference over that of what is expected."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def difference(found: ALS, expected: ALS) -> float:
    """Return the relative difference of all scores.

    On small dense data the vectors turn against each other more than the scores change: by 3e-4 at most, of 200 drawn.
    """
    scores, whole = (model.user_factors_ @ model.item_factors_.T for model in (found, expected))
    return relative(scores, whole)


@settings(max_examples=examples(25), deadline=None)
@given(
    n_users=st.integers(16, 90),
    n_items=st.integers(16, 70),
    density=st.sampled_from([0.02, 0.1, 0.6]),
    n_blocks=st.integers(1, 7),
    seed=st.integers(0, 5),
)
def test_scores_equal_those_of_a_fit_as_a_whole(n_users, n_items, density, n_blocks, seed) -> None:
    data = world(n_users, n_items, density, seed)
    assume(data.composite.nnz)  # without entries, vectors are what rounding leaves of 0
    assert difference(fitted_in_blocks(data, n_blocks), ALS(SMALL).fit(data, seed=3)) < 1e-4


@pytest.mark.parametrize(("n_users", "n_items"), [(3, 60), (60, 3), (1, 1)])
def test_fewer_rows_than_blocks_leave_some_blocks_empty(n_users: int, n_items: int) -> None:
    """With more factors than items, later rounds amplify the rounding of Gramians."""
    data, once = world(n_users, n_items, 1.0, seed=0), ALSConfig(factors=8, iterations=1)
    assert difference(fitted_in_blocks(data, 7, once), ALS(once).fit(data, seed=3)) < 1e-4


def test_defaults_in_blocks_equal_the_whole_after_all_rounds() -> None:
    data = world(400, 300, 0.03, seed=1)
    found, whole = fitted_in_blocks(data, 5, ALSConfig()), ALS().fit(data, seed=3)
    assert relative(found.user_factors_, whole.user_factors_) < 1e-4
    assert relative(found.item_factors_, whole.item_factors_) < 1e-4
    assert found.fold_in_map_ == pytest.approx(whole.fold_in_map_, abs=1e-4)
    assert (
        found.recommend(np.arange(400), 10).items == whole.recommend(np.arange(400), 10).items
    ).mean() > 0.99


def test_one_block_has_the_bits_of_a_fit_as_a_whole() -> None:
    data = small_world()
    found, whole = fitted_in_blocks(data, 1), ALS(SMALL).fit(data, seed=3)
    assert np.array_equal(found.user_factors_, whole.user_factors_)
    assert np.array_equal(found.item_factors_, whole.item_factors_)


def test_enormous_rows_are_scaled_in_blocks_too() -> None:
    """The matrix is that of ratings, which no model scales before; later rounds would amplify rounding to 1e-2."""
    data = world(80, 60, 0.2, seed=2)
    data.rating.data[slice(*data.rating.indptr[5:7])] *= np.float32(1e12)
    once = ALSConfig(factors=8, iterations=1, matrix="rating")
    assert difference(fitted_in_blocks(data, 3, once), ALS(once).fit(data, seed=3)) < 1e-4


def test_explicit_zeros_are_no_entries_in_blocks() -> None:
    data = world(40, 30, 0.2, seed=4)
    data.composite.data[::3] = 0
    found, whole = fitted_in_blocks(data, 3), ALS(SMALL).fit(data, seed=3)
    assert difference(found, whole) < 1e-4
    assert np.array_equal(found.known_items_, whole.known_items_)


def test_blocks_without_entries_give_no_lists() -> None:
    nothing = world(5, 4, 0.0, seed=0)
    assert (fitted_in_blocks(nothing, 3).recommend(np.arange(5), 2).items == -1).all()


def test_progress_is_told_after_every_round() -> None:
    told = []
    fitted_in_blocks(small_world(), 2, progress=lambda done, total: told.append((done, total)))
    assert told == [(done, 4) for done in range(1, 5)]


@pytest.mark.parametrize(("first", "factors"), [(0, 3), (1, 3), (2, 3), (5, 4)])
def test_starting_rows_are_those_of_all_rows(first: int, factors: int) -> None:
    for side, whole in enumerate(starting_factors((9, 11), factors, seed=7)):
        assert np.array_equal(starting_rows(side, first, 4, factors, seed=7), whole[first : first + 4])
