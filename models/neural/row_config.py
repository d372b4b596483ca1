"""Hyperparameters of the autoencoders of users' rows: those that all have, and those of each."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from models.neural.config import Epochs, LearningRate, SvdStartConfig
from models.search_space import Range, SearchSpace


class RowAutoencoderConfig(SvdStartConfig):
    """Hyperparameters of an autoencoder of users' rows."""

    epochs: Epochs = 25
    batch: int = Field(
        default=512,
        ge=1,
        le=1_000_000,
        description="Users in a step. On small data fewer, so that a pass over the users has 16 steps, but at least "
        "128 unless this is smaller.",
    )
    learning_rate: LearningRate = 3e-4
    dropout: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="Share of a user's items that are hidden from the encoder in training.",
    )
    factors: int = Field(default=200, ge=1, le=2048, description="Length of the latent vector of a user.")
    softmax_items: int = Field(
        default=8192,
        ge=1,
        le=10_000_000,
        description="Items that the softmax of a step runs over: those of its users, and so many of the rest that they "
        "are this many; 1024 of the rest at least.",
    )


class MultVAEConfig(RowAutoencoderConfig):
    """Hyperparameters of `multvae`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(64, 600, log=True),
        "hidden": Range(64, 1000, log=True),
        "beta": Range(0.05, 1.0),
        "dropout": Range(0.1, 0.7),
        "learning_rate": Range(0.0001, 0.003, log=True),
    }

    factors: int = Field(default=400, ge=1, le=2048, description="Length of the latent vector of a user.")
    hidden: int = Field(
        default=400,
        ge=1,
        le=4096,
        description="Length of the layer before the latent vector, and of the one after.",
    )
    beta: float = Field(
        default=0.2,
        ge=0,
        le=10,
        description="Weight of the divergence from the prior, at the end of `anneal_epochs`; it grows from 0.",
    )
    anneal_epochs: int = Field(default=10, ge=0, le=10_000, description="Epochs in which the weight grows.")


class RecVAEConfig(RowAutoencoderConfig):
    """Hyperparameters of `recvae`."""

    search_space: ClassVar[SearchSpace] = {
        "factors": Range(64, 400, log=True),
        "gamma": Range(0.0005, 0.02, log=True),
        "dropout": Range(0.1, 0.7),
        "learning_rate": Range(0.0001, 0.003, log=True),
    }

    epochs: Epochs = 16
    learning_rate: LearningRate = 5e-4
    hidden: int = Field(default=256, ge=1, le=4096, description="Length of the encoder's five layers.")
    gamma: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="Weight of the divergence from the prior, for each item of the user.",
    )
