"""Warm starts of every model that knows them: what they take over, new rows, and what they refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from models.base import Recommender
from models.factors.als import ALS, ALSConfig
from models.factors.bpr import BPR, BPRConfig
from models.factors.cke import CKE
from models.factors.mf import MF, MFConfig
from models.graph.kgcn import KGCN
from models.graph.lightgcn import LightGCN, LightGCNConfig
from models.graph.ngcf import NGCF, NGCFConfig
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from models.warm_start import WarmStart, WarmStartError, fill_from_neighbours, warm_rounds
from tests.models.contract import N_ITEMS, N_USERS, interactions, small_world

MODELS: dict[str, Recommender] = {
    "als": ALS(ALSConfig(factors=8, iterations=10)),
    "bpr": BPR(BPRConfig(factors=8, iterations=20)),
    "mf": MF(MFConfig(factors=8, epochs=20)),
    "lightgcn": LightGCN(LightGCNConfig(factors=8, epochs=20)),
    "ngcf": NGCF(NGCFConfig(factors=8, epochs=20, layers=2)),
}
NEW_USER, NEW_ITEM = 20, 30  # rows that the earlier fit has not seen


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Recommender:
    return type(MODELS[request.param])(MODELS[request.param].config)


def start_of(
    earlier: Recommender, users: np.ndarray | None = None, items: np.ndarray | None = None
) -> WarmStart:
    """Return the warm start from a fit whose rows are those of the data, or stand at `users` and `items`."""
    rows = (np.arange(N_USERS) if users is None else users), (np.arange(N_ITEMS) if items is None else items)
    return WarmStart.of(vars(earlier), earlier.warm_parts(), *rows)


def without(data: Interactions, user: int, item: int) -> Interactions:
    """Return the data without a user and an item, as those of an earlier night, one row and column less."""
    utility = np.delete(np.delete(data.composite.toarray(), user, 0), item, 1)
    return interactions(utility)


def places(n: int, new: int) -> np.ndarray:
    """Return the earlier rows of n rows, of which `new` is new."""
    found = np.arange(n) - (np.arange(n) > new)
    found[new] = -1
    return found


def test_a_warm_fit_stays_near_the_earlier_one(model: Recommender) -> None:
    """Rows are moved: the users of the earlier fit stand in reverse order."""
    data, kind = small_world(), type(model)
    earlier = kind(model.config).fit(interactions(data.composite.toarray()[::-1]), seed=1)
    backwards = np.arange(N_USERS)[::-1]
    warm = kind(model.config).fit(data, seed=2, warm_start=start_of(earlier, users=backwards))
    users = np.flatnonzero(warm.known_users_)
    lists, earlier_lists = warm.recommend(users, 8).items, earlier.recommend(backwards[users], 8).items
    shared = [len({*now} & {*then}) / 8 for now, then in zip(lists, earlier_lists, strict=True)]
    assert np.mean(shared) > 0.7


def test_a_warm_fit_takes_its_share_of_the_rounds(model: Recommender) -> None:
    data, kind = small_world(), type(model)
    earlier = kind(model.config).fit(data, seed=1)
    config = model.config.model_copy(update={"warm_share": 0.25})
    reported: list[tuple[int, int]] = []
    kind(config).fit(data, seed=1, warm_start=start_of(earlier), progress=lambda *at: reported.append(at))
    rounds = 2 if kind is ALS else 5
    assert reported == [(done, rounds) for done in range(1, rounds + 1)]


@pytest.mark.parametrize("name", ["als", "bpr", "mf"])
def test_twice_the_effort_takes_twice_the_rounds(name: str) -> None:
    data, kind = small_world(), type(MODELS[name])
    config = MODELS[name].config.model_copy(update={"warm_share": 0.1})
    start = start_of(kind(config).fit(data, seed=1))
    taken = []
    for effort in (1, 2):
        reported: list[tuple[int, int]] = []
        kind(config).fit(
            data,
            seed=1,
            warm_start=replace(start, effort=effort),
            progress=lambda *at, to=reported: to.append(at),
        )
        taken.append(len(reported))
    assert taken == ([1, 2] if name == "als" else [2, 4])


def test_a_warm_fit_takes_no_more_rounds_than_a_cold_one() -> None:
    assert [warm_rounds(rounds, 0.8, 2) for rounds in (1, 3, 10)] == [1, 3, 10]


def test_the_same_start_and_seed_give_the_same_bits(model: Recommender) -> None:
    data, kind = small_world(), type(model)
    start = start_of(kind(model.config).fit(data, seed=1))
    first, again, cold = (
        kind(model.config).fit(data, seed=3, warm_start=given).score(np.arange(N_USERS))
        for given in (start, start, None)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, cold, equal_nan=True)


def test_a_fit_does_not_change_its_start(model: Recommender) -> None:
    data, kind = small_world(), type(model)
    start = start_of(kind(model.config).fit(data, seed=1))
    kept = {name: array.copy() for name, array in start.arrays.items()}
    kind(model.config).fit(data, seed=3, warm_start=start)
    for name, array in kept.items():
        np.testing.assert_array_equal(array, start.arrays[name])


def test_new_users_and_items_are_learned(model: Recommender) -> None:
    """New ones are served as those of a cold fit: of their own taste, which ratings here do not show."""
    data, kind = small_world(), type(model)
    earlier = kind(model.config).fit(without(data, NEW_USER, NEW_ITEM), seed=1)
    start = start_of(earlier, places(N_USERS, NEW_USER), places(N_ITEMS, NEW_ITEM))
    warm = kind(model.config).fit(data, seed=1, warm_start=start)
    scores = warm.score(np.arange(N_USERS))
    assert np.isfinite(scores[NEW_USER]).sum() == warm.known_items_.sum()
    if model.name == "mf":
        assert warm.item_rating_bias_[NEW_ITEM] != 0
        assert warm.user_factors_[NEW_USER].any()
        return
    own, other = (
        scores[NEW_USER, np.arange(N_ITEMS) % 2 == side] for side in (NEW_USER % 2, 1 - NEW_USER % 2)
    )
    assert np.nanmean(own) > np.nanmean(other)
    fans, others = (
        scores[np.arange(N_USERS) % 2 == side, NEW_ITEM] for side in (NEW_ITEM % 2, 1 - NEW_ITEM % 2)
    )
    assert np.nanmean(fans) > np.nanmean(others)


def test_a_start_of_other_factors_is_refused(model: Recommender) -> None:
    data, kind = small_world(), type(model)
    start = start_of(kind(model.config).fit(data, seed=1))
    other = kind(model.config.model_copy(update={"factors": 9}))
    with pytest.raises(WarmStartError, match=r"of the earlier fit is of shape .*; the new fit needs"):
        other.fit(data, seed=1, warm_start=start)
    assert not hasattr(other, "known_items_"), "the fit failed, and the model is not fitted"


def test_a_start_without_an_array_is_refused(model: Recommender) -> None:
    earlier = type(model)(model.config).fit(small_world(), seed=1)
    learned = {name: array for name, array in vars(earlier).items() if name not in earlier.warm_parts()}
    with pytest.raises(WarmStartError, match=r"the earlier fit has no \w+_"):
        WarmStart.of(learned, earlier.warm_parts(), np.arange(N_USERS), np.arange(N_ITEMS))


def test_a_saved_fit_is_as_good_a_start(model: Recommender, tmp_path: Any) -> None:
    data, kind = small_world(), type(model)
    earlier = kind(model.config).fit(data, seed=1)
    earlier.save(tmp_path)
    a, b = (
        kind(model.config).fit(data, seed=1, warm_start=start_of(each))
        for each in (earlier, kind.load(tmp_path))
    )
    np.testing.assert_array_equal(a.score(np.arange(N_USERS)), b.score(np.arange(N_USERS)))


@pytest.mark.parametrize(
    "model",
    [ItemKNN(), CKE(), KGCN(), MF(MFConfig(implicit_term=True)), BPR(BPRConfig(sampler="implicit"))],
    ids=lambda each: each.name,
)
def test_models_without_warm_starts_ignore_one(model: Recommender) -> None:
    assert model.warm_parts() == {}
    if model.name != "item_knn":
        return
    junk = WarmStart({"user_factors_": np.zeros((1, 1), np.float32)})
    cold, warm = (ItemKNN().fit(small_world(), seed=1, warm_start=start) for start in (None, junk))
    np.testing.assert_array_equal(cold.score(np.arange(N_USERS)), warm.score(np.arange(N_USERS)))


def test_als_solves_for_a_new_user_at_once() -> None:
    """After a single round the new user's scores are nearly those of a cold fit of many rounds."""
    data = small_world()
    config = ALSConfig(factors=8, iterations=30)
    earlier = ALS(config).fit(without(data, NEW_USER, NEW_ITEM), seed=1)
    start = start_of(earlier, places(N_USERS, NEW_USER), places(N_ITEMS, NEW_ITEM))
    warm = ALS(config.model_copy(update={"warm_share": 0.01})).fit(data, seed=1, warm_start=start)
    cold = ALS(config).fit(data, seed=1)
    a, b = (each.score(np.array([NEW_USER]))[0] for each in (warm, cold))
    known = np.isfinite(a)
    assert np.corrcoef(a[known], b[known])[0, 1] > 0.95


@pytest.mark.parametrize(
    ("model", "users", "items"),
    [
        (BPR(BPRConfig(factors=8, learning_rate=1e-9, regularization=0)), "user_factors_", "item_factors_"),
        (LightGCN(LightGCNConfig(factors=8, step=1e-9, shrink=0)), "user_base_", "item_base_"),
        (NGCF(NGCFConfig(factors=8, step=1e-9, shrink=0, layers=2)), "user_base_", "item_base_"),
    ],
    ids=lambda each: getattr(each, "name", ""),
)  # fmt: skip
def test_new_rows_start_at_their_neighbours(model: Recommender, users: str, items: str) -> None:
    """Nothing is learned here, so that rows end where they start."""
    data, kind = small_world(), type(model)
    earlier = kind(model.config).fit(without(data, NEW_USER, NEW_ITEM), seed=1)
    to_user, to_item = places(N_USERS, NEW_USER), places(N_ITEMS, NEW_ITEM)
    model.fit(data, seed=2, warm_start=start_of(earlier, to_user, to_item))
    found = {name: getattr(model, name) for name in (users, items)}
    liked = np.setdiff1d(data.positive.toarray()[NEW_USER].nonzero()[0], [NEW_ITEM])
    expected = getattr(earlier, items)[to_item[liked]].mean(axis=0)
    np.testing.assert_allclose(found[users][NEW_USER], expected, atol=1e-5)
    fans = data.positive.toarray()[:, NEW_ITEM].nonzero()[0]
    np.testing.assert_allclose(found[items][NEW_ITEM], found[users][fans].mean(axis=0), atol=1e-5)


def test_new_rows_get_the_mean_of_their_neighbours() -> None:
    nan = np.nan
    users = np.array([[1, 0], [nan, nan], [nan, nan], [3, 2]], np.float32)
    items = np.array([[4, 4], [2, 0], [nan, nan]], np.float32)
    likes = sparse.csr_array(np.array([[1, 0, 1], [1, 1, 1], [0, 0, 0], [0, 0, 5]], np.float32))
    fill_from_neighbours(users, items, likes)
    np.testing.assert_array_equal(users[:2], [[1, 0], [3, 2]])
    assert np.isnan(users[2]).all(), "a user without items has no neighbours"
    np.testing.assert_allclose(items[2], [7 / 3, 4 / 3])


def test_mf_takes_another_spread_of_the_ratings_into_account() -> None:
    data = small_world()
    wider = replace(data, rating=sparse.csr_array(data.rating * np.float32(2)))
    config = MFConfig(factors=8, epochs=20, learning_rate=1e-9, warm_share=0.01)
    earlier = MF(config.model_copy(update={"learning_rate": 0.02})).fit(data, seed=1)
    warm = MF(config).fit(wider, seed=1, warm_start=start_of(earlier))
    np.testing.assert_allclose(warm.item_factors_, earlier.item_factors_, atol=1e-5)
    np.testing.assert_allclose(warm.user_factors_, earlier.user_factors_, atol=1e-5)


@pytest.mark.parametrize(
    ("rounds", "share", "expected"), [(10, 0.2, 2), (3, 0.1, 1), (80, 0.3, 24), (5, 1, 5)]
)
def test_warm_rounds_are_a_share(rounds: int, share: float, expected: int) -> None:
    assert warm_rounds(rounds, share) == expected
