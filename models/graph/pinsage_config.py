"""Hyperparameters of `pinsage`; a module of its own, because the model and its network both read them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from models.neural.config import DropoutShare, Epochs, LearningRate, Patience, SvdStartConfig
from models.search_space import Range, SearchSpace


class PinSageConfig(SvdStartConfig):
    """Hyperparameters of `pinsage`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(32, 256, log=True),
        "window": Range(1, 20, log=True),
        "neighbours": Range(5, 50, log=True),
        "temperature": Range(0.05, 0.3, log=True),
        "id_dropout": Range(0.0, 0.5),
        "id_likes": Range(0.1, 30.0, log=True),
        "popularity": Range(0.0, 1.0),
        "prior_likes": Range(1.0, 100.0, log=True),
        "latest": Range(1, 100, log=True),
        "learning_rate": Range(0.001, 0.03, log=True),
    }

    epochs: Epochs = 20
    patience: Patience = 4
    steps: int = Field(
        default=30,
        ge=1,
        le=1_000_000,
        description="Batches of an epoch. The pairs are drawn, so that an epoch takes the same time for more data.",
    )
    learning_rate: LearningRate = 0.01
    dropout: DropoutShare = 0.0
    window: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="Likes of one user up to so many places apart are a pair of items.",
    )
    window_days: float = Field(
        default=365.0, gt=0, le=36_500, description="Days between two likes that are a pair, at most."
    )
    walkers: int = Field(default=200, ge=1, le=100_000, description="Random walks from each item.")
    walk_steps: int = Field(default=3, ge=1, le=1000, description="Steps of a random walk.")
    restart: float = Field(
        default=0.5, ge=0, lt=1, description="Chance that a walk is back at its item before a step."
    )
    neighbours: int = Field(
        default=20,
        ge=1,
        le=1000,
        description="Most visited items that an item is told about by a convolution.",
    )
    layers: int = Field(default=2, ge=0, le=8, description="Convolutions.")
    loss: Literal["softmax", "margin"] = Field(
        default="softmax",
        description="softmax: the pair's item against those of the batch and drawn ones. margin: as in the paper, the "
        "pair has to be nearer than a drawn or hard negative by `margin`.",
    )
    temperature: float = Field(
        default=0.1,
        gt=0,
        le=10,
        description="Cosines are divided by it: lower values make the nearest items count more.",
    )
    margin: float = Field(
        default=0.2, ge=0, le=2, description="Least difference of the cosines, for `loss = margin`."
    )
    hard_negatives: int = Field(
        default=5,
        ge=0,
        le=1000,
        description="Most hard negatives of a pair, for `loss = margin`: items that walks visit, ranked after the "
        "first `neighbours`. The first epoch has none, and each further one has one more.",
    )
    uniform_negatives: int = Field(
        default=512,
        ge=1,
        le=1_000_000,
        description="Items drawn uniformly for each step, shared by its pairs.",
    )
    batch: int = Field(default=1024, ge=1, le=1_000_000, description="Pairs of items in a step.")
    id_dropout: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Share of the items whose own embedding is hidden in a step, so that features and neighbours learn "
        "to stand for items that nobody has met.",
    )
    id_likes: float = Field(
        default=3.0,
        gt=0,
        le=1e6,
        description="Likes at which an item's own embedding and neighbours count half.",
    )
    popularity: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the learned popularity of an item in its score: 0 lists the items most alike, 1 those "
        "liked next by most.",
    )
    prior_likes: float = Field(
        default=30.0,
        ge=0,
        le=1e9,
        description="Likes that are added to those of every item in its popularity: with few, items that were met "
        "seldom or never are hardly listed.",
    )
    latest: int = Field(
        default=10, ge=1, le=100_000, description="Latest items of a user whose mean is the user's vector."
    )
