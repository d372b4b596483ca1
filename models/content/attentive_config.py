"""Hyperparameters of `attentive_content`; a module of its own, because model, network and training read them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from models.base import Config
from models.search_space import Range, SearchSpace


class AttentiveContentConfig(Config):
    """Hyperparameters of `attentive_content`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(16, 128, log=True),
        "epochs": Range(2, 30, log=True),
        "learning_rate": Range(1e-3, 3e-2, log=True),
        "ridge": Range(0.03, 10.0, log=True),
        "scale": Range(0.5, 4.0, log=True),
        "pull": Range(30.0, 30_000.0, log=True),
        "hidden_share": Range(0.02, 0.6, log=True),
        "history": Range(10, 200, log=True),
    }

    factors: int = Field(
        default=32, ge=1, le=1024, description="Length of the vectors of items and features."
    )
    history: int = Field(
        default=50, ge=1, le=10_000, description="Likes of a user that count: the newest ones."
    )
    attention: bool = Field(
        default=True,
        description="Whether items of a history weigh more or less by the item that is scored; false weighs all the "
        "same, as FISM does.",
    )
    epochs: int = Field(
        default=10, ge=0, le=10_000, description="Passes over the users; 0 keeps the vectors of the start."
    )
    most_users: int = Field(
        default=20_000,
        ge=1,
        le=10**9,
        description="Users of a pass at most: if there are more, each pass draws others. Features are few, and need "
        "no more.",
    )
    batch: int = Field(default=64, ge=1, le=100_000, description="Users in a step.")
    targets: int = Field(
        default=16, ge=1, le=10_000, description="Most likes of a user that a step looks for."
    )
    negatives: int = Field(
        default=512,
        ge=1,
        le=1_000_000,
        description="Items drawn uniformly for each step, which its users share.",
    )
    learning_rate: float = Field(
        default=0.01,
        gt=0,
        le=1,
        description="Adam's learning rate in the first step; it falls to 0 in equal steps.",
    )
    ridge: float = Field(
        default=0.3,
        gt=0,
        le=10_000,
        description="Shrinkage of the features' first vectors, in mean weights of a feature: higher values trust "
        "features of few items less.",
    )
    scale: float = Field(
        default=1.5,
        gt=0,
        le=100,
        description="Length of an item's first vector if its features explain it fully.",
    )
    pull: float = Field(
        default=1000.0,
        ge=0,
        le=1e6,
        description="Pull of the features' vectors towards their start, as that many likes: higher values help new "
        "items.",
    )
    hidden_share: float = Field(
        default=0.2,
        ge=0,
        lt=1,
        description="Share of the items whose popularity is hidden in a step, so that features learn to stand for it.",
    )
    block_entries: int = Field(
        default=4_000_000,
        ge=1000,
        le=10**9,
        description="Pairs of items whose attention is held at a time when users are scored: 8 bytes each.",
    )
