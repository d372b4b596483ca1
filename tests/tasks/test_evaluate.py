"""Judging ranks what is new to the user, and completes lists as published ones are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import sparse

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.content.profiles import Content, ContentConfig
from models.interactions import Interactions
from models.neighbours.item_knn import ItemKNN
from tasks.evaluate import evaluate, evaluate_strangers
from tasks.references import FittedModel, HeldOut, Snapshot
from tasks.settings import JudgeSettings

LIKES = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]])
SETTINGS = JudgeSettings(k=(1, 10))


def kept(folder: Path, model: Recommender, data: Interactions) -> FittedModel:
    model.fit(data, seed=1).save(folder / model.name)
    return FittedModel(model.name, folder / model.name, model.name, 0.0, 0.0)


def held_out(folder: Path, relevant: dict[int, list[int]], cold: list[list[int]]) -> HeldOut:
    """Users and what each of them came to like; strangers, likewise."""
    np.savez(folder / "users.npz", user_idx=np.array(list(relevant), np.int32))
    for name, wanted in (("relevant", list(relevant.values())), ("cold_relevant", cold)):
        matrix = sparse.lil_array((len(wanted), LIKES.shape[1]), dtype=np.float32)
        for row, items in enumerate(wanted):
            matrix[row, items] = 1
        sparse.save_npz(folder / f"{name}.npz", sparse.csr_array(matrix))
    return HeldOut("h", folder, len(relevant), 0, len(cold), 0.0)


def test_lists_are_masked_and_completed(tmp_path: Path) -> None:
    data = Interactions.from_positive(sparse.csr_array(LIKES, dtype=np.float32))
    popular, knn = kept(tmp_path, Popularity(), data), kept(tmp_path, ItemKNN(), data)
    for matrix in ("rating", "positive", "composite", "timestamp"):
        assert not (tmp_path / f"{matrix}.npz").exists(), "judging needs none of them"
    sparse.save_npz(tmp_path / "seen.npz", data.seen)
    snapshot = Snapshot("s", tmp_path, *LIKES.shape, 0, 0, 0, 0, 0)
    held = held_out(tmp_path, {0: [2], 2: [0], 3: [1, 4]}, [])
    found = evaluate(knn, (popular,), snapshot, held, SETTINGS, key="k", folder=tmp_path)
    with np.load(found.folder / "per_user.npz") as per_user:
        assert per_user["recall@10"].tolist() == [1, 1, 1], "user 2 has no neighbours, user 3 none for item 4"
        assert per_user["recall@1"].tolist() == [1, 1, 0.5]
    found = evaluate(popular, (popular,), snapshot, held, SETTINGS, key="k", folder=tmp_path)
    with np.load(found.folder / "per_user.npz") as per_user:
        assert per_user["mrr@10"][2] == 1, "item 0 is the most popular, but user 3 has seen it"


def test_items_that_nobody_touched_take_no_place(tmp_path: Path) -> None:
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
    sparse.save_npz(tmp_path / "seen.npz", data.seen)
    snapshot = Snapshot("s", tmp_path, *LIKES.shape, 0, 0, 0, 0, 0)
    held = held_out(tmp_path, {0: [3]}, [])
    found = evaluate(content, (popular,), snapshot, held, SETTINGS, key="k", folder=tmp_path)
    with np.load(found.folder / "per_user.npz") as per_user:
        assert per_user["mrr@10"].tolist() == [1 / 2], "after item 2, as item 4 is left out"


def test_strangers_are_judged_by_the_list_for_everybody(tmp_path: Path) -> None:
    data = Interactions.from_positive(sparse.csr_array(LIKES, dtype=np.float32))
    held = held_out(tmp_path, {}, [[0], [1], [2]])
    found = evaluate_strangers(kept(tmp_path, Popularity(), data), held, SETTINGS, key="k", folder=tmp_path)
    with np.load(found.folder / "per_user.npz") as per_user:
        assert per_user["recall@1"].tolist() == [1, 0, 0]
        assert per_user["mrr@10"][:2].tolist() == [1, 0.5]
