"""The two stages against the contract of all recommenders; the features of their context, and what these decide."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
from scipy import sparse

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.ensemble.blend import BlendConfig
from models.ensemble.cross_fitting import LearningReport, learn
from models.ensemble.settings import BlendOptions
from models.ensemble.two_stage import TwoStage
from models.factors.als import ALS, ALSConfig
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from tests.models.contract import N_ITEMS, N_USERS, interactions, same
from tests.models.ensemble.ensemble_contract import EnsembleContract
from tests.models.ensemble.test_cross_fitting import ndcg
from tests.models.retrieval.test_two_tower import with_features

DAY = 86_400
WEIGHTS = {"score item_knn": 1.0, "popularity": 0.1, "near latest profile": 0.7, "near week's profile": 0.1}


def dated(data: Interactions) -> Interactions:
    """Let every user meet one item after the other, from the last to the first, half a day each."""
    times = data.timestamp.copy()
    times.data = (data.n_items - times.indices.astype(np.int64)) * DAY // 2
    return replace(data, timestamp=times)


def two_stage(
    data: Interactions, weights: dict[str, float], retriever: Recommender | None = None
) -> TwoStage:
    member = retriever or Popularity().fit(data, seed=1)
    return TwoStage(BlendConfig(members={member.name: member.name}, weights=weights), [member]).fit(
        data, seed=1
    )


class TestTwoStage(EnsembleContract):
    model = TwoStage
    weights = WEIGHTS
    kept_of_own_history = 0.9

    def described(self, data: Interactions) -> Interactions:
        return dated(with_features(data))

    def members(self, data: Interactions, seed: int) -> list[Recommender]:
        return [ItemKNN().fit(data, seed=seed)]


# -- features -------------------------------------------------------------------------------------------


def tiny() -> Interactions:
    """Return four users, and six items with the features a, a, b, b, a + b and none.

    User 0 liked item 0 on day 1, met item 4 and liked item 2 on day 20. User 1 did the same, but all at once. User 2
    met item 3, and later item 5. User 3 is new.
    """
    times = np.zeros((4, 6), np.int64)
    times[0, [0, 4, 2]] = DAY, 20 * DAY, 20 * DAY + 60
    times[1, [0, 4, 2]] = 20 * DAY
    times[2, [3, 5]] = 20 * DAY, 20 * DAY + 60
    likes = np.zeros((4, 6), np.float32)
    likes[:2, [0, 2]] = 1
    features = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [0, 0]], np.float32)
    met = interactions(times > 0)
    liked = sparse.csr_array(likes)
    return replace(
        met, positive=liked, composite=liked, timestamp=sparse.csr_array(times),
        item_features=sparse.csr_array(features), feature_names=("a", "b"),
    )  # fmt: skip


def features_of(model: TwoStage, users: list[int]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the items of the pool, (n_users, n_items), and feature → values of the same shape: all are candidates."""
    ids, n_items = np.array(users), len(model.known_items_)
    (rows, pool), = model.candidates(ids, None, np.ones(n_items, bool))  # fmt: skip
    assert rows == slice(0, len(users))
    columns = list(model.feature_columns(pool, ids))
    shape = len(users), -1
    named = {name: column.reshape(shape) for name, column in zip(model.feature_names, columns, strict=True)}
    return pool.item.reshape(shape), named


def test_features_of_the_context_are_those_by_hand() -> None:
    """Every feature is given to three of six items: both weigh the same, and those of item 4 are at 45 degrees.

    The latest likes of users 0 and 1 are items 0 and 2, in the direction of item 4. Of the last seven days user 0 has
    items 4 and 2: the mean is (0.5 · √½, 0.5 · √½ + 0.5), of length 0.92. User 1, who came once, has no last days.
    """
    items, found = features_of(two_stage(tiny(), {}), [0, 1, 2, 3])
    assert items[0].tolist() == [0, 2, 3, 4, 5], "no user met item 1, which popularity does not know"
    diagonal, a, b = sqrt(0.5), 0.5 * sqrt(0.5), 0.5 * sqrt(0.5) + 0.5
    a, b = a / sqrt(a**2 + b**2), b / sqrt(a**2 + b**2)
    latest, week = found["near latest profile"], found["near week's profile"]
    assert latest[:2] == pytest.approx(np.array([[diagonal, diagonal, diagonal, 1, 0]] * 2), abs=1e-6)
    assert not latest[2:].any(), "they liked nothing"
    assert week[0] == pytest.approx([a, b, b, (a + b) * diagonal, 0], abs=1e-6)
    assert not week[1].any()
    assert week[2] == pytest.approx([0, 1, 1, diagonal, 0], abs=1e-6)
    assert not week[3].any()


def test_features_are_named_after_member_item_and_pair() -> None:
    data = dated(with_features(interactions(np.ones((3, 4)))))
    with_vectors = ALS(ALSConfig(factors=2, iterations=1)).fit(data, seed=1)
    for retriever, near in ((None, []), (with_vectors, ["near last 3", "near last 10", "near last 30"])):
        model = two_stage(data, {}, retriever)
        _, found = features_of(model, [0, 1, 2])
        *others, latest, week = found
        assert others[:3] == [f"{kind} {model.members[0].name}" for kind in ("1/rank", "log rank", "score")]
        assert [name for name in others if name.startswith("near")] == near
        assert (latest, week) == ("near latest profile", "near week's profile")


def test_items_without_features_leave_the_context_empty() -> None:
    _, found = features_of(two_stage(dated(interactions(np.ones((3, 4)))), {}), [0, 1, 2])
    assert not found["near latest profile"].any()
    assert not found["near week's profile"].any()


# -- lists ----------------------------------------------------------------------------------------------


def genres(seed: int = 0) -> tuple[Interactions, np.ndarray]:
    """Return users who like items of two genres, of which they met only one in their last week, and that genre.

    Genres are the even and the odd items. All items are about as popular.
    """
    rng = np.random.default_rng(seed)
    last = rng.integers(2, size=N_USERS)
    times = np.zeros((N_USERS, N_ITEMS), np.int64)
    for user in range(N_USERS):
        for genre, day in ((1 - last[user], 10), (last[user], 90)):
            of_genre = rng.choice(np.arange(genre, N_ITEMS, 2), 6, replace=False)
            times[user, of_genre] = day * DAY + 3600 * np.arange(6)
    features = sparse.csr_array(np.eye(2, dtype=np.float32)[np.arange(N_ITEMS) % 2])
    data = replace(
        interactions(times > 0), timestamp=sparse.csr_array(times), item_features=features,
        feature_names=("even", "odd"),
    )  # fmt: skip
    return data, last


def held_out(data: Interactions, genre: np.ndarray, seed: int = 1) -> sparse.csr_array:
    """Return a few unseen items of the genre of each user."""
    rng = np.random.default_rng(seed)
    is_wanted = (data.seen.toarray() == 0) & (np.arange(N_ITEMS) % 2 == genre[:, None])
    return sparse.csr_array((is_wanted & (rng.random(is_wanted.shape) < 0.4)).astype(np.float32))


def learned(data: Interactions, relevant: sparse.csr_array) -> tuple[TwoStage, LearningReport]:
    return learn(
        two_stage(data, {}), np.arange(N_USERS), relevant, BlendOptions(folds=3, regularization=2.0), ndcg,
        exclude=data.seen, eligible=np.ones(N_ITEMS, bool), n=10, seed=4,
    )  # fmt: skip


def test_weight_on_the_latest_profile_ranks_by_it() -> None:
    data = dated(with_features(interactions(np.random.default_rng(0).random((N_USERS, N_ITEMS)) < 0.2)))
    model = two_stage(data, {"near latest profile": 2.0})
    lists = model.recommend(np.arange(N_USERS), 10, exclude=data.seen)
    idf = np.log((N_ITEMS + 1) / (data.item_features.toarray().astype(bool).sum(axis=0) + 1))
    profiles = np.log1p(data.item_features.toarray()) * idf
    lengths = np.linalg.norm(profiles, axis=1, keepdims=True)
    profiles = np.divide(profiles, lengths, out=np.zeros_like(profiles), where=lengths > 0)
    ranked = 0
    for user, (items, scores) in enumerate(zip(*lists, strict=True)):
        mean = data.positive.toarray()[user] @ profiles
        cosines = profiles @ mean / np.linalg.norm(mean)
        unseen = np.flatnonzero((data.seen.toarray()[user] == 0) & model.known_items_)
        assert scores == pytest.approx(2 * cosines[items], abs=1e-5)
        assert cosines[items].min() >= np.sort(cosines[unseen])[-10] - 1e-5, "the best of all come first"
        ranked += len(np.unique(np.round(scores, 4))) > 1
    assert ranked > N_USERS / 2


def test_the_second_stage_learns_to_rank_by_the_latest_week() -> None:
    """Retrieval does not tell the users apart: popularity lists the items of both genres."""
    data, last = genres()
    relevant = held_out(data, last)
    model, report = learned(data, relevant)
    retrieved = model.members[0].recommend(np.arange(N_USERS), 10, exclude=data.seen).items
    ranked = model.recommend(np.arange(N_USERS), 10, exclude=data.seen).items
    assert report.method == "ranker"
    assert ndcg(ranked, relevant).mean() > 1.4 * ndcg(retrieved, relevant).mean()
    assert np.mean(ranked[:, :5] % 2 == last[:, None]) > 0.95
    assert max(model.config.weights, key=lambda name: model.config.weights[name]) == "near week's profile"


def test_without_a_week_the_second_stage_ranks_by_all_likes() -> None:
    """Users like one genre alone, and data without times have no last days."""
    rng = np.random.default_rng(0)
    taste = rng.integers(2, size=N_USERS)
    likes = (rng.random((N_USERS, N_ITEMS)) < 0.4) & (np.arange(N_ITEMS) % 2 == taste[:, None])
    timed, _ = genres()
    data = replace(interactions(likes), item_features=timed.item_features, feature_names=timed.feature_names)
    relevant = held_out(data, taste)
    model, report = learned(data, relevant)
    retrieved = model.members[0].recommend(np.arange(N_USERS), 10, exclude=data.seen).items
    assert report.scores["ranker"] > 1.4 * ndcg(retrieved, relevant).mean()
    assert model.config.weights["near latest profile"] > 0
    assert "near week's profile" not in model.config.weights


def test_new_users_are_ranked_by_their_histories() -> None:
    data, _ = genres()
    model = two_stage(data, {"near latest profile": 1.0, "near week's profile": 1.0})
    histories = [[0, 2, 4], [1], [3, 0, 5], []]
    lists = model.recommend_for(histories, 6).items
    assert (lists[:2] % 2 == np.array([[0], [1]])).all()
    assert (lists[2] % 2 == 1).all(), "two of three"
    assert (lists[3] == -1).all()
    for history, row in zip(histories, lists, strict=True):
        assert not set(history) & set(row.tolist())
    before = model.recommend(np.arange(N_USERS), 6)
    assert same(model.recommend(np.arange(N_USERS), 6), before), "the model itself is not changed"


def test_a_week_holds_the_latest_fifty_events() -> None:
    data = interactions(np.ones((2, 70)))
    times = data.timestamp.copy()
    times.data = 100 * DAY + np.tile(np.arange(70), 2)
    times.data[70:] -= DAY * np.arange(70)[::-1]  # user 1 comes every day
    week = two_stage(replace(data, timestamp=times), {}).week_.toarray()
    assert np.flatnonzero(week[0]).tolist() == list(range(20, 70))
    assert np.flatnonzero(week[1]).tolist() == list(range(63, 70))
    assert week.sum(axis=1) == pytest.approx([1, 1])
