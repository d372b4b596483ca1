"""State of a training between two epochs, and the file that keeps it, so that a killed fit can go on. Imports torch."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.utils import parameters_to_vector

from models.numerics.adam import Adam

logger = logging.getLogger(__name__)

_FILE = "checkpoint.npz"
_SECONDS = 20.0  # least time between two files, which hold four times the parameters


@dataclass
class Checkpoint:
    """How far a training has come.

    Attributes:
        epoch: number of finished epochs.
        best_epoch: the number of the best epoch, or of the last one if nothing was held out.
        best_quality: its quality; −inf before the first.
        best: (n_parameters,) its parameters, or None if nothing was held out.
        last: quality of the last epoch.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_quality: float = -math.inf
    best: torch.Tensor | None = None
    last: float | None = None

    def record(self, quality: float | None, parameters: Sequence[torch.Tensor]) -> None:
        """Remember the parameters if they are the best so far.

        Args:
            quality: of the epoch that has just ended; None if nothing was held out.
            parameters: of the network.
        """
        self.last = quality
        if quality is None:
            self.best_epoch = self.epoch
        elif quality > self.best_quality:
            self.best_epoch, self.best_quality = self.epoch, quality
            self.best = parameters_to_vector(parameters).detach().clone()

    def restore_best(self, parameters: Sequence[torch.Tensor]) -> None:
        """Put the best epoch's values into the parameters; leave them if no epoch was judged."""
        if self.best is not None:
            put(self.best, parameters)


class Checkpoints:
    """A folder that keeps the last checkpoint of one fit.

    Args:
        folder: of this fit alone; created when the first checkpoint is written.
        fingerprint: says what is trained: hyperparameters, seed and data. A checkpoint of another fit is not used.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._folder, self._fingerprint = folder, fingerprint
        self._written = time.monotonic()

    def write(
        self, state: Checkpoint, parameters: Sequence[torch.Tensor], optimizer: Adam, *, is_last: bool
    ) -> None:
        """Keep the state, if it is the last or 20 s newer than the one kept. The file is replaced atomically."""
        if not is_last and time.monotonic() - self._written < _SECONDS:
            return
        about = {
            "fingerprint": self._fingerprint, "epoch": state.epoch, "best_epoch": state.best_epoch,
            "best_quality": state.best_quality if state.best is not None else None, "steps": optimizer.steps,
        }  # fmt: skip
        arrays: dict[str, Any] = {"about": np.array(json.dumps(about)), "parameters": _vector(parameters)}
        arrays |= {name: _vector(tensors) for name, tensors in optimizer.moments().items()}
        if state.best is not None:
            arrays["best"] = state.best.cpu().numpy()
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f".{_FILE}"
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        partial.replace(self._folder / _FILE)
        self._written = time.monotonic()

    def read(self, parameters: Sequence[torch.Tensor], optimizer: Adam) -> Checkpoint | None:
        """Put the kept state into `parameters` and `optimizer`; return it, or None if there is none for this fit."""
        try:
            with np.load(self._folder / _FILE, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                kept = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != "about"}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            logger.warning(
                "The checkpoint in %s cannot be read (%s): training starts anew.", self._folder, error
            )
            return None
        if about["fingerprint"] != self._fingerprint:
            return None
        put(kept["parameters"], parameters)
        for name, tensors in optimizer.moments().items():
            put(kept[name], tensors)
        optimizer.steps = about["steps"]
        logger.info("Training goes on after epoch %d, from a checkpoint.", about["epoch"])
        if about["best_quality"] is None:
            return Checkpoint(about["epoch"], about["best_epoch"])
        best = kept["best"].to(parameters[0].device)
        return Checkpoint(about["epoch"], about["best_epoch"], about["best_quality"], best)


def put(values: torch.Tensor, tensors: Sequence[torch.Tensor]) -> None:
    """Copy the values into the tensors, in place, because the optimizer holds on to their memory.

    Args:
        values: (n,) float32.
        tensors: with n entries together.
    """
    with torch.no_grad():
        for tensor, part in zip(tensors, values.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))


def _vector(tensors: Sequence[torch.Tensor]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = parameters_to_vector(tensors).detach().cpu().numpy()
    return found
