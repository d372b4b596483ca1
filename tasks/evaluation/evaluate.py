"""Judge one fitted model on the held-out users: every metric, per user. `averages.py` averages them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.base import Progress, Recommender
from models.evaluation.metrics import ranking_metrics
from models.interactions import load_matrix, touched_items
from tasks.artifacts import Evaluation, FittedModel, HeldOut, Snapshot
from tasks.engine.engine import BlockWork, Engine, Rows, blocks_of, watched
from tasks.engine.local import LOCAL
from tasks.engine.memory_requests import lists_mb
from tasks.evaluation.judged_blocks import JudgeJob, open_judged_users, write_judged
from tasks.evaluation.other_judgements import JUDGEMENTS, OtherJudgements, open_other_judgements
from tasks.recommendation.backfill import BLOCK, lists_of_items
from tasks.storage.stage import stage
from tasks.training.load_model import load_model, module_of


@stage("evaluate", model=lambda given: str(given["fitted"].model))
def evaluate(
    fitted: FittedModel,
    backfill: Sequence[FittedModel],
    snapshot: Snapshot,
    held_out: HeldOut,
    k: tuple[int, ...],
    *,
    candidates: int = 0,
    members: tuple[Evaluation, ...] = (),
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
        candidates: how many items of the model's own lists to keep, for the ensembles that it is a member of.
        members: evaluations of the members of an ensemble, in its order, with enough candidates to rank; empty: the
            members are asked again.
        progress: told the number of users done, and of all.
        key: of the reference that is returned.
        folder: where to write.
        engine: judges the blocks of users.
    """
    started = time.perf_counter()
    job = JudgeJob(fitted, tuple(backfill), snapshot, held_out, k, candidates, members)
    judged = open_judged_users(job)
    models = (fitted, *backfill)
    memory_mb, modules = lists_mb(snapshot, models), tuple(module_of(model) for model in models)
    blocks = blocks_of(len(judged.users), BLOCK) or [Rows(0, 0)]
    work = BlockWork(open_judged_users, job, memory_mb, modules)
    tables = engine.tables(work, blocks, folder, opened=judged)
    write_judged(watched(tables, blocks, progress), len(judged.users), folder)
    others = OtherJudgements(judged.models, held_out, k, folder)
    their_work = BlockWork(open_other_judgements, (job, folder), memory_mb, modules)
    for _ in engine.tables(their_work, blocks_of(len(JUDGEMENTS), 1), folder, opened=others):
        continue  # each has written its files
    return Evaluation(key, folder, fitted.model, round(time.perf_counter() - started, 3), fitted.learned)


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
