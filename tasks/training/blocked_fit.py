"""Let a model be fitted in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from models.base import Recommender
from models.interactions import Interactions
from models.row_blocks import FitsInBlocks
from tasks.artifacts import Snapshot
from tasks.engine.engine import BlockedFit, Engine
from tasks.engine.memory_requests import als_blocks_mb


@contextmanager
def in_blocks(
    model: Recommender, snapshot: Snapshot, data: Interactions, n_blocks: int, engine: Engine, folder: Path
) -> Iterator[None]:
    """Let a model be fitted in blocks inside this context. Its factors lie in files until the context ends.

    Args:
        model: not fitted yet.
        snapshot: the training matrices.
        data: the same, opened.
        n_blocks: how many; 0: nothing is changed, and the model is fitted as a whole.
        engine: makes the blocks.
        folder: for the files, existing and on a path that all workers share; it is left as it was.

    Raises:
        ValueError: the model cannot be fitted in blocks.
    """
    if not n_blocks:
        yield
        return
    if not isinstance(model, FitsInBlocks):
        raise ValueError(f"{model.name} cannot be fitted in blocks: use blocks=0")
    name = model.config.matrix or model.matrix
    with TemporaryDirectory(prefix=".blocks-", dir=folder) as scratch:
        memory_mb = partial(als_blocks_mb, snapshot, model.config, n_blocks)
        model.runner = engine.runner(
            BlockedFit(
                f"fit {model.name}",
                n_blocks,
                data.matrix(name),
                snapshot.folder,
                name,
                Path(scratch),
                memory_mb,
            )
        )
        try:
            yield
        finally:
            model.runner = None
