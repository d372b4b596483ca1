"""The content model: profiles and similarities against dense arithmetic, items without interactions."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.content.profiles import Content, ContentConfig
from models.interactions import Interactions, touched_items
from tests.examples import examples
from tests.models.contract import (
    N_ITEMS,
    N_USERS,
    UNTOUCHED_ITEM,
    PersonalContract,
    interactions,
    small_world,
)

FEATURES = ("genre:Even", "genre:Odd", "genre:Common", "tag:dark", "tag:fun", "tag:rare")


def describe(data: Interactions, counts: np.ndarray, names: tuple[str, ...] = FEATURES) -> Interactions:
    return replace(data, item_features=sparse.csr_array(counts, dtype=np.float32), feature_names=names)


def parity_features(n_items: int, rows: np.ndarray) -> np.ndarray:
    """A genre of the even items, one of the odd and one of all, and some tags; 0 for items outside the mask `rows`."""
    counts = np.zeros((n_items, len(FEATURES)))
    counts[np.arange(n_items), np.arange(n_items) % 2] = 1
    counts[:, 2] = 1
    counts[::4, 3] = 2
    counts[1::4, 4] = 1
    counts[-1:, 5] = 1
    return counts * rows[:, None]


def dense_similarity(
    counts: np.ndarray, names: tuple[str, ...], weights: np.ndarray, share: float
) -> np.ndarray:
    """The weighted mean of the cosines of `weights` · profiles with the profiles, by dense arrays."""
    total = np.zeros((len(weights), len(counts)))
    for prefix, part in (("genre:", share), ("tag:", 1 - share)):
        block = counts[:, [name.startswith(prefix) for name in names]]
        spread = (block > 0).sum(axis=0)
        idf = np.where(spread > 1, np.log((len(counts) + 1) / (spread + 1)), 0)
        items = unit(np.log(1 + block) * idf)
        total += part * unit(weights @ items) @ items.T
    return total


def unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)


class TestContent(PersonalContract):
    model = Content
    kept_of_own_history = 0.95

    def described(self, data: Interactions) -> Interactions:
        touched = touched_items(data.seen)
        return describe(data, parity_features(data.n_items, touched))

    def test_scores_follow_the_formula_of_the_docstring(self) -> None:
        world = self.described(small_world())
        scores = self.fitted(world).score(np.arange(N_USERS))
        utility, seen = world.composite.toarray(), world.seen.toarray()
        weights = utility / world.composite.data.mean() + 0.3 * world.positive.toarray() + 0.1 * seen
        similarity = dense_similarity(world.item_features.toarray(), FEATURES, weights, 0.4)
        likes = 1 + world.positive.toarray().sum(axis=0)
        n = seen.sum(axis=1, keepdims=True)
        known = n[:, 0] > 0
        expected = (similarity + 3 / np.maximum(n, 1)) * likes / likes.max()
        expected[:, UNTOUCHED_ITEM] = np.nan
        np.testing.assert_allclose(scores[known], expected[known], rtol=1e-5)

    def test_new_items_are_scored_and_have_similar_items(self) -> None:
        world = describe(small_world(), parity_features(N_ITEMS, np.ones(N_ITEMS)))
        model = Content().fit(world, seed=1)
        assert model.known_items_[UNTOUCHED_ITEM]
        assert np.isfinite(model.score(np.array([0, 1]))[:, UNTOUCHED_ITEM]).all()
        similar = model.similar_items(np.array([UNTOUCHED_ITEM]), 5).items[0]
        assert (similar % 2 == UNTOUCHED_ITEM % 2).all()
        assert UNTOUCHED_ITEM in model.similar_items(np.array([1]), N_ITEMS).items[0]

    def test_a_new_item_can_come_first_when_popularity_is_off(self) -> None:
        counts = parity_features(N_ITEMS, np.ones(N_ITEMS))
        counts[:, 3:] = 0
        counts[[1, UNTOUCHED_ITEM], 3] = 1
        world = describe(small_world(), counts)
        plain = Content(ContentConfig(popularity_exponent=0, caution=0)).fit(world, seed=1)
        assert plain.recommend(np.array([7]), 1, exclude=world.seen).items.tolist() == [[UNTOUCHED_ITEM]]

    def test_items_seen_without_liking_make_a_profile(self) -> None:
        data = interactions(np.zeros((1, 4)))
        seen = interactions(np.array([[1, 0, 0, 0]]))
        data = describe(
            replace(data, seen=seen.seen, timestamp=seen.timestamp), np.eye(4)[[0, 0, 1, 1]], FEATURES[:4]
        )
        top = Content().fit(data, seed=1).recommend(np.array([0]), 1, exclude=data.seen)
        assert top.items.tolist() == [[1]]

    def test_equally_similar_items_are_ordered_by_likes(self) -> None:
        likes = np.triu(np.ones((6, 6)))  # item i is liked by i + 1 users
        counts = np.zeros((6, 2))
        counts[:5, 0] = counts[5, 1] = 1
        model = Content().fit(describe(interactions(likes), counts, ("genre:A", "genre:B")), seed=1)
        assert model.similar_items(np.array([0]), 6).items.tolist() == [[4, 3, 2, 1, -1, -1]]

    def test_nothing_is_known_without_features(self) -> None:
        world = small_world()
        model = Content().fit(world, seed=1)
        assert not model.known_items_.any()
        assert not model.known_users_.any()
        assert (model.recommend(np.arange(N_USERS), 3, exclude=world.seen).items == -1).all()
        assert (model.similar_items(np.arange(N_ITEMS), 3).items == -1).all()

    def test_features_of_weight_zero_make_no_item_known(self) -> None:
        tagged_only = Content(ContentConfig(genre_weight=0)).fit(self.described(small_world()), seed=1)
        assert np.flatnonzero(tagged_only.known_items_).tolist() == sorted(
            i for i in range(N_ITEMS) if i % 4 in (0, 1) and i != UNTOUCHED_ITEM
        )

    def test_only_the_strongest_features_of_a_user_are_kept(self) -> None:
        model = Content(ContentConfig(user_features=1)).fit(self.described(small_world()), seed=1)
        assert np.diff(model.profiles_.indptr).max() == 3, "one genre, one tag, and the caution"


def test_scores_are_finite_when_all_ratings_are_zero() -> None:
    data = interactions(np.eye(3))
    zero = data.seen.copy()
    zero.data[:] = 0
    data = describe(replace(data, composite=zero), np.eye(3)[[0, 0, 1]], ("genre:A", "genre:B", "tag:c"))
    assert np.isfinite(Content().fit(data, seed=1).score(np.array([0]))[0, :2]).all()


@pytest.mark.parametrize("scale", [1, 1e20])
def test_dislikes_stay_dislikes_when_the_mean_is_negative(scale: float) -> None:
    """The user liked one item of genre A, and disliked three of genre B."""
    data = interactions(np.ones((1, 5)))
    opinion = sparse.csr_array(scale * np.array([[2, -1, -2, -2, 0]]), dtype=np.float32)
    counts = np.array([[1, 0], [0, 1], [0, 1], [0, 1], [1, 0]])
    data = describe(replace(data, rating=opinion), counts, ("genre:A", "genre:B"))
    model = Content(ContentConfig(matrix="rating", popularity_exponent=0)).fit(data, seed=1)
    profile = model.profiles_.toarray()[0]
    assert profile[0] > 0 > profile[1]


@settings(max_examples=examples(30))
@given(
    counts=st.lists(st.lists(st.sampled_from([0, 0, 1, 3]), min_size=5, max_size=5), min_size=2, max_size=8),
    share=st.sampled_from([0.0, 0.4, 1.0]),
)
def test_similarity_of_items_agrees_with_dense_arrays(counts, share) -> None:
    names = ("genre:a", "genre:b", "tag:c", "tag:d", "tag:e")
    data = describe(interactions(np.eye(len(counts))), np.array(counts), names)
    model = Content(ContentConfig(genre_weight=share)).fit(data, seed=1)
    found = (model.item_profiles_ @ model.item_profiles_.T).toarray()
    np.testing.assert_allclose(
        found, dense_similarity(np.array(counts, float), names, np.eye(len(counts)), share), atol=1e-6
    )
    top = model.similar_items(np.arange(len(counts)), len(counts))
    for item, row in enumerate(top.items):
        assert item not in row
        assert set(row[row >= 0]) == set(np.flatnonzero(found[item] > 0)) - {item}


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12])
def test_utility_alone_makes_profiles_at_any_scale(scale: float) -> None:
    """Without weights for likes and touches, a profile is the utilities', down to the smallest beside great ones."""
    config = ContentConfig(like_weight=0, touch_weight=0)
    plain = describe(small_world(), parity_features(N_ITEMS, np.ones(N_ITEMS)))
    scaled = replace(plain, composite=plain.composite.copy())
    scaled.composite.data[slice(*plain.composite.indptr[1:3])] *= np.float32(scale)
    with np.errstate(all="raise", under="ignore"):
        models = [Content(config).fit(data, seed=1) for data in (plain, scaled)]
    assert np.array_equal(models[0].known_users_, models[1].known_users_)
    known = np.flatnonzero(models[0].known_users_)
    expected, found = (model.score(known) for model in models)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
