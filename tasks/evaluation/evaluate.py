"""Judge one fitted model on the held-out users: every metric, per user. `metric_rows.py` makes figures of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.base import Progress, Recommender
from models.evaluation.beyond_accuracy import list_means, self_information
from models.evaluation.diversity import intra_list_diversity
from models.evaluation.metrics import ranking_metrics
from models.evaluation.slices import ITEM_CLASSES, restricted
from models.interactions import load_matrix, touched_items
from tasks.artifacts import Evaluation, FittedModel, HeldOut, Snapshot
from tasks.preparation.item_statistics import load_item_statistics
from tasks.recommendation.backfill import completed_lists
from tasks.storage.stage import stage
from tasks.training.fit import load_model

LIST_METRICS = ("novelty", "list_popularity", "ild_features", "ild_vectors")
"""What is said of a list whatever is relevant, per user."""

_BLOCK = 8192


@stage("evaluate", model=lambda given: str(given["fitted"].model))
def evaluate(
    fitted: FittedModel,
    fillers: Sequence[FittedModel],
    snapshot: Snapshot,
    held_out: HeldOut,
    k: tuple[int, ...],
    *,
    progress: Progress | None = None,
    key: str,
    folder: Path,
) -> Evaluation:
    """Rank for the held-out users and keep what each of them got: see `held_out_lists` and `judge_lists`."""
    started = time.perf_counter()
    models = [load_model(each) for each in (fitted, *fillers)]
    lists = held_out_lists(models, snapshot, held_out, max(k), progress=progress)
    judge_lists(lists, held_out, k, folder)
    judge_ratings(models[0], held_out, folder)
    return Evaluation(key, folder, fitted.model, round(time.perf_counter() - started, 3), fitted.learned)


def held_out_lists(
    models: Sequence[Recommender],
    snapshot: Snapshot,
    held_out: HeldOut,
    n: int,
    *,
    progress: Progress | None = None,
) -> NDArray[np.int32]:
    """Rank all items that the training part knows, seen ones masked: (n_users, n) in the order of `HeldOut`, −1 pads.

    As in published lists, the other models complete what the first can rank fewer than n items for. Unlike there, seen
    items are masked whatever `recommend.exclude_seen` says: only items that are new to the user are held out. So are
    items that nobody touched before the cutoff: they are never relevant, but `content` could list them.
    """
    seen = load_matrix(snapshot.folder, "seen")
    users = np.load(held_out.folder / "users.npz", allow_pickle=False)["user_idx"]
    touched = touched_items(seen)
    lists = np.full((len(users), n), -1, np.int32)
    for start in range(0, len(users), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(users)))
        lists[block] = completed_lists(models, users[block], n, seen, touched).items
        if progress is not None:
            progress(block.stop, len(users))
    return lists


def judge_lists(lists: NDArray[np.int32], held_out: HeldOut, ks: Sequence[int], folder: Path) -> None:
    """Write what `Evaluation` describes of ranked lists, (n_users, n) in the order of `HeldOut`, −1 pads."""
    relevant, by = load_matrix(held_out.folder, "relevant"), load_item_statistics(held_out)
    np.savez(folder / "per_user.npz", allow_pickle=False, **ranking_metrics(lists, relevant, ks))
    for number, name in enumerate(ITEM_CLASSES):
        of_class = restricted(relevant, by.item_class == number)
        np.savez(folder / f"{name}.npz", allow_pickle=False, **ranking_metrics(lists, of_class, ks))
    found = {
        "novelty": list_means(lists, self_information(by.popularity), ks),
        "list_popularity": list_means(lists, by.popularity, ks),
        "ild_features": intra_list_diversity(lists, by.feature_vectors, ks),
        "ild_vectors": intra_list_diversity(lists, by.taste_vectors, ks),
    }
    named = {f"{metric}@{k}": found[metric][k] for k in ks for metric in LIST_METRICS}
    np.savez(folder / "lists.npz", allow_pickle=False, items=lists, **named)


def judge_ratings(model: Recommender, held_out: HeldOut, folder: Path) -> None:
    """Write the errors of a model of the rating; a model that learned from another matrix predicts something else."""
    if (model.config.matrix or model.matrix) != "rating":
        return
    with np.load(held_out.folder / "ratings.npz", allow_pickle=False) as later:
        try:
            predicted = model.predict(later["user_idx"], later["item_idx"])
        except NotImplementedError:
            return  # it ranks by ratings, and has no idea of their scale
        np.savez(folder / "errors.npz", allow_pickle=False, error=predicted - later["rating"])


@stage("evaluate", model=lambda _: "fallback")
def evaluate_strangers(
    popularity: FittedModel, held_out: HeldOut, k: tuple[int, ...], *, key: str, folder: Path
) -> Evaluation:
    """Judge the fallback list on users without history (the cold segment): they all get the same one."""
    started = time.perf_counter()
    relevant = load_matrix(held_out.folder, "cold_relevant")
    one = load_model(popularity).recommend(np.array([0]), max(k)).items
    lists = np.repeat(one, relevant.shape[0], axis=0)
    np.savez(folder / "per_user.npz", allow_pickle=False, **ranking_metrics(lists, relevant, k))
    return Evaluation(key, folder, "fallback", round(time.perf_counter() - started, 3))
