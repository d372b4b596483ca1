"""Judge one fitted model on the held-out users: every metric, per user."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.base import Progress
from models.evaluation.metrics import ranking_metrics
from models.interactions import load_matrix
from tasks.complete import completed_lists
from tasks.fit import load_model
from tasks.references import Evaluation, FittedModel, HeldOut, Snapshot
from tasks.settings import JudgeSettings

_BLOCK = 8192


def evaluate(
    fitted: FittedModel,
    fillers: Sequence[FittedModel],
    snapshot: Snapshot,
    held_out: HeldOut,
    settings: JudgeSettings,
    *,
    progress: Progress | None = None,
    key: str,
    folder: Path,
) -> Evaluation:
    """Rank all items that the training part knows, seen ones masked, and keep each held-out user's metrics.

    As in published lists, the fillers complete what the model can rank fewer than k items for. Unlike there, seen
    items are masked whatever `recommend.exclude_seen` says: only items that are new to the user are held out. So are
    items that nobody touched before the cutoff: they are never relevant, but `content` could list them.
    """
    started = time.perf_counter()
    models = [load_model(each) for each in (fitted, *fillers)]
    seen, relevant = load_matrix(snapshot.folder, "seen"), load_matrix(held_out.folder, "relevant")
    users = np.load(held_out.folder / "users.npz", allow_pickle=False)["user_idx"]
    touched = np.bincount(seen.indices, minlength=seen.shape[1]) > 0
    lists = np.full((len(users), max(settings.k)), -1, np.int32)
    for start in range(0, len(users), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(users)))
        lists[block] = completed_lists(models, users[block], max(settings.k), seen, touched).items
        if progress is not None:
            progress(block.stop, len(users))
    per_user = ranking_metrics(lists, relevant, settings.k)
    np.savez(folder / "per_user.npz", allow_pickle=False, **per_user)
    return Evaluation(key, folder, fitted.model, round(time.perf_counter() - started, 3))


def evaluate_strangers(
    popularity: FittedModel, held_out: HeldOut, settings: JudgeSettings, *, key: str, folder: Path
) -> Evaluation:
    """Judge the fallback list on users without history (the cold segment): they all get the same one."""
    started = time.perf_counter()
    relevant = load_matrix(held_out.folder, "cold_relevant")
    one = load_model(popularity).recommend(np.array([0]), max(settings.k)).items
    lists = np.repeat(one, relevant.shape[0], axis=0)
    np.savez(folder / "per_user.npz", allow_pickle=False, **ranking_metrics(lists, relevant, settings.k))
    return Evaluation(key, folder, "fallback", round(time.perf_counter() - started, 3))
