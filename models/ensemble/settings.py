"""Settings of learning a blend, in a module that readers of settings can import without numba or the models."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.settings_base import Options

MIN_TRAINING_USERS = 30
"""No blend is learned from fewer users. The default regularization shrinks a weight by half at this number, and a mean
over fewer users is so uncertain that a blend worse than its members could become champion of a first night."""


class BlendOptions(Options):
    """Settings for learning the weights of a blend."""

    method: Literal["auto", "ranks", "scores", "greedy", "ranker"] = Field(
        default="auto",
        description="ranks: weighted reciprocal ranks. scores: weighted standardised scores. greedy: the same, by how "
        "often a member was added because it helped most (Caruana et al. 2004). ranker: log ranks, standardised scores "
        "and features of the data. auto: the best of the four on out-of-fold users.",
    )
    candidates: int = Field(default=100, ge=10, le=10_000, description="Items taken from each member's list.")
    max_members: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Largest number of members in use, by greedy selection; the others are not refitted. Absent: all "
        "that have a weight.",
    )
    folds: int = Field(
        default=5,
        ge=2,
        le=20,
        description="Folds of the select half; each is ranked by weights learned from the others.",
    )
    regularization: float = Field(
        default=30.0, gt=0, le=1e6, description="Number of users at which a weight is shrunk by half."
    )
    learn_users: int = Field(
        default=2000,
        ge=MIN_TRAINING_USERS,
        le=100_000,
        description="Largest number of users of the select half that weights are learned from.",
    )
