"""What the models of the graph share: how long they train, how their step falls, what they must have learned."""

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

_LEAST_EPOCHS = 10
_MILLION = 1_000_000
_LAST_STEP = 0.02  # where the step ends, as a share of where it begins
_VANISHED = 1e-12  # a mean squared length: after training it is 1 to 10, where nothing can be learned 1e-3

Positives = TypeVar("Positives")
"""A part of an epoch's positives, in the form that the trainer wants."""


class GraphConfig(DeviceConfig):
    """Hyperparameters that all of them have.

    Class attributes of a subclass:
        most_epochs: how long it trains on a million positives unless told.
    """

    most_epochs: ClassVar[int]

    loss: Loss = Field(default="softmax", description="Sampled softmax, or BPR as in the paper.")
    epochs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="How often each positive is used; by default most often where there are a million, less often "
        "for fewer or more, but at least 10 times.",
    )
    step: float = Field(
        default=0.1, gt=0, le=10, description="Step of the first epoch; it falls along a cosine."
    )
    refreshes: int = Field(default=8, ge=1, le=1000, description="Propagations in an epoch.")
    shrink: float = Field(
        default=2.4,
        ge=0,
        le=100,
        description="Decay of the base embeddings: an epoch multiplies them by e^(-shrink * step).",
    )

    def passes(self, n_positives: int) -> int:
        """Epochs to train for: small data is soon learned by heart, and much data has many positives a node."""
        if self.epochs is not None:
            return self.epochs
        share = max(n_positives, 1) / _MILLION
        return max(_LEAST_EPOCHS, round(self.most_epochs * sqrt(min(share, 1 / share))))

    def step_at(self, done: float) -> float:
        """The step when `done`, between 0 and 1, of the training is over."""
        return self.step * ((1 + cos(pi * done)) / 2 + _LAST_STEP)

    def decay(self, step: float) -> float:
        """What the base embeddings are multiplied with at a refresh."""
        return exp(-self.shrink * step / self.refreshes)

    def refreshed(
        self, n_positives: int, shuffled: Callable[[int], Iterable[Positives]], progress: Progress
    ) -> Iterator[tuple[float, Positives]]:
        """The course of the training: for every refresh of every epoch its step and the positives to go through.

        Args:
            n_positives: how many there are; of none nothing is learned.
            shuffled: all positives in a new order, in so many parts.
            progress: told after every epoch.
        """
        epochs = self.passes(n_positives) if n_positives else 0
        for epoch in range(epochs):
            for part, positives in enumerate(shuffled(self.refreshes)):
                yield self.step_at((epoch + part / self.refreshes) / epochs), positives
            progress(epoch + 1, epochs)


class GraphRecommender(FactorRecommender):
    """A factor model whose vectors have been passed along the graph."""

    remedy: ClassVar[str] = "a smaller `step` or `gain` is safer"

    def _check_learned(self) -> None:
        super()._check_learned()
        lengths = np.square(self.item_factors_[self.known_items_], dtype=np.float64).sum(axis=1)
        if lengths.size and lengths.mean() < _VANISHED:
            raise DivergedError(
                f"{self.name}: the embeddings vanished; a smaller `shrink` or `step` is safer"
            )
