"""Fit one model on one snapshot and save it."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path

from models.base import Config, DivergedError, Progress
from models.interactions import Interactions, MatrixName
from models.registry import recommender_class
from models.warm_start import ColdByChoiceError, WarmStartError
from tasks.artifacts import FittedModel, Snapshot, WarmFit
from tasks.config.settings import BACKFILL
from tasks.engine.engine import Engine
from tasks.engine.local import LOCAL
from tasks.engine.memory_requests import fit_mb
from tasks.monitoring.memory import peak_mb
from tasks.storage.stage import Request, stage
from tasks.training.blocked_fit import in_blocks
from tasks.training.warm_start import read_warm_start, source_of

_EMPTY: dict[MatrixName, str] = {
    "rating": "it is trained on ratings, and there are none. Take it off models.shelf.",
    "positive": "no interaction counts as positive; check utility.relevant_rating and utility.positive_events.",
    "composite": "no interaction has any utility; check [utility.signals] in pipeline.toml, which says what ratings, "
    "tags and events are worth.",
}
COLD = WarmFit()
log = logging.getLogger(__name__)


@stage(
    "fit",
    model=lambda given: str(given["name"]),
    note=lambda made: made.start,
    also_runs=lambda given: (recommender_class(given["name"]).__module__,),
    # A fit in blocks is led where the night runs: its actors do the work.
    request=lambda given: None if given["blocks"] else Request(fit_mb(given["snapshot"], given["config"])),
)
def fit(
    snapshot: Snapshot,
    name: str,
    config: Config,
    *,
    seed: int,
    warm_start: WarmFit = COLD,
    blocks: int = 0,
    progress: Progress | None = None,
    key: str,
    folder: Path,
    checkpoints: Path | None = None,
    engine: Engine = LOCAL,
) -> FittedModel:
    """Fit a model and save it into `folder`. A warning says so if its training matrix is empty.

    Args:
        snapshot: the training matrices.
        name: a name of `models/registry.py`.
        config: its hyperparameters.
        seed: the only source of randomness.
        warm_start: the earlier fit to start from. If it cannot be used, the fit is cold, and a warning says why.
        blocks: in how many blocks of rows the model is fitted; 0: as a whole. Few models can be; the fit is cold.
        progress: called as progress(done, total) during a long fit.
        key: of the artifact.
        folder: where to write, existing.
        checkpoints: a folder for the state of a long fit, which goes on from there if it was killed.
        engine: makes the blocks.
    """
    data = Interactions.load(snapshot.folder)
    learned = _has_training_data(data, name, config)
    started = time.perf_counter()
    model, start = recommender_class(name)(config), warm_start.why
    fit_it = partial(model.fit, data, seed=seed, progress=progress, checkpoints=checkpoints)
    with in_blocks(model, snapshot, data, blocks, engine, folder):
        try:
            fit_it(warm_start=read_warm_start(warm_start, model))
        except ColdByChoiceError as choice:
            start = f"cold: {choice}"
            fit_it()
        except (WarmStartError, DivergedError) as error:
            if not warm_start.key:
                raise
            log.warning("The warm start of %s cannot be used, and it is fitted cold: %s", name, error)
            start = f"cold: the warm start cannot be used ({error})"
            fit_it()
        seconds = time.perf_counter() - started
        model.save(folder)
    return FittedModel(
        key=key,
        folder=folder,
        model=name,
        seconds=round(seconds, 3),
        peak_mb=peak_mb(),
        learned=learned,
        snapshot=snapshot.key,
        start=start,
        source=source_of(name),
    )


def _has_training_data(data: Interactions, name: str, config: Config) -> bool:
    """Return whether the training matrix has entries. If not, warn: lists and metrics will be those of the backfill."""
    matrix = config.matrix or recommender_class(name).matrix
    if name in BACKFILL or data.matrix(matrix).nnz:
        return True
    log.warning("The model %s has nothing to learn from: %s", name, _EMPTY[matrix])
    return False
