"""Hyperparameters of the sequence models: those that all have, and those of each."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from models.neural.config import DropoutShare, Epochs, LearningRate, SvdStartConfig
from models.search_space import Range, SearchSpace

_DAY_S = 86_400


class SequenceConfig(SvdStartConfig):
    """Hyperparameters of a model of users' histories in time order."""

    epochs: Epochs = 20
    learning_rate: LearningRate = 3e-3
    dropout: DropoutShare = 0.5
    batch: int = Field(
        default=2048,
        ge=1,
        le=1_000_000,
        description="Places of histories in a step, padding included.",
    )
    length: int = Field(
        default=50,
        ge=1,
        le=1000,
        description="Items of a history that count for its next one: the latest. Longer histories are trained on in "
        "pieces of this length.",
    )
    target: Literal["next", "window"] = Field(
        default="next",
        description="What each item of a history should predict: the `next` item, or in turn every item of the coming "
        "`window_days`, the next one in any case.",
    )
    window_days: float = Field(
        default=7.0, gt=0, le=36_500, description="Length of the window of `target = window`, in days."
    )
    loss: Literal["softmax", "gbce"] = Field(
        default="softmax",
        description="Loss over the target and the `negatives`: cross-entropy of the softmax, corrected for the share "
        "of the items that is drawn; or generalised binary cross-entropy (Petrov & Macdonald 2023).",
    )
    negatives: int = Field(
        default=512,
        ge=1,
        le=1_000_000,
        description="Items drawn for each batch as negatives, shared by all its positions; all items where there are "
        "no more.",
    )
    calibration: float = Field(
        default=0.75,
        ge=0,
        le=1,
        description="The t of gbce: 0 is plain binary cross-entropy, 1 gives scores that are calibrated.",
    )

    @property
    def window_s(self) -> float:
        """Length of the window of targets in seconds; 0 for the next item alone."""
        return self.window_days * _DAY_S if self.target == "window" else 0.0


class SASRecConfig(SequenceConfig):
    """Hyperparameters of `sasrec`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(32, 256, log=True),
        "blocks": Range(1, 3),
        "dropout": Range(0.0, 0.6),
        "learning_rate": Range(0.0003, 0.01, log=True),
    }

    blocks: int = Field(default=2, ge=1, le=16, description="Blocks of attention and feed-forward layers.")
    heads: int = Field(
        default=2, ge=1, le=64, description="Heads of the attention; `factors` is a multiple of it."
    )


class GRU4RecConfig(SequenceConfig):
    """Hyperparameters of `gru4rec`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(32, 256, log=True),
        "hidden": Range(32, 512, log=True),
        "dropout": Range(0.0, 0.6),
        "learning_rate": Range(0.0003, 0.01, log=True),
    }

    hidden: int = Field(default=128, ge=1, le=4096, description="Length of the recurrent state.")


class CaserConfig(SequenceConfig):
    """Hyperparameters of `caser`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(32, 256, log=True),
        "latest": Range(2, 10),
        "dropout": Range(0.0, 0.6),
        "learning_rate": Range(0.0003, 0.01, log=True),
    }

    latest: int = Field(
        default=5, ge=1, le=100, description="Items of a window: the latest before each place."
    )
    horizontal_filters: int = Field(
        default=16, ge=1, le=1024, description="Filters for each height from one item to `latest`."
    )
    vertical_filters: int = Field(
        default=4,
        ge=1,
        le=1024,
        description="Filters that weigh the places of a window, the same for all factors.",
    )
