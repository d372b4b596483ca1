"""The training loop of all neural models: Adam, early stopping, checkpoints. Imports torch.

A new model is a network and an `Objective` that says what an epoch consists of and what its loss is. The loop owns the
rest: seeds, the optimizer, the search for the best epoch, the guard against NaN, and checkpoints.

Every epoch has random streams of its own, drawn from the seed and the epoch's number. Therefore a fit that was killed
and goes on from its checkpoint gives the same bits as one that was not, and fits side by side do not disturb each
other. Dropout and other noise must come from `models.neural.layers`, never from torch's global generator.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import nn

from models.base import DivergedError, Progress
from models.neural.checkpoint import Checkpoint, Checkpoints
from models.neural.config import NeuralConfig
from models.neural.layers import give_generator
from models.numerics.adam import Adam

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")
"""The training examples of one step, in the objective's own form."""


class Objective(ABC, Generic[Batch]):
    """The network of a model, its batches, its loss and the judgement of its epochs.

    Attributes:
        name: of the model, for messages.
        network: the parameters to learn, on the device to train on.
        judged_by: the metric that `quality` returns.
    """

    name: str
    network: nn.Module
    judged_by: str = "NDCG@10"

    @abstractmethod
    def batches(self, epoch: int, rng: np.random.Generator) -> Iterable[Batch]:
        """Yield the batches of an epoch, in an order drawn from `rng`.

        Args:
            epoch: its number, from 0.
            rng: of this epoch; all that is drawn in it comes from here.
        """

    @abstractmethod
    def loss(self, batch: Batch) -> torch.Tensor:
        """Return the loss of a batch: a scalar, the mean over its examples."""

    @abstractmethod
    def quality(self) -> float | None:
        """Return how good the network is on interactions it was not trained on: higher is better.

        None if nothing was held out; then all epochs are trained and the last one counts.
        """


def train(
    objective: Objective[Batch],
    config: NeuralConfig,
    *,
    seed: int,
    progress: Progress,
    stop_after: int | None = None,
    checkpoints: Checkpoints | None = None,
) -> int:
    """Train `objective.network` and leave the parameters of the best epoch in it; return that epoch's number.

    Epoch e, counted from 0, has the learning rate `config.learning_rate` · (1 − e / `config.epochs`), as in Devlin et
    al. 2019, appendix A.2. Large steps come near a minimum quickly, and small ones are disturbed less by the choice of
    the batches, so that fewer epochs are enough.

    Args:
        objective: the network, its batches and its loss.
        config: number of epochs, patience and learning rate.
        seed: the only source of randomness.
        progress: called after every epoch.
        stop_after: end after so many epochs, at the learning rate that has then been reached; None trains all.
        checkpoints: where to keep the state between epochs, and where to go on from; None keeps nothing.

    Raises:
        DivergedError: the loss became NaN or infinite.
    """
    parameters = [p for p in objective.network.parameters() if p.requires_grad]
    optimizer = Adam(parameters)
    state = (checkpoints and checkpoints.read(parameters, optimizer)) or Checkpoint()
    epochs = min(stop_after or config.epochs, config.epochs)
    while not _is_over(state, epochs, config.patience):
        rng = np.random.default_rng([seed, state.epoch])
        learning_rate = config.learning_rate * (1 - state.epoch / config.epochs)
        mean_loss = _run_epoch(objective, state.epoch, parameters, optimizer, learning_rate, rng)
        if not math.isfinite(mean_loss):
            raise DivergedError(
                f"{objective.name}: the loss became {mean_loss} in epoch {state.epoch + 1}; a lower `learning_rate` "
                "is safer"
            )
        state.epoch += 1
        objective.network.eval()
        with torch.no_grad():
            state.record(objective.quality(), parameters)
        logger.debug(
            "%s: epoch %d, loss %.4f, quality %s", objective.name, state.epoch, mean_loss, state.last
        )
        progress(state.epoch, epochs)
        if checkpoints:
            is_last = _is_over(state, epochs, config.patience)
            checkpoints.write(state, parameters, optimizer, is_last=is_last)
    state.restore_best(parameters)
    objective.network.eval()
    if state.best is not None:
        logger.info(
            "%s: the best of %d epochs was %d, with %s %.4f on interactions taken out of the training data.",
            objective.name, state.epoch, state.best_epoch, objective.judged_by, state.best_quality,
        )  # fmt: skip
    return state.best_epoch


def _is_over(state: Checkpoint, epochs: int, patience: int) -> bool:
    return state.epoch >= epochs or state.epoch - state.best_epoch >= patience


def _run_epoch(
    objective: Objective[Batch],
    epoch: int,
    parameters: list[nn.Parameter],
    optimizer: Adam,
    learning_rate: float,
    rng: np.random.Generator,
) -> float:
    """Take one step for every batch; return the mean of their losses, 0 without batches."""
    network = objective.network.train()
    give_generator(network, int(rng.integers(2**63)))
    losses = []
    for batch in objective.batches(epoch, rng):
        loss = objective.loss(batch)
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        optimizer.step(gradients, learning_rate)
        losses.append(loss.detach())
    return float(torch.stack(losses).mean()) if losses else 0.0
