"""Cosines of profiles against a plain loop, and profiles of users by hand."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.content.tf_idf import unit_rows
from models.ensemble.profile_features import mean_profiles, profile_cosines

Rows = list[dict[int, float]]
"""Feature → weight, for each row."""


@st.composite
def candidates(draw: st.DrawFn) -> tuple[int, Rows, Rows, list[tuple[int, int]]]:
    """Draw a number of features, the profiles of rows and of items, and pairs of both; rows may have no candidate."""
    n = draw(st.integers(0, 5))
    weights = st.floats(1 / 64, 9, width=32)
    profile = st.dictionaries(st.integers(0, n - 1), weights) if n else st.just({})
    rows, items = (
        draw(st.lists(profile, min_size=1, max_size=5)),
        draw(st.lists(profile, min_size=1, max_size=6)),
    )
    pair = st.tuples(st.integers(0, len(rows) - 1), st.integers(0, len(items) - 1))
    return n, rows, items, draw(st.lists(pair, max_size=12, unique=True))


def matrix(rows: Rows, n_features: int) -> sparse.csr_array:
    found = np.zeros((len(rows), n_features), np.float32)
    for at, row in enumerate(rows):
        found[at, list(row)] = list(row.values())
    return unit_rows(sparse.csr_array(found))


def cosine(left: dict[int, float], right: dict[int, float]) -> float:
    lengths = [sqrt(sum(weight**2 for weight in each.values())) for each in (left, right)]
    product = sum(weight * right.get(feature, 0.0) for feature, weight in left.items())
    return product / (lengths[0] * lengths[1]) if product else 0.0


@given(candidates())
def test_cosines_are_those_of_a_plain_loop(drawn: tuple[int, Rows, Rows, list[tuple[int, int]]]) -> None:
    n_features, rows, items, pairs = drawn
    pairs.sort(key=lambda pair: pair[0])  # candidates of a row in any order
    row, item = (np.array([pair[at] for pair in pairs], np.int64) for at in (0, 1))
    found = profile_cosines(row, item, matrix(rows, n_features), matrix(items, n_features))
    assert found.dtype == np.float32
    assert found == pytest.approx([cosine(rows[r], items[i]) for r, i in pairs], rel=1e-5, abs=1e-6)


def test_features_of_one_row_do_not_leak_into_the_next() -> None:
    """Row 1 has no feature, row 2 none of those of row 0."""
    rows, items = [{0: 1.0, 1: 1.0}, {}, {2: 1.0}], [{0: 2.0}, {2: 5.0}]
    pairs = np.repeat(np.arange(3), 2), np.tile([0, 1], 3)
    found = profile_cosines(*pairs, matrix(rows, 3), matrix(items, 3))
    assert found == pytest.approx([sqrt(0.5), 0, 0, 0, 0, 1])


def test_mean_profiles_are_weighted_and_of_unit_length() -> None:
    profiles = sparse.csr_array(np.array([[1, 0], [0, 1], [0.6, 0.8], [0, 0]], np.float32))
    weights = sparse.csr_array(
        np.array([[3, 4, 0, 9], [0, 0, 0.1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], np.float32)
    )
    found = mean_profiles(weights, profiles)
    np.testing.assert_allclose(found.toarray(), [[0.6, 0.8], [0.6, 0.8], [0, 0], [0, 0]], rtol=1e-6)
    assert found.dtype == np.float32
