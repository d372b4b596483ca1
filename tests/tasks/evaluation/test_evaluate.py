"""Judged lists hold items that are new to the user, and are completed like published ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.content.profiles import Content, ContentConfig
from models.factors.mf import MF
from models.factors.mf_config import MFConfig
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from tasks.artifacts import FittedModel, HeldOut, Snapshot
from tasks.evaluation.evaluate import evaluate, evaluate_fallback
from tasks.preparation.item_statistics import write_item_statistics
from tests.tasks.judged import similar_pairs

LIKES = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
K = (1, 10)


def kept(folder: Path, model: Recommender, data: Interactions) -> FittedModel:
    model.fit(data, seed=1).save(folder / model.name)
    return FittedModel(model.name, folder / model.name, model.name, 0.0, 0.0)


def snapshot_of(folder: Path, data: Interactions) -> Snapshot:
    (folder / "snapshot").mkdir()
    data.save(folder / "snapshot")
    return Snapshot("s", folder / "snapshot", *LIKES.shape, 0, 0, 0, 0, 0)


def held_out(
    folder: Path,
    snapshot: Snapshot,
    relevant: dict[int, list[int]],
    cold: list[list[int]],
    ratings: list[tuple[int, int, float]] = [],  # noqa: B006
    item_pairs: list[tuple[int, int, int, int, bool]] = [],  # noqa: B006
    cold_users: list[int] | None = None,
) -> HeldOut:
    """Write held-out users with relevant items, cold users with theirs, later (user, item, rating), and pairs of items.

    See `similar_pairs`. `cold_users` are the rows of the cold users in the snapshot; by default they have none.
    """
    places = [-1] * len(cold) if cold_users is None else cold_users
    np.savez(folder / "cold_users.npz", user_idx=np.array(places, np.int32))
    users = np.array(list(relevant), np.int32)
    np.savez(folder / "users.npz", user_idx=users)
    rated = np.array(ratings).reshape(-1, 3)
    pairs = {"user_idx": rated[:, 0].astype(np.int32), "item_idx": rated[:, 1].astype(np.int32)}
    np.savez(folder / "ratings.npz", **pairs, rating=rated[:, 2].astype(np.float32))
    write_item_statistics(snapshot, users, seed=1, folder=folder)
    for name, wanted in (("relevant", list(relevant.values())), ("cold_relevant", cold)):
        matrix = sparse.lil_array((len(wanted), LIKES.shape[1]), dtype=np.float32)
        for row, items in enumerate(wanted):
            matrix[row, items] = 1
        sparse.save_npz(folder / f"{name}.npz", sparse.csr_array(matrix))
    likes = [(row, item) for row, items in enumerate(cold) for item in items]
    row_idx, item_idx = np.array(likes, np.int32).reshape(-1, 2).T
    np.savez(folder / "cold_likes.npz", row_idx=row_idx, item_idx=item_idx)
    np.savez(folder / "new_item_users.npz", user_idx=np.array([], np.int32))
    similar_pairs(folder, item_pairs)
    return HeldOut("h", folder, len(relevant), 0, len(cold), 0.0)


def test_seen_items_are_left_out_and_short_lists_completed(tmp_path: Path) -> None:
    data = Interactions.from_positive(sparse.csr_array(LIKES, dtype=np.float32))
    popular, knn = kept(tmp_path, Popularity(), data), kept(tmp_path, ItemKNN(), data)
    snapshot = snapshot_of(tmp_path, data)
    held = held_out(tmp_path, snapshot, {0: [2], 2: [0], 3: [1, 4]}, [], item_pairs=[(0, 1, 2, 0, True)])
    for matrix in ("rating", "positive", "composite", "timestamp", "item_features"):
        (snapshot.folder / f"{matrix}.npz").unlink()  # judging needs none of them
    found = evaluate(knn, (popular,), snapshot, held, K, key="k", folder=tmp_path)
    with np.load(found.folder / "per_user.npz") as per_user:
        assert per_user["recall@10"].tolist() == [1, 1, 1], "user 2 has no neighbours, user 3 none for item 4"
        assert per_user["recall@1"].tolist() == [1, 1, 0.5]
    with np.load(found.folder / "similar_items.npz") as similar:
        assert similar["link_mrr"].tolist() == [1 / 2], (
            "item 0 is more similar to item 1, user 0 has seen it or not"
        )
    found = evaluate(popular, (popular,), snapshot, held, K, key="k", folder=tmp_path)
    with np.load(found.folder / "per_user.npz") as per_user:
        assert per_user["mrr@10"][2] == 1, "item 0 is the most popular, but user 3 has seen it"


def test_new_users_with_a_row_are_judged_with_nothing_given(tmp_path: Path) -> None:
    data = Interactions.from_positive(
        sparse.csr_array(LIKES * (np.arange(5) != 4)[:, None], dtype=np.float32)
    )
    popular, snapshot = kept(tmp_path, Popularity(), data), snapshot_of(tmp_path, data)
    held = held_out(tmp_path, snapshot, {0: [2]}, [[1], [0]], cold_users=[-1, 4])
    found = evaluate(popular, (popular,), snapshot, held, K, key="k", folder=tmp_path)
    with np.load(found.folder / "new_users_0.npz") as values:
        assert values["mrr@1"] == pytest.approx([np.nan, 1], nan_ok=True), "item 0 is the most popular"


def test_untouched_items_are_left_out(tmp_path: Path) -> None:
    drama = np.array([[1], [1], [1], [0], [1]])  # item 4 is like what user 0 liked, and new
    likes = LIKES * (np.arange(5) != 4)
    data = replace(
        Interactions.from_positive(sparse.csr_array(likes, dtype=np.float32)),
        item_features=sparse.csr_array(drama, dtype=np.float32),
        feature_names=("genre:Drama",),
    )
    plain = Content(ContentConfig(popularity_exponent=0, caution=0))
    content, popular = kept(tmp_path, plain, data), kept(tmp_path, Popularity(), data)
    assert {2, 4} == set(plain.recommend(np.array([0]), 2, exclude=data.seen).items[0])
    snapshot = snapshot_of(tmp_path, data)
    held = held_out(tmp_path, snapshot, {0: [3]}, [])
    found = evaluate(content, (popular,), snapshot, held, K, key="k", folder=tmp_path)
    with np.load(found.folder / "per_user.npz") as per_user:
        assert per_user["mrr@10"].tolist() == [1 / 2], "after item 2, as item 4 is left out"


def test_cold_users_are_judged_on_the_fallback_list(tmp_path: Path) -> None:
    data = Interactions.from_positive(sparse.csr_array(LIKES, dtype=np.float32))
    held = held_out(tmp_path, snapshot_of(tmp_path, data), {}, [[0], [1], [2]])
    found = evaluate_fallback(kept(tmp_path, Popularity(), data), held, K, key="k", folder=tmp_path)
    with np.load(found.folder / "per_user.npz") as per_user:
        assert per_user["recall@1"].tolist() == [1, 0, 0]
        assert per_user["mrr@10"][:2].tolist() == [1, 0.5]


def test_list_metrics_and_item_classes_are_written(tmp_path: Path) -> None:
    likes = np.zeros((5, 5))
    likes[:, 0], likes[:2, 1], likes[1, 2], likes[2, 3], likes[3, 4] = 1, 1, 1, 1, 1
    data = replace(
        Interactions.from_positive(sparse.csr_array(likes, dtype=np.float32)),
        item_features=sparse.csr_array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32),
        feature_names=("genre:Drama", "genre:War"),
    )
    popular, snapshot = kept(tmp_path, Popularity(), data), snapshot_of(tmp_path, data)
    held = held_out(tmp_path, snapshot, {4: [1, 3, 4]}, [])
    found = evaluate(popular, (popular,), snapshot, held, K, key="k", folder=tmp_path)
    with np.load(found.folder / "lists.npz") as lists:
        items = lists["items"][0]
        assert items[0] == 1
        assert sorted(items[1:4]) == [2, 3, 4]
        assert items[4:].tolist() == [-1] * 6
        assert lists["novelty@1"][0] == pytest.approx(np.log2(5 / 2))
        assert lists["novelty@10"][0] == pytest.approx((np.log2(5 / 2) + 3 * np.log2(5)) / 4)
        assert lists["list_popularity@10"][0] == pytest.approx((2 + 1 + 1 + 1) / 5 / 4)
        assert lists["ild_features@10"][0] == pytest.approx(4 / 6), "two of each genre: two pairs are alike"
        assert np.isnan(lists["ild_features@1"][0]), "one item is not unlike itself"
    with np.load(found.folder / "middle.npz") as middle:
        assert middle["recall@1"][0] == pytest.approx(1 / 3), (
            "half of the interactions are of a more popular item"
        )
    with np.load(found.folder / "head.npz") as head:
        assert np.isnan(head["recall@10"][0]), "no item of the head is relevant"
    assert not (found.folder / "errors.npz").exists(), "popularity predicts no ratings"


@pytest.mark.parametrize(("matrix", "judged"), [(None, True), ("composite", False)])
def test_rating_errors_are_written_for_models_of_ratings(
    tmp_path: Path, matrix: str | None, judged: bool
) -> None:
    data = Interactions.from_positive(sparse.csr_array(LIKES, dtype=np.float32))
    data = replace(data, rating=data.rating * 4)
    model = MF(MFConfig(factors=2, epochs=2, matrix=matrix))
    mf, popular = kept(tmp_path, model, data), kept(tmp_path, Popularity(), data)
    snapshot = snapshot_of(tmp_path, data)
    held = held_out(tmp_path, snapshot, {0: [2]}, [], ratings=[(0, 2, 3.0), (3, 4, 5.0)])
    found = evaluate(mf, (popular,), snapshot, held, K, key="k", folder=tmp_path)
    assert (found.folder / "errors.npz").exists() == judged
    if judged:
        with np.load(found.folder / "errors.npz") as errors:
            assert errors["error"].tolist() == [1.0, -1.0], "all ratings are 4, and so is every prediction"


def test_an_evaluation_says_that_the_model_learned_nothing(tmp_path: Path) -> None:
    data = Interactions.from_positive(sparse.csr_array(LIKES, dtype=np.float32))
    popular = kept(tmp_path, Popularity(), data)
    snapshot = snapshot_of(tmp_path, data)
    held = held_out(tmp_path, snapshot, {0: [2]}, [])
    for learned in (True, False):
        fitted = replace(popular, learned=learned)
        assert evaluate(fitted, (popular,), snapshot, held, K, key="k", folder=tmp_path).learned == learned
