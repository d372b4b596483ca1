"""Estimates of the memory that work takes, from the sizes of the files that it reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from models.base import Config
from tasks.artifacts import FittedModel, Snapshot

_MB = 2**20
WORKER_MB = 700.0
"""A worker's process with all libraries loaded and every kernel compiled."""

BLOCK_MB = 600.0
"""The scores and lists of one block of users."""

_COPIES_OF_DATA = 4  # matrices in other orders, weights, and what a fit computes from them
_COPIES_OF_FACTORS = 6  # gradients, moments of the optimiser, layers of a graph
_FACTORS = 64
_BYTES_OF_ENTRIES = 40  # each in two orders, 8 bytes; once in float64, and what is sent to be turned round
_WITH_MARGIN = 1.2
_NEIGHBOUR_BYTES = 24  # an item and a weight, in both directions, with room while they are selected


def folder_mb(folder: Path) -> float:
    """Return the size of all files in a folder, in MB."""
    return sum(_file_mb(path) for path in folder.rglob("*") if path.is_file())


def models_mb(models: Iterable[FittedModel]) -> float:
    """Return the size of fitted models in MB, the members of ensembles included; each is counted once."""
    folders = {folder for model in models for folder in model_folders(model.folder.absolute())}
    return sum(map(folder_mb, folders))


def model_folders(folder: Path) -> list[Path]:
    """Return the folder of a fitted model, then those of its members if it is an ensemble."""
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    members = about["config"].get("members") or {}
    places = members.values() if isinstance(members, dict) else ()
    return [folder, *((folder / place).resolve() for place in places)]


def fit_mb(snapshot: Snapshot, config: Config) -> float:
    """Return about the greatest size of a process that fits a model, in MB.

    Args:
        snapshot: the training matrices.
        config: the hyperparameters. `memory_mb`, where a model has it, bounds what it keeps of all pairs of users or
            of items; `factors` is the length of its vectors.
    """
    n_most, n_rows = max(snapshot.n_users, snapshot.n_items), snapshot.n_users + snapshot.n_items
    pairs = min(float(getattr(config, "memory_mb", 0)), n_most**2 * _NEIGHBOUR_BYTES / _MB)
    factors = n_rows * int(getattr(config, "factors", _FACTORS)) * 4 * _COPIES_OF_FACTORS / _MB
    return WORKER_MB + _COPIES_OF_DATA * folder_mb(snapshot.folder) + pairs + factors


def als_blocks_mb(snapshot: Snapshot, config: Config, n_blocks: int, n_held: int) -> float:
    """Return about the greatest size of a process that holds some blocks of a fit in blocks, in MB.

    Vectors that entries name come from other blocks, to one block at a time, and are sent to others from one block at a
    time; in both cases there are no more of them than the block has entries.

    Args:
        snapshot: the training matrices.
        config: the hyperparameters.
        n_blocks: of the fit.
        n_held: of these.
    """
    n_entries = int(getattr(snapshot, f"n_{config.matrix or 'composite'}"))
    vector = int(getattr(config, "factors", _FACTORS)) * 4 / _MB
    share = n_held / n_blocks
    own = share * (snapshot.n_users + snapshot.n_items) * vector
    moved = min(n_entries / n_blocks, max(snapshot.n_users, snapshot.n_items)) * vector
    entries = share * n_entries * _BYTES_OF_ENTRIES / _MB
    return WORKER_MB + _WITH_MARGIN * (2 * own + 2 * moved + entries)


def ensemble_mb(snapshot: Snapshot, members: Iterable[FittedModel]) -> float:
    """Return about the greatest size of a process that learns or refits an ensemble, in MB."""
    return WORKER_MB + 2 * BLOCK_MB + _COPIES_OF_DATA * folder_mb(snapshot.folder) + 2 * models_mb(members)


def lists_mb(snapshot: Snapshot, models: Iterable[FittedModel]) -> float:
    """Return about the greatest size of a process that makes or judges lists by some models, in MB.

    It counts the files that the process maps, although the processes of a machine share their pages.
    """
    histories = sum(_file_mb(snapshot.folder / f"{name}.npz") for name in ("seen", "positive"))
    return WORKER_MB + BLOCK_MB + _WITH_MARGIN * (histories + models_mb(models))


def _file_mb(path: Path) -> float:
    return path.stat().st_size / _MB if path.exists() else 0.0
