"""Learn the weights of the blend on the select half, and make the blend anew of members fitted on everything.

The blend is one more candidate: it is judged and chosen as the models of the shelf are.
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

from models.ensemble.blend import Blend, BlendConfig
from models.ensemble.cross_fitting import Taught, TooFewUsersError, learn
from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions, load_matrix, touched_items
from tasks.artifacts import FittedModel, HeldOut, LearnedBlend, Snapshot
from tasks.config.settings import BlendSettings
from tasks.monitoring.memory import peak_mb
from tasks.storage.artifact_store import write_json
from tasks.training.fit import load_model


def learn_blend(
    members: Sequence[FittedModel],
    snapshot: Snapshot,
    held_out: HeldOut,
    settings: BlendSettings,
    metric: str,
    *,
    seed: int,
    key: str,
    folder: Path,
) -> LearnedBlend:
    """Find weights on the select half, of whose users each is ranked by weights learned without them.

    Nothing of the report half is looked at: the weights learned from all of the select half rank it.

    Folder: see `LearnedBlend`. `learned.json` has the method, each method's `metric` over users that it was not learned
    from, and how many users taught; or why there is nothing.

    Args:
        members: fitted on `snapshot`.
        snapshot: what lies before the cutoffs.
        held_out: what the select half came to like.
        settings: how to learn.
        metric: such as `ndcg@10`; decides between methods.
        seed: deals the folds.
        key: of the artifact.
        folder: where to write, existing.
    """
    started = time.perf_counter()
    data = Interactions.load(snapshot.folder)
    config = BlendConfig(candidates=settings.candidates, members=_places(members, folder))
    blend = Blend(config, [load_model(member) for member in members]).fit(data, seed=seed)
    try:
        learned, taught = _learned(blend, data, held_out, settings, metric, seed)
    except TooFewUsersError as error:
        write_json(folder / "learned.json", {"why_not": str(error)})
        return LearnedBlend(key, folder, (), f"none: {error}", _since(started), peak_mb())
    learned.save(folder)
    write_json(folder / "learned.json", {"metric": metric, **taught._asdict()})
    scores = ", ".join(f"{method} {score:.4f}" for method, score in taught.scores.items())
    note = f"{taught.method}, learned from {taught.n_users:,} users; {metric} in folds: {scores}"
    return LearnedBlend(key, folder, tuple(config.members), note, _since(started), peak_mb())


def _learned(
    blend: Blend, data: Interactions, held_out: HeldOut, settings: BlendSettings, metric: str, seed: int
) -> tuple[Blend, Taught]:
    """The blend with weights from what the select half came to like."""
    with np.load(held_out.folder / "users.npz", allow_pickle=False) as judged:
        selecting = judged["half"] == 0
        users = judged["user_idx"][selecting]
    n = int(metric.partition("@")[2])

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
    )


def refit_blend(
    judged: LearnedBlend,
    members: Sequence[FittedModel],
    snapshot: Snapshot,
    *,
    seed: int,
    key: str,
    folder: Path,
) -> FittedModel:
    """The blend that was judged, with the same weights, of members fitted on another snapshot."""
    started = time.perf_counter()
    about = json.loads((judged.folder / "model.json").read_text(encoding="utf-8"))
    config = BlendConfig.model_validate({**about["config"], "members": _places(members, folder)})
    blend = Blend(config, [load_model(member) for member in members])
    blend.fit(Interactions.load(snapshot.folder), seed=seed).save(folder)
    return FittedModel(key, folder, Blend.name, _since(started), peak_mb())


def _places(members: Sequence[FittedModel], folder: Path) -> dict[str, str]:
    """Where the members are kept, relative to the blend: a home that moves takes both along."""
    return {member.model: Path(relpath(member.folder, folder)).as_posix() for member in members}


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
