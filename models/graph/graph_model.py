"""Common parts of the graph models: number of epochs, schedule of the step, check of the trained embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import cos, exp, pi, sqrt
from typing import ClassVar, TypeVar

import numpy as np
from pydantic import Field

from models.base import DivergedError, Progress
from models.device import DeviceConfig
from models.graph.sampled_softmax import Loss
from models.ranking.factor_model import FactorRecommender
from models.warm_start import warm_rounds

_LEAST_EPOCHS = 10
_MILLION = 1_000_000
_REFRESHES, _SHRINK = 8, 2.4
_LAST_STEP = 0.02  # the last step, as a share of the first
_VANISHED = (
    1e-12  # mean squared length; trained embeddings have 1 to 10, and 1e-3 where nothing can be learned
)

Positives = TypeVar("Positives")
"""A part of an epoch's positives, in the trainer's own form."""


class GraphConfig(DeviceConfig):
    """Hyperparameters that all graph models have.

    Class attributes of a subclass:
        most_epochs: default number of epochs for a million positives, which get the most.
    """

    most_epochs: ClassVar[int]

    loss: Loss = Field(default="softmax", description="Loss: sampled softmax, or BPR as in the paper.")
    epochs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Passes over all positives; by default most for a million positives, fewer for less or more data, "
        "but at least 10; on crowded data (see `group`) at least 3.",
    )
    step: float = Field(
        default=0.1, gt=0, le=10, description="Learning rate of the first epoch; it falls along a cosine."
    )
    refreshes: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Propagations in an epoch; by default 8, and 4 on crowded data (see `group`).",
    )
    shrink: float | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Decay of the base embeddings: an epoch multiplies them by e^(-shrink * step); by default 2.4, and "
        "0.5 on crowded data.",
    )

    warm_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Share of the epochs that a warm start takes; they are the last ones, with their small steps.",
    )

    def passes(self, n_positives: int) -> int:
        """Return the number of epochs: fewer for small data, which overfit, and for large data, which need fewer."""
        if self.epochs is not None:
            return self.epochs
        share = max(n_positives, 1) / _MILLION
        return max(_LEAST_EPOCHS, round(self.most_epochs * sqrt(min(share, 1 / share))))

    def step_at(self, done: float) -> float:
        """Return the step after the share `done` of the training, from 0 to 1."""
        return self.step * ((1 + cos(pi * done)) / 2 + _LAST_STEP)

    def decay(self, step: float) -> float:
        """Return the factor that the base embeddings are multiplied by at a refresh."""
        shrink = _SHRINK if self.shrink is None else self.shrink
        return exp(-shrink * step / self.parts())

    def parts(self) -> int:
        """Return the number of propagations in an epoch, each after a part of its positives."""
        return self.refreshes or _REFRESHES

    def refreshed(
        self,
        n_positives: int,
        shuffled: Callable[[int], Iterable[Positives]],
        progress: Progress,
        *,
        warm: bool = False,
    ) -> Iterator[tuple[float, Positives]]:
        """Yield, for every refresh of every epoch, the step and the positives to train on.

        Args:
            n_positives: number of positives; with 0 there are no epochs.
            shuffled: returns all positives in a new random order, in the given number of parts.
            progress: called after every epoch.
            warm: yield the last epochs only, those of a warm start.
        """
        epochs, parts = self.passes(n_positives) if n_positives else 0, self.parts()
        first = max(epochs - warm_rounds(epochs, self.warm_share), 0) if warm else 0
        for epoch in range(first, epochs):
            for part, positives in enumerate(shuffled(parts)):
                yield self.step_at((epoch + part / parts) / epochs), positives
            progress(epoch + 1 - first, epochs - first)


class GraphRecommender(FactorRecommender):
    """A factor model whose vectors are propagated along the graph."""

    remedy: ClassVar[str] = "a smaller `step` or `gain` is safer"

    def _check_learned(self) -> None:
        super()._check_learned()
        lengths = np.square(self.item_factors_[self.known_items_], dtype=np.float64).sum(axis=1)
        if lengths.size and lengths.mean() < _VANISHED:
            raise DivergedError(
                f"{self.name}: the embeddings vanished; a smaller `shrink` or `step` is safer"
            )
