"""Similar users: cosines of vectors and profiles, and what all models keep to."""

from __future__ import annotations

from copy import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.linear.ease import EASE
from models.neighbours.user_knn import UserKNN
from models.ranking.user_similarity import UserSimilarityRecommender, cosines
from tests.models.contract import EMPTY_USER, EVERYTHING_USER, N_USERS, small_world
from tests.models.export.fitted import fitted

MODELS = ("als", "neumf", "ease", "user_knn")


def model(name: str) -> UserSimilarityRecommender:
    if name in ("als", "neumf"):
        found = fitted(name)
    else:
        found = {"ease": EASE, "user_knn": UserKNN}[name]().fit(small_world(), seed=1)
    assert isinstance(found, UserSimilarityRecommender)
    return found


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 6))
def test_cosines_are_those_of_the_definition(seed: int, n: int, f: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = (rng.normal(size=(n, f)) * (rng.random((n, f)) < 0.6)).astype(np.float32)
    row = int(rng.integers(n))
    expected = np.zeros(n)
    for other, vector in enumerate(vectors.astype(np.float64)):
        lengths = np.linalg.norm(vector) * np.linalg.norm(vectors[row].astype(np.float64))
        expected[other] = vector @ vectors[row] / lengths if lengths else 0
    for form in (vectors, sparse.csr_array(vectors)):
        assert cosines(form, row) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["als", "ease", "user_knn"])
def test_similar_users_share_the_taste(name: str) -> None:
    """Users of even index like items of even index, and those of odd index odd ones."""
    found = [model(name).similar_users(user, 5) for user in range(20, 40)]
    same = [other % 2 == user % 2 for user, near in enumerate(found, 20) for other in near.users]
    assert len(same) == 100
    assert np.mean(same) > 0.8


@pytest.mark.parametrize("name", MODELS)
def test_lists_of_users_are_well_formed(name: str) -> None:
    found = model(name).similar_users(EVERYTHING_USER, N_USERS)
    assert not {EMPTY_USER, EVERYTHING_USER} & set(found.users.tolist())
    assert len(set(found.users.tolist())) == len(found.users) > 10
    assert (found.similarities > 0).all()
    assert (np.diff(found.similarities) <= 0).all()
    assert found.similarities.dtype == np.float32
    first = model(name).similar_users(EVERYTHING_USER, 3)
    assert np.array_equal(first.users, found.users[:3])


@pytest.mark.parametrize("user", [EMPTY_USER, -1, N_USERS, 10**9])
def test_unknown_users_are_similar_to_nobody(user: int) -> None:
    assert not len(model("als").similar_users(user, 5).users)


def test_unknown_users_are_in_no_list_whatever_their_vectors() -> None:
    found = copy(fitted("als"))
    found.user_factors_ = found.user_factors_.copy()
    found.user_factors_[EMPTY_USER] = found.user_factors_[0]
    assert EMPTY_USER not in found.similar_users(0, N_USERS).users


def test_no_users_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="n must be at least 1"):
        model("als").similar_users(0, 0)
