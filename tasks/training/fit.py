"""Fit one model on one snapshot and keep it."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from models.base import Config, Progress, Recommender
from models.interactions import Interactions, MatrixName
from models.registry import recommender_class
from tasks.artifacts import FittedModel, Snapshot
from tasks.monitoring.memory import peak_mb

FILLERS = ("content", "popularity")
"""The models that complete the lists of others, in this order; fitted every night, on the shelf or not."""

_ADVICE: dict[MatrixName, str] = {
    "rating": "it wants ratings, and there are none. Take it off models.shelf.",
    "positive": "nothing counts as liking; utility.relevant_rating and utility.positive_events say what does.",
    "composite": "nothing has any utility; [utility.signals] in pipeline.toml says what ratings, tags and events are "
    "worth.",
}
log = logging.getLogger(__name__)


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
    learned = _something_to_learn(data, name, config)
    started = time.perf_counter()
    model = recommender_class(name)(config).fit(data, seed=seed, progress=progress)
    seconds = time.perf_counter() - started
    model.save(folder)
    return FittedModel(key, folder, name, round(seconds, 3), peak_mb(), learned)


def _something_to_learn(data: Interactions, name: str, config: Config) -> bool:
    """Without it a model's lists, and its figures, will be those of what completes them; then say so."""
    matrix = config.matrix or recommender_class(name).matrix
    if name in FILLERS or data.matrix(matrix).nnz:
        return True
    log.warning("There is nothing that %s could learn from: %s", name, _ADVICE[matrix])
    return False


def load_model(fitted: FittedModel) -> Recommender:
    """The recommender behind a reference."""
    return recommender_class(fitted.model).load(fitted.folder)
