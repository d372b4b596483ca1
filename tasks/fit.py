"""Fit one model on one snapshot and keep it."""

from __future__ import annotations

import time
from pathlib import Path

from models.base import Config, Progress, Recommender
from models.interactions import Interactions
from models.registry import recommender_class
from tasks.memory import peak_mb
from tasks.references import FittedModel, Snapshot


def fit(
    snapshot: Snapshot,
    name: str,
    config: Config,
    *,
    seed: int,
    progress: Progress | None,
    key: str,
    folder: Path,
) -> FittedModel:
    """Fit the model called `name` on `snapshot` and save it into `folder`."""
    data = Interactions.load(snapshot.folder)
    started = time.perf_counter()
    model = recommender_class(name)(config).fit(data, seed=seed, progress=progress)
    seconds = time.perf_counter() - started
    model.save(folder)
    return FittedModel(key, folder, name, round(seconds, 3), peak_mb())


def load_model(fitted: FittedModel) -> Recommender:
    """The recommender behind a reference."""
    return recommender_class(fitted.model).load(fitted.folder)
