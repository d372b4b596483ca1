"""The attentive content model: planted features found and shuffled ones not, new users and items, its own formula."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from models.base import DivergedError
from models.content.attentive import AttentiveContent, standardised
from models.content.attentive_config import AttentiveContentConfig
from models.interactions import Interactions, touched_items
from models.new_users import NewUsers
from tests.models.contract import (
    N_ITEMS,
    N_USERS,
    UNTOUCHED_ITEM,
    LikesContract,
    interactions,
    likes_of,
    small_world,
)
from tests.models.fitted_once import FittedOnce

SMALL = AttentiveContentConfig(factors=8, batch=16, epochs=10)
NAMES = ("genre:Even", "genre:Odd", *(f"tag:{number}" for number in range(6)))


def described(data: Interactions, rows: np.ndarray) -> Interactions:
    """Return `data` with a genre for the parity of each item in the mask `rows`, and tags that mean nothing."""
    counts = np.zeros((data.n_items, len(NAMES)), np.float32)
    number = np.arange(data.n_items)
    counts[number, number % 2] = 1
    counts[number, 2 + number * 7 // 3 % 6] = 1
    return replace(data, item_features=sparse.csr_array(counts * rows[:, None]), feature_names=NAMES)


class TestAttentiveContent(FittedOnce, LikesContract):
    model = AttentiveContent
    config = SMALL

    def described(self, data: Interactions) -> Interactions:
        return described(data, touched_items(data.seen))

    def test_scores_follow_the_formula_of_the_docstring(self) -> None:
        world = self.described(small_world())
        model = self.fitted(world)
        model.attention_ = np.linspace(-2, 3, 8).astype(np.float32)  # trained on so little it is next to 0
        expected = np.full((N_USERS, N_ITEMS), np.nan)
        q, p = model.item_factors_, model.history_factors_
        for user in np.flatnonzero(model.known_users_):
            history = np.flatnonzero(world.positive[[user]].toarray()[0])
            for item in np.flatnonzero(model.known_items_):
                weights = [np.exp(np.sum(model.attention_ * q[item] * p[j])) for j in history]
                terms = [weight * (q[item] @ p[j]) for weight, j in zip(weights, history, strict=True)]
                expected[user, item] = sum(terms) / sum(weights) ** model.exponent_ + model.item_bias_[item]
        plain = self.fitted(world)
        plain.attention_ = np.zeros(8, np.float32)
        users = np.arange(N_USERS)
        np.testing.assert_allclose(model.score(users), expected, rtol=2e-4, atol=2e-5)
        assert np.nanmax(np.abs(plain.score(users) - expected)) > 0.01, "the attention matters"

    def test_scores_do_not_depend_on_tiles_or_other_users(self) -> None:
        model, users = self.fitted(small_world()), np.arange(N_USERS)
        together = model.score(users)
        model.config = model.config.model_copy(update={"block_entries": 1})
        for user in users:
            assert np.array_equal(model.score(users[[user]])[0], together[user], equal_nan=True)

    def test_a_new_user_scores_as_a_trained_one_with_that_history(self) -> None:
        world = small_world()
        model, users = self.fitted(world), np.arange(N_USERS)
        new = NewUsers.of([likes_of(world, user) for user in users], N_ITEMS)
        assert np.array_equal(model.fold_in(new).score(users), model.score(users), equal_nan=True)

    def test_the_reason_is_the_greatest_term(self) -> None:
        world = small_world()
        model = self.fitted(world)
        model.attention_ = np.linspace(-2, 3, 8).astype(np.float32)
        lists = model.recommend(np.arange(N_USERS), 5, exclude=world.seen).items
        found = model.because_of(np.arange(N_USERS), lists, world.positive)
        assert found is not None
        product = model.item_factors_[:, None] * model.history_factors_[None]
        terms = product.sum(axis=2) * np.exp((product * model.attention_).sum(axis=2))
        for user, place in np.argwhere(lists >= 0):
            liked = likes_of(world, user)
            of_it = terms[lists[user, place], liked]
            best = liked[of_it.argmax()] if of_it.max() > 0 else -1
            assert found[user, place] in (best, -1) if best < 0 else found[user, place] == best


def planted(seed: int, *, shuffled: bool = False) -> tuple[Interactions, np.ndarray]:
    """Return users of one of four tastes, items of one of 20 directors who each serve one taste, and items' tastes.

    The last 40 of 160 items are new: nobody touched them. Shuffled directors say nothing about the tastes.
    """
    rng = np.random.default_rng(seed)
    director = rng.integers(20, size=160)
    taste = director % 4
    likes = rng.random((200, 160)) < np.where(np.arange(200)[:, None] % 4 == taste, 0.25, 0.03)
    likes[:, 120:] = False
    features = np.eye(20)[rng.permutation(director) if shuffled else director]
    noise = np.eye(8)[rng.integers(8, size=160)]
    names = tuple(f"director:{n}" for n in range(20)) + tuple(f"place:{n}" for n in range(8))
    counts = sparse.csr_array(np.hstack([features, noise]).astype(np.float32))
    return replace(interactions(likes), item_features=counts, feature_names=names), taste


def share_of_new_items(data: Interactions, taste: np.ndarray) -> float:
    """Fit, and return the share of users' first five new items that are of the users' taste; 0.25 is chance."""
    model = AttentiveContent(SMALL).fit(data, seed=1)
    top = model.recommend(np.arange(200), 5, items=np.arange(160) >= 120)
    return float(np.mean(taste[top.items] == np.arange(200)[:, None] % 4))


def test_new_items_are_found_by_planted_features_only() -> None:
    assert share_of_new_items(*planted(0)) > 0.9
    assert share_of_new_items(*planted(0, shuffled=True)) < 0.4


def test_users_of_one_like_get_items_of_its_taste() -> None:
    data, taste = planted(1)
    model = AttentiveContent(SMALL).fit(data, seed=1)
    given = np.arange(0, 120)
    top = model.recommend_for([[item] for item in given], 5, items=np.arange(160) < 120)
    assert np.mean(taste[top.items] == taste[given][:, None]) > 0.9


def test_training_improves_on_the_start() -> None:
    """The start knows no levels: here every taste's items of the first place are liked ten times as often."""
    rng = np.random.default_rng(2)
    data, taste = planted(2)
    is_good = data.item_features[:, [20]].toarray()[:, 0] > 0
    likes = rng.random((200, 160)) < np.where(is_good, 0.5, 0.05) * (np.arange(200)[:, None] % 4 == taste)
    likes[:, 120:] = False
    data = replace(data, **{name: interactions(likes).seen for name in ("seen", "positive")})
    data = replace(data, timestamp=interactions(likes).timestamp)
    data = replace(data, rating=data.seen, composite=data.seen)
    shares = []
    for epochs in (0, 10):
        model = AttentiveContent(
            SMALL.model_copy(update={"epochs": epochs, "learning_rate": 0.05, "pull": 0})
        ).fit(data, seed=1)
        top = model.recommend(np.arange(200), 3, items=np.arange(160) >= 120)
        shares.append(float(is_good[top.items].mean()))
    assert shares[1] > shares[0] + 0.1, shares


def test_attention_is_learned_where_it_is_needed() -> None:
    data, _ = planted(3)
    with_it = AttentiveContent(SMALL).fit(data, seed=1)
    without = AttentiveContent(SMALL.model_copy(update={"attention": False})).fit(data, seed=1)
    assert np.abs(with_it.attention_).max() > 1e-3
    assert not without.attention_.any()


def test_popular_items_come_first_among_equals() -> None:
    likes = np.triu(np.ones((20, 20)))  # item i is liked by i + 1 users
    counts = sparse.csr_array((np.arange(20)[:, None] % 2 == [0, 1]).astype(np.float32))
    data = replace(interactions(likes), item_features=counts, feature_names=("genre:A", "genre:B"))
    model = AttentiveContent(SMALL).fit(data, seed=1)
    top = model.recommend_for([[0]], 9).items[0]
    for parity in (0, 1):
        of_it = [item for item in top if item % 2 == parity]
        assert len(of_it) > 1
        assert of_it == sorted(of_it, reverse=True)


def test_a_new_item_scores_about_as_a_mean_one() -> None:
    every = np.ones(N_ITEMS, bool)
    model = AttentiveContent(SMALL).fit(described(small_world(), every), seed=1)
    assert model.known_items_[UNTOUCHED_ITEM]
    met = np.delete(model.item_bias_, UNTOUCHED_ITEM)
    assert met.min() < model.item_bias_[UNTOUCHED_ITEM] < met.max()


def test_only_the_newest_likes_count() -> None:
    data, _ = planted(4)
    model = AttentiveContent(SMALL.model_copy(update={"history": 2})).fit(data, seed=1)
    long, short = model.recommend_for([[9, 8, 7, 5, 3], [5, 3]], 12)[1]
    both = model.fold_in(NewUsers.of([[9, 8, 7, 5, 3], [5, 3]], 160)).score(np.arange(2))
    assert np.array_equal(both[0], both[1], equal_nan=True)
    assert long[0] <= short[0], "the longer history's items are left out of its list"


def test_nothing_is_known_without_features() -> None:
    model = AttentiveContent(SMALL).fit(small_world(), seed=1)
    assert not model.known_items_.any()
    assert not model.known_users_.any()


def test_a_diverged_training_says_what_to_change() -> None:
    data, _ = planted(5)
    wild = SMALL.model_copy(update={"learning_rate": 1e30, "epochs": 40})
    with pytest.raises(DivergedError, match="a lower `learning_rate` is safer"):
        AttentiveContent(wild).fit(data, seed=1)


def test_popularity_is_standardised_over_items_with_likes() -> None:
    found, spread = standardised(np.array([0, 1, 3, 7, 0]))
    logs = np.log([2, 4, 8])
    np.testing.assert_allclose(found[1:4] * spread, logs - logs.mean(), rtol=1e-5, atol=1e-6)
    assert found[0] == found[4] == 0
    assert standardised(np.zeros(2, int))[0].tolist() == [0, 0]
