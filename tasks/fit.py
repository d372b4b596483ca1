"""Fit one model on one snapshot and keep it."""

from __future__ import annotations

import time
from pathlib import Path

from models.base import Config, Progress, Recommender
from models.interactions import Interactions
from models.registry import recommender_class
from tasks.errors import NightError
from tasks.memory import peak_mb
from tasks.references import FittedModel, Snapshot

FILLERS = ("content", "popularity")
"""The models that complete the lists of others, in this order; fitted every night, on the shelf or not."""


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
    _refuse_nothing(data, name, config)
    started = time.perf_counter()
    model = recommender_class(name)(config).fit(data, seed=seed, progress=progress)
    seconds = time.perf_counter() - started
    model.save(folder)
    return FittedModel(key, folder, name, round(seconds, 3), peak_mb())


def _refuse_nothing(data: Interactions, name: str, config: Config) -> None:
    """A model that learned nothing would be judged by what completes its lists, as if that were its own.

    Those that complete lists do without: everybody gets some list.
    """
    matrix = config.matrix or recommender_class(name).matrix
    if name not in FILLERS and not getattr(data, matrix).nnz:
        hint = {
            "rating": "it learns from ratings. Take it off models.shelf.",
            "positive": "nothing counts as liking; utility.relevant_rating and utility.positive_events say what does.",
            "composite": "[utility.signals] in pipeline.toml says what ratings, tags and events are worth.",
        }[matrix]
        raise NightError(f"There is nothing that {name} could learn from: {hint}")


def load_model(fitted: FittedModel) -> Recommender:
    """The recommender behind a reference."""
    return recommender_class(fitted.model).load(fitted.folder)
