"""Ensembles: learn the weights of one on the select half; refit it with members fitted on everything.

An ensemble, such as the blend, is a candidate for champion like the models of the shelf.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from os.path import relpath
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import TopN
from models.ensemble.blend import Blend, BlendConfig
from models.ensemble.cross_fitting import LearningReport, TooFewUsersError, learn
from models.ensemble.settings import BlendOptions
from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions, load_matrix, touched_items
from models.registry import recommender_class
from tasks.artifacts import Evaluation, FittedModel, HeldOut, LearnedEnsemble, Snapshot
from tasks.engine.memory_requests import ensemble_mb
from tasks.monitoring.memory import peak_mb
from tasks.storage.artifact_store import write_json
from tasks.storage.kept_lists import kept_lists
from tasks.storage.stage import Request, stage
from tasks.training.load_model import load_model


@stage(
    "fit",
    model=lambda arguments: arguments["name"],
    note=lambda learned: learned.note,
    also_runs=lambda arguments: (_class(arguments["name"]).__module__,),
    request=lambda arguments: Request(ensemble_mb(arguments["snapshot"], arguments["members"])),
)
def learn_ensemble(
    name: str,
    members: Sequence[FittedModel],
    snapshot: Snapshot,
    held_out: HeldOut,
    settings: BlendOptions,
    metric: str,
    *,
    judged: tuple[Evaluation, ...] = (),
    seed: int,
    key: str,
    folder: Path,
) -> LearnedEnsemble:
    """Learn the weights of an ensemble from the held-out positives of the select half, with cross-fitting.

    Users of the select half are ranked by weights that were learned without their fold, users of the report half by
    those of the whole select half, which do not depend on them.

    Folder: see `LearnedEnsemble`. `learned.json` has the method, the out-of-fold `metric` of each method, and the
    number of users that the weights were learned from; or `why_not`, if there are too few.

    Args:
        name: of the ensemble.
        members: its models, fitted on `snapshot`.
        snapshot: the training matrices, of the interactions before the cutoffs.
        held_out: users and their held-out positives.
        settings: how to learn.
        metric: such as `ndcg@10`; the method with the best value is taken.
        judged: evaluations of the members, in their order, with the lists to learn from; empty: the members are asked.
        seed: of the division into folds, and of the order of equal scores.
        key: of the artifact.
        folder: where to write, existing.

    Returns:
        The ensemble; without members if there are too few users to learn from.
    """
    started = time.perf_counter()
    data = Interactions.load(snapshot.folder)
    config = BlendConfig(candidates=settings.candidates, members=_places(members, folder))
    blend = _class(name)(config, [load_model(member) for member in members]).fit(data, seed=seed)
    try:
        learned, taught = _learned(blend, data, held_out, settings, metric, judged, seed)
    except TooFewUsersError as error:
        write_json(folder / "learned.json", {"why_not": str(error)})
        return LearnedEnsemble(key, folder, name, (), f"none: {error}", _since(started), peak_mb())
    learned.save(folder)
    write_json(folder / "learned.json", {"metric": metric, **taught._asdict()})
    scores = ", ".join(f"{method} {score:.4f}" for method, score in taught.scores.items())
    used = tuple(learned.config.members)
    of_some = f" for {len(used)} of {len(members)} members" if len(used) < len(members) else ""
    note = f"{taught.method}, learned from {taught.n_users:,} users{of_some}; {metric} in folds: {scores}"
    return LearnedEnsemble(key, folder, name, used, note, _since(started), peak_mb())


def _learned(
    blend: Blend,
    data: Interactions,
    held_out: HeldOut,
    settings: BlendOptions,
    metric: str,
    judged: Sequence[Evaluation],
    seed: int,
) -> tuple[Blend, LearningReport]:
    """Return the blend with weights learned from the held-out positives of the select half."""
    with np.load(held_out.folder / "users.npz", allow_pickle=False) as users_of:
        selecting = users_of["half"] == 0
        users = users_of["user_idx"][selecting]
    n = int(metric.partition("@")[2])
    listed = [TopN(*(array[selecting] for array in kept_lists(each))) for each in judged]

    def measure(lists: NDArray[np.int32], wanted: sparse.csr_array) -> NDArray[np.float64]:
        return ranking_metrics(lists, wanted, [n])[metric]

    return learn(
        blend,
        users,
        sparse.csr_array(load_matrix(held_out.folder, "relevant")[selecting]),
        settings,
        measure,
        exclude=data.seen,
        eligible=touched_items(data.seen),
        n=n,
        seed=seed,
        listed=listed,
    )


@stage(
    "fit",
    model=lambda arguments: arguments["judged"].model,
    also_runs=lambda arguments: (_class(arguments["judged"].model).__module__,),
    request=lambda arguments: Request(ensemble_mb(arguments["snapshot"], arguments["members"])),
)
def refit_ensemble(
    judged: LearnedEnsemble,
    members: Sequence[FittedModel],
    snapshot: Snapshot,
    *,
    seed: int,
    key: str,
    folder: Path,
) -> FittedModel:
    """Save the judged ensemble with the same weights and with members fitted on another snapshot.

    All users are ranked by the weights of the whole select half.

    Args:
        judged: the ensemble with its weights.
        members: its members in the same order, fitted on `snapshot`.
        snapshot: the training matrices.
        seed: of the order of equal scores.
        key: of the artifact.
        folder: where to write, existing.
    """
    started = time.perf_counter()
    about = json.loads((judged.folder / "model.json").read_text(encoding="utf-8"))
    config = BlendConfig.model_validate({**about["config"], "members": _places(members, folder)})
    blend = _class(judged.model)(config, [load_model(member) for member in members])
    blend.fit(Interactions.load(snapshot.folder), seed=seed).save(folder)
    return FittedModel(key, folder, judged.model, _since(started), peak_mb())


def _class(name: str) -> type[Blend]:
    """Return the class of an ensemble."""
    found = recommender_class(name)
    if not issubclass(found, Blend):
        raise ValueError(f"{name} is no ensemble")
    return found


def _places(members: Sequence[FittedModel], folder: Path) -> dict[str, str]:
    """Return member → its folder relative to the ensemble's, so that the home can be moved."""
    return {member.model: Path(relpath(member.folder, folder)).as_posix() for member in members}


def _since(started: float) -> float:
    """Return the seconds since `started`, a time of `time.perf_counter`."""
    return round(time.perf_counter() - started, 3)
