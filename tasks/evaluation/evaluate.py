"""Judge one fitted model on the held-out users: every metric, per user. `averages.py` averages them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.base import Progress, Recommender
from models.evaluation.metrics import ranking_metrics
from models.interactions import load_matrix, touched_items
from tasks.artifacts import Evaluation, FittedModel, HeldOut, Snapshot
from tasks.engine.engine import BlockWork, Engine, Rows, blocks_of
from tasks.engine.local import LOCAL
from tasks.engine.memory_requests import lists_mb
from tasks.evaluation.cold_start import (
    judge_new_items,
    judge_new_users,
    judge_new_users_by_side_data,
)
from tasks.evaluation.judged_blocks import JudgedUsers, JudgeJob, open_judged_users, write_judged
from tasks.evaluation.link_prediction import judge_similar_items
from tasks.preparation.item_statistics import load_item_statistics
from tasks.recommendation.backfill import BLOCK, lists_of_items
from tasks.storage.stage import Request, stage
from tasks.training.load_model import load_model, module_of


@stage(
    "evaluate",
    model=lambda given: str(given["fitted"].model),
    request=lambda given: Request(lists_mb(given["snapshot"], (given["fitted"], *given["backfill"]))),
)
def evaluate(
    fitted: FittedModel,
    backfill: Sequence[FittedModel],
    snapshot: Snapshot,
    held_out: HeldOut,
    k: tuple[int, ...],
    *,
    progress: Progress | None = None,
    key: str,
    folder: Path,
    engine: Engine = LOCAL,
) -> Evaluation:
    """Rank items for the held-out users and write every metric per user.

    Folder: the files that `Evaluation` describes.

    Args:
        fitted: the model to judge, fitted on the training part.
        backfill: the models that complete its short lists, in this order.
        snapshot: the training part.
        held_out: the users to judge on, and what is relevant to them.
        k: the lengths at which lists are judged.
        progress: told the number of users done, and of all.
        key: of the reference that is returned.
        folder: where to write.
        engine: judges the blocks of users.
    """
    started = time.perf_counter()
    job = JudgeJob(fitted, tuple(backfill), snapshot, held_out, k)
    judged = open_judged_users(job)
    write_judged(judged_users(_work(job), judged, engine, folder, progress), folder)
    models = judged.models
    judge_ratings(models[0], held_out, folder)
    touched = load_item_statistics(held_out).popularity > 0
    judge_new_users(models, touched, held_out, k, folder)
    judge_new_users_by_side_data(models, touched, held_out, k, folder)
    judge_new_items(models[0], touched, held_out, k, folder)
    judge_similar_items(models[0], held_out, folder)
    return Evaluation(key, folder, fitted.model, round(time.perf_counter() - started, 3), fitted.learned)


def _work(job: JudgeJob) -> BlockWork[JudgeJob]:
    """Return the work that is done for blocks of held-out users."""
    models = (job.fitted, *job.backfill)
    return BlockWork(
        open_judged_users, job, lists_mb(job.snapshot, models), tuple(module_of(model) for model in models)
    )


def judged_users(
    work: BlockWork[JudgeJob], judged: JudgedUsers, engine: Engine, folder: Path, progress: Progress | None
) -> Iterator[pa.Table]:
    """Yield the lists and metrics of one block of held-out users after another, and say how many are done."""
    blocks = blocks_of(len(judged.users), BLOCK) or [Rows(0, 0)]
    for block, table in zip(blocks, engine.tables(work, blocks, folder, opened=judged), strict=True):
        yield table
        if progress is not None:
            progress(block.stop, len(judged.users))


def held_out_lists(
    models: Sequence[Recommender],
    snapshot: Snapshot,
    held_out: HeldOut,
    n: int,
    *,
    progress: Progress | None = None,
) -> NDArray[np.int32]:
    """Rank all items of the training part for every held-out user.

    As in published lists, the models after the first complete its lists of fewer than n items. Unlike there, items that
    the user has seen are left out whatever `recommend.exclude_seen` says: only items that are new to the user are held
    out. Items that nobody touched before the cutoff are left out, too: they are never relevant, but `content` could
    list them.

    Args:
        models: the model that ranks, then those that complete its lists, in this order.
        snapshot: the training part.
        held_out: the users to rank for.
        n: the length of the lists.
        progress: told the number of users done, and of all.

    Returns:
        (n_users, n) int32 item indices, best first, in the order of `HeldOut`; −1 pads short lists.
    """
    seen = load_matrix(snapshot.folder, "seen")
    users = np.load(held_out.folder / "users.npz", allow_pickle=False)["user_idx"]
    return lists_of_items(models, users, n, seen, touched_items(seen), progress=progress)


def judge_ratings(model: Recommender, held_out: HeldOut, folder: Path) -> None:
    """Write `errors.npz`, predicted − given for every held-out rating, for a model that predicts ratings.

    Nothing is written for other models: one that learned from another matrix predicts something else.

    Args:
        model: a fitted model.
        held_out: holds the later ratings.
        folder: where to write.
    """
    if (model.config.matrix or model.matrix) != "rating":
        return
    with np.load(held_out.folder / "ratings.npz", allow_pickle=False) as later:
        try:
            predicted = model.predict(later["user_idx"], later["item_idx"])
        except NotImplementedError:
            return  # it ranks by ratings without predicting them
        np.savez(folder / "errors.npz", allow_pickle=False, error=predicted - later["rating"])


@stage("evaluate", model=lambda _: "fallback")
def evaluate_fallback(
    popularity: FittedModel, held_out: HeldOut, k: tuple[int, ...], *, key: str, folder: Path
) -> Evaluation:
    """Judge the fallback list on cold users, those without history: all of them get the same list.

    Folder: `per_user.npz`, the ranking metrics, in the order of the cold users of `HeldOut`.

    Args:
        popularity: the model that makes the fallback list.
        held_out: the cold users, and what is relevant to them.
        k: the lengths at which lists are judged.
        key: of the reference that is returned.
        folder: where to write.
    """
    started = time.perf_counter()
    relevant = load_matrix(held_out.folder, "cold_relevant")
    one = load_model(popularity).recommend(np.array([0]), max(k)).items
    lists = np.repeat(one, relevant.shape[0], axis=0)
    np.savez(folder / "per_user.npz", allow_pickle=False, **ranking_metrics(lists, relevant, k))
    return Evaluation(key, folder, "fallback", round(time.perf_counter() - started, 3))
