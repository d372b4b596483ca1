"""Coverage, Gini, novelty and popularity, against plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.evaluation.beyond_accuracy import (
    coverage,
    exposures,
    gini,
    history_means,
    list_means,
    popularity_of,
    self_information,
)
from tests.examples import examples

SEEN = sparse.csr_array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]])


def random_lists(rng: np.random.Generator, n_rows: int, n_items: int, n: int) -> np.ndarray:
    """Return padded lists of different lengths, without duplicates."""
    lists = np.full((n_rows, n), -1, np.int32)
    for row in lists:
        length = rng.integers(min(n, n_items) + 1)
        row[:length] = rng.permutation(n_items)[:length]
    return lists


def test_novelty_and_popularity_of_a_worked_example():
    popularity = popularity_of(SEEN)
    assert popularity.tolist() == [3 / 4, 2 / 4, 1 / 4, 0]
    assert self_information(popularity)[:3] == pytest.approx([math.log2(4 / 3), 1, 2])
    assert math.isnan(self_information(popularity)[3]), "the item has no user"
    found = list_means(np.array([[1, 2, -1]], np.int32), self_information(popularity), [1, 2, 5])
    assert {k: values.tolist() for k, values in found.items()} == {1: [1], 2: [1.5], 5: [1.5]}
    assert history_means(SEEN, popularity)[:3] == pytest.approx([5 / 8, 3 / 4, 1 / 2])
    assert math.isnan(history_means(SEEN, popularity)[3])


def test_an_empty_list_has_no_mean():
    assert math.isnan(list_means(np.array([[-1, -1]], np.int32), np.ones(3), [2])[2][0])


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 10_000), n_rows=st.integers(1, 6), n_items=st.integers(1, 12), n=st.integers(1, 9))
def test_list_means_agree_with_loops(seed, n_rows, n_items, n):
    rng = np.random.default_rng(seed)
    lists, values = random_lists(rng, n_rows, n_items, n), rng.random(n_items)
    found = list_means(lists, values, [n, 1, 4])
    for k in (n, 1, 4):
        for row, mean in zip(lists, found[k], strict=True):
            listed = [values[item] for item in row[:k] if item >= 0]
            expected = sum(listed) / len(listed) if listed else math.nan
            assert mean == pytest.approx(expected, nan_ok=True)


def gini_of_pairs(exposure: np.ndarray) -> float:
    """Return the Gini coefficient by its definition, half the relative mean difference."""
    differences = sum(abs(int(a) - int(b)) for a in exposure for b in exposure)
    return differences / (2 * len(exposure) * int(exposure.sum()))


@settings(max_examples=examples(60))
@given(st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any))
def test_gini_is_half_the_relative_mean_difference(counts):
    exposure = np.array(counts)
    assert gini(exposure) == pytest.approx(gini_of_pairs(exposure), abs=1e-12)
    assert gini(exposure * 3) == pytest.approx(gini(exposure), abs=1e-12), "scaling changes nothing"
    assert gini(exposure[::-1]) == pytest.approx(gini(exposure), abs=1e-12), "order changes nothing"


def test_gini_is_0_for_equal_and_largest_for_one_item():
    assert gini(np.array([4, 4, 4])) == 0
    assert gini(np.array([0, 0, 0, 9])) == pytest.approx(3 / 4), "all to one of four"
    assert math.isnan(gini(np.array([0, 0])))


@settings(max_examples=examples(40))
@given(seed=st.integers(0, 10_000), n_rows=st.integers(1, 6), n_items=st.integers(1, 12))
def test_coverage_and_exposure_agree_with_loops(seed, n_rows, n_items):
    lists = random_lists(np.random.default_rng(seed), n_rows, n_items, 5)
    exposure = exposures(lists, n_items)
    assert exposure.tolist() == [sum(item in row for row in lists) for item in range(n_items)]
    assert coverage(exposure) == len({item for row in lists for item in row} - {-1}) / n_items
