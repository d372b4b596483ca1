"""New users are judged from their first likes, new items apart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.content.profiles import Content, ContentConfig
from models.graph.social_gcn import SocialGCN, SocialGCNConfig
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from tasks.artifacts import HeldOut
from tasks.evaluation.cold_start import (
    judge_new_items,
    judge_new_users,
    judge_new_users_by_side_data,
)
from tests.examples import examples

K = (1, 3)
LIKES = np.array([[1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 0]])
GENRES = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1]])
DATA = replace(
    Interactions.from_positive(sparse.csr_array(LIKES, dtype=np.float32)),
    item_features=sparse.csr_array(GENRES, dtype=np.float32),
    feature_names=("genre:Drama", "genre:War"),
)
TOUCHED = LIKES.any(axis=0)
POPULARITY, KNN = Popularity().fit(DATA, seed=1), ItemKNN().fit(DATA, seed=1)
CONTENT = Content(ContentConfig(popularity_exponent=0)).fit(DATA, seed=1)


def held_out(folder: Path, likes: list[list[int]]) -> HeldOut:
    """Write what cold users liked, in this order."""
    pairs = np.array([(row, item) for row, items in enumerate(likes) for item in items], np.int32)
    row_idx, item_idx = pairs.reshape(-1, 2).T
    np.savez(folder / "cold_likes.npz", row_idx=row_idx, item_idx=item_idx)
    return HeldOut("h", folder, 0, 0, len(likes), 0.0)


def judged(folder: Path, segment: str) -> dict[str, list[float]]:
    with np.load(folder / f"{segment}.npz") as arrays:
        return {name: arrays[name].tolist() for name in arrays.files}


def test_the_first_likes_are_given_and_the_others_looked_for(tmp_path: Path) -> None:
    held = held_out(tmp_path, [[3, 4, 0], [1]])
    judge_new_users([KNN, POPULARITY], TOUCHED, held, K, tmp_path)
    after_one, after_two = (judged(tmp_path, f"new_users_{given}") for given in (1, 2))
    assert after_one["recall@1"][0] == 0.5, "item 4 is liked with item 3"
    assert after_two["recall@1"][0] == 1, "items 3 and 4 are not listed again, and item 0 is liked with both"
    assert np.isnan(after_one["recall@1"][1]), "nothing is left to find"
    assert np.isnan(judged(tmp_path, "new_users_5")["recall@3"]).all()


def test_later_models_complete_the_lists(tmp_path: Path) -> None:
    held = held_out(tmp_path, [[2, 4, 3]])
    judge_new_users([KNN], TOUCHED, held, K, tmp_path)
    assert judged(tmp_path, "new_users_1")["recall@3"] == [0], "nobody liked these with item 2"
    judge_new_users([KNN, POPULARITY], TOUCHED, held, K, tmp_path)
    assert judged(tmp_path, "new_users_1")["recall@3"] == [0.5], "after items 0 and 1, one of the two"


@settings(
    max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    likes=st.lists(
        st.permutations(range(5)).flatmap(lambda p: st.integers(1, 5).map(lambda n: p[:n])), max_size=4
    )
)
def test_popularity_lists_the_same_whatever_is_given(tmp_path: Path, likes: list[list[int]]) -> None:
    """Found is what popularity lists first, without the items given: by plain loops."""
    for path in tmp_path.glob("new_users_*.npz"):
        path.unlink()
    judge_new_users([POPULARITY], TOUCHED, held_out(tmp_path, likes), K, tmp_path)
    if not likes:
        assert not [*tmp_path.glob("new_users_*.npz")]
        return
    everything = POPULARITY.recommend(np.array([0]), 6).items[0]
    for given_likes in (1, 2, 5):
        found = judged(tmp_path, f"new_users_{given_likes}")["recall@3"]
        for row, liked in enumerate(likes):
            first, later = liked[:given_likes], liked[given_likes:]
            listed = [item for item in everything if item not in first][:3]
            expected = len({*listed} & {*later}) / len(later) if later else np.nan
            assert found[row] == pytest.approx(expected, nan_ok=True)


def test_a_model_that_cannot_fold_in_has_no_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ItemKNN, "_fold_in", Recommender._fold_in)
    judge_new_users([KNN, POPULARITY], TOUCHED, held_out(tmp_path, [[3, 4]]), K, tmp_path)
    assert not [*tmp_path.glob("new_users_*.npz")]


FRIENDS = np.zeros((6, 6))
FRIENDS[4, 3] = FRIENDS[3, 4] = (
    1  # user 4 is a friend of user 3, who likes items 3 and 4; user 5 has no friend
)
WITH_FRIENDS = Interactions.from_positive(
    sparse.csr_array(np.vstack([LIKES, np.zeros((2, 6))]), dtype=np.float32),
)
WITH_FRIENDS = replace(WITH_FRIENDS, links=sparse.csr_array(FRIENDS, dtype=np.float32))


def known_by_links(folder: Path, users: list[int], likes: list[list[int]]) -> HeldOut:
    """Write cold users, their places in the training part (−1: none), and the items that they came to like."""
    held = held_out(folder, likes)
    np.savez(
        folder / "cold_users.npz", user_idx=np.array(users, np.int32), half=np.zeros(len(users), np.int8)
    )
    relevant = np.array([[item in liked for item in range(6)] for liked in likes], np.float32)
    sparse.save_npz(folder / "cold_relevant.npz", sparse.csr_array(relevant))
    return held


def test_new_users_with_friends_are_judged_by_published_lists(tmp_path: Path) -> None:
    """Popularity has item 0 first; the friend of user 4 likes items 3 and 4."""
    held = known_by_links(tmp_path, [5, -1, 4], [[0], [0], [3, 4]])
    social = SocialGCN(SocialGCNConfig(factors=8, epochs=5, device="cpu")).fit(WITH_FRIENDS, seed=1)
    popular = Popularity().fit(WITH_FRIENDS, seed=1)
    judge_new_users_by_side_data([social, popular], TOUCHED, held, K, tmp_path)
    assert judged(tmp_path, "known_new_users")["known"] == [False, False, True]
    found = judged(tmp_path, "new_users_0")
    assert found["recall@3"] == pytest.approx([1, np.nan, 1], nan_ok=True)
    assert found["ndcg@1"] == pytest.approx([1, np.nan, 1], nan_ok=True)
    judge_new_users_by_side_data([popular, popular], TOUCHED, held, K, tmp_path)
    assert judged(tmp_path, "known_new_users")["known"] == [False] * 3, "it has one list for everybody"
    assert judged(tmp_path, "new_users_0")["recall@1"] == pytest.approx([1, np.nan, 0], nan_ok=True)


def test_without_rows_of_new_users_nothing_is_judged(tmp_path: Path) -> None:
    held = known_by_links(tmp_path, [-1, -1], [[0], [1]])
    judge_new_users_by_side_data([KNN, POPULARITY], TOUCHED, held, K, tmp_path)
    assert not (tmp_path / "new_users_0.npz").exists()
    assert not (tmp_path / "known_new_users.npz").exists()


def liking_new_items(folder: Path, users: list[int], likes: np.ndarray) -> HeldOut:
    np.savez(folder / "new_item_users.npz", user_idx=np.array(users, np.int32))
    sparse.save_npz(folder / "new_item_relevant.npz", sparse.csr_array(likes, dtype=np.float32))
    return HeldOut("h", folder, 0, 0, 0, 0.0)


def test_only_new_items_are_ranked_for_new_items(tmp_path: Path) -> None:
    """User 0 would get item 2, and item 5 only after all items that somebody has met."""
    held = liking_new_items(tmp_path, [0, 3], np.eye(6)[[5, 5]])
    assert CONTENT.recommend(np.array([0]), 1, exclude=DATA.seen).items.tolist() == [[2]]
    judge_new_items(CONTENT, TOUCHED, held, K, tmp_path)
    assert judged(tmp_path, "new_items")["mrr@1"] == [1, 1]


@pytest.mark.parametrize(("model", "users"), [(KNN, [0]), (CONTENT, [])])
def test_no_figures_of_new_items(tmp_path: Path, model: Recommender, users: list[int]) -> None:
    """Without anybody who liked one, or of a model that knows none."""
    held = liking_new_items(tmp_path, users, np.eye(6)[[5] * len(users)].reshape(-1, 6))
    judge_new_items(model, TOUCHED, held, K, tmp_path)
    assert not (tmp_path / "new_items.npz").exists()
