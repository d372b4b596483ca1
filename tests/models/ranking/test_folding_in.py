"""The map from item vectors to the vectors of new users."""

import numpy as np
import pytest
from scipy import sparse

from models.ranking import folding_in
from models.ranking.folding_in import learn_map, mapped, normed_sums


def world(n_users: int = 300, n_items: int = 40, factors: int = 5) -> tuple[sparse.csr_array, np.ndarray]:
    rng = np.random.default_rng(0)
    likes = sparse.csr_array((rng.random((n_users, n_items)) < 0.3).astype(np.float32))
    return likes, rng.standard_normal((n_items, factors), np.float32)


def test_users_of_a_linear_rule_are_mapped_along_it() -> None:
    likes, items = world()
    rule = np.random.default_rng(1).standard_normal((5, 5), np.float32)
    users = normed_sums(likes, items) @ rule
    learned = learn_map(likes, users, items, np.ones(len(users), bool), seed=1)
    found = mapped(learned, likes, items)
    cosines = np.einsum("nf,nf->n", found, users)
    cosines /= np.linalg.norm(found, axis=1) * np.linalg.norm(users, axis=1)
    assert cosines.mean() > 0.9  # not 1: parts of the items are to give the same vector


def test_users_of_few_items_are_near_the_mean_user() -> None:
    likes, items = world()
    users = normed_sums(likes, items) + np.float32(3)
    learned = learn_map(likes, users, items, np.ones(len(users), bool), seed=1)
    one = mapped(learned, sparse.csr_array(np.eye(1, 40, dtype=np.float32)), items)
    assert np.abs(one - users.mean(axis=0)).max() < np.abs(users - users.mean(axis=0)).max()


def test_parts_are_of_the_users_own_items() -> None:
    likes, _ = world()
    whole, *parts = folding_in._whole_and_parts(likes, np.random.default_rng(0))
    assert whole is likes
    sizes = np.array([np.diff(part.indptr) for part in parts])
    assert (sizes >= 1).all()
    assert (sizes <= np.diff(likes.indptr)).all()
    assert np.mean(sizes <= 3) > 0.3
    for part in parts:
        assert not (part.toarray() > likes.toarray()).any()


def test_users_without_items_or_vectors_teach_nothing() -> None:
    likes, items = world()
    users = normed_sums(likes, items)
    known = np.arange(len(users)) < 200
    spoilt = users.copy()
    spoilt[200:] = np.nan
    assert np.array_equal(
        learn_map(likes, spoilt, items, known, seed=1), learn_map(likes, users, items, known, seed=1)
    )
    nobody = learn_map(likes, users, items, np.zeros(len(users), bool), seed=1)
    assert not nobody.any()


def test_the_map_is_learned_from_so_many_users_only(monkeypatch: pytest.MonkeyPatch) -> None:
    likes, items = world()
    users = normed_sums(likes, items)
    monkeypatch.setattr(folding_in, "_MOST_USERS", 50)
    monkeypatch.setattr(folding_in, "_ROWS", 7)
    few = learn_map(likes, users, items, np.ones(len(users), bool), seed=1)
    assert np.isfinite(few).all()
    assert np.array_equal(few, learn_map(likes, users, items, np.ones(len(users), bool), seed=1))


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_the_scale_of_the_item_vectors_does_not_matter(scale: float) -> None:
    likes, items = world()
    users = normed_sums(likes, items) + np.float32(1)
    known = np.ones(len(users), bool)
    plain = mapped(learn_map(likes, users, items, known, seed=1), likes, items)
    scaled = items * np.float32(scale)
    found = mapped(learn_map(likes, users, scaled, known, seed=1), likes, scaled)
    assert found == pytest.approx(plain, rel=1e-3, abs=1e-3)
