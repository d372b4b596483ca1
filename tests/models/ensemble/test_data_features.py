"""Features of the data against their definitions, on interactions small enough to check by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from models.ensemble.data_features import (
    ITEM_FEATURES,
    LATEST_COUNTS,
    item_features,
    latest_likes,
    similarity_to_latest,
)
from models.interactions import Interactions
from models.numerics.unit_vectors import unit_vectors
from tests.models.ensemble import oracle

STARS = np.array([[5, 1, 0, 4], [4, 0, 0, 5], [0, 2, 0, 3]], np.float32)
WHEN = np.array([[10, 20, 0, 90], [30, 0, 0, 95], [0, 50, 0, 100]])


def world() -> Interactions:
    """Item 2 has no interaction and item 1 no like; item 3 is the newest, and every user's latest."""
    rating = sparse.csr_array(STARS)
    likes = sparse.csr_array((STARS > 2).astype(np.float32))
    seen = sparse.csr_array((STARS > 0).astype(np.float32))
    times = sparse.csr_array(WHEN)
    return replace(
        Interactions.from_positive(likes), seen=seen, rating=rating, composite=rating, timestamp=times
    )


def test_item_features_follow_their_definitions() -> None:
    features = dict(zip(ITEM_FEATURES, item_features(world()), strict=True))
    np.testing.assert_allclose(features["popularity"], np.log([3, 3, 1, 4]), rtol=1e-6)
    liked, stars = 5 / 7, 24 / 7
    np.testing.assert_allclose(
        features["liked_share"],
        np.array([2 + 5 * liked, 5 * liked, 5 * liked, 3 + 5 * liked]) / [7, 7, 5, 8],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        features["mean_rating"],
        np.array([9 + 5 * stars, 3 + 5 * stars, 5 * stars, 12 + 5 * stars]) / [7, 7, 5, 8],
        rtol=1e-6,
    )
    np.testing.assert_allclose(features["novelty"], -np.log(1.01 - np.array([0, 1, 7, 4]) / 7), rtol=1e-5)
    np.testing.assert_allclose(
        features["trend_30%"],
        np.log(np.array([1, 1, 1, 4]) / (0.3 * np.array([2, 2, 0, 3]) + 1)),
        rtol=1e-5,
        atol=1e-6,
    )


def test_item_features_are_finite_without_interactions() -> None:
    nothing = Interactions.from_positive(sparse.csr_array((2, 3), dtype=np.float32))
    assert np.isfinite(item_features(nothing)).all()
    assert (latest_likes(nothing) == -1).all()


def test_latest_likes_come_newest_first() -> None:
    latest = latest_likes(world())
    assert latest.shape == (3, max(LATEST_COUNTS))
    assert [[i for i in row if i >= 0] for row in latest.tolist()] == [[3, 0], [3, 0], [3]]


def test_likes_without_a_timestamp_come_last() -> None:
    data = world()
    odd = replace(
        data, positive=sparse.csr_array(np.array([[1, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32))
    )
    assert latest_likes(odd)[0, :3].tolist() == [1, 0, 2]


@pytest.mark.parametrize("seed", range(3))
def test_latest_likes_of_random_users_are_sorted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    likes = (rng.random((40, 90)) < rng.random((40, 1))).astype(np.float32)
    times = rng.integers(1, 20, likes.shape) * (rng.random(likes.shape) < 0.8)
    data = replace(
        Interactions.from_positive(sparse.csr_array(likes)),
        timestamp=sparse.csr_array(times.astype(np.int64)),
    )
    for user, latest in enumerate(latest_likes(data).tolist()):
        in_order = sorted(np.flatnonzero(likes[user]).tolist(), key=lambda item: (-times[user, item], item))
        assert [item for item in latest if item >= 0] == in_order[: max(LATEST_COUNTS)]


@pytest.mark.parametrize("seed", range(3))
def test_similarity_to_latest_is_the_mean_cosine(seed: int) -> None:
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(50, 6)).astype(np.float32)
    raw[4] = 0
    vectors = unit_vectors(raw)
    latest = np.full((4, max(LATEST_COUNTS)), -1, np.int32)
    for user, length in enumerate((0, 2, 7, 30)):
        latest[user, :length] = rng.permutation(50)[:length]
    row, item = np.array([0, 0, 1, 3, 3, 3]), rng.integers(0, 50, 6)
    found = similarity_to_latest(row, item, latest, vectors)
    for which, count in enumerate(LATEST_COUNTS):
        for at, (user, candidate) in enumerate(zip(row, item, strict=True)):
            liked = [i for i in latest[user, :count] if i >= 0]
            cosines = [
                raw[i] @ raw[candidate] / max(np.linalg.norm(raw[i]) * np.linalg.norm(raw[candidate]), 1e-9)
                for i in liked
            ]
            assert found[which, at] == pytest.approx(np.mean(cosines) if liked else 0, abs=1e-5)


def test_mean_cosines_have_the_bits_of_plain_sums() -> None:
    """Rows of 0 to 11 candidates, with whole fours and with a rest."""
    rng = np.random.default_rng(4)
    row = np.repeat(np.arange(12), np.arange(12))
    item = rng.integers(0, 50, len(row))
    latest = rng.integers(0, 50, (12, max(LATEST_COUNTS))).astype(np.int32)
    latest[np.arange(30) >= rng.integers(0, 31, 12)[:, None]] = -1
    vectors = unit_vectors(rng.normal(size=(50, 17)).astype(np.float32))
    ours = similarity_to_latest(row, item, latest, vectors)
    assert np.array_equal(ours, oracle.mean_cosines(row, item, latest, LATEST_COUNTS, vectors))
