"""How a blend is learned. Apart from the learning, so that who reads settings need not import it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.settings_base import Options

MIN_TEACHERS = 30
"""Of fewer users no blend is learned: by default so many must speak for a feature to be believed half, and the mean
over fewer is so uncertain that a blend worse than its members could become champion of a first night."""


class BlendOptions(Options):
    """How a blend is learned."""

    method: Literal["auto", "ranks", "scores", "ranker"] = Field(
        default="auto",
        description="ranks: weighted reciprocal ranks. scores: weighted standardised scores. ranker: both, and what "
        "the data says. auto: the best of them on users that it was not learned from.",
    )
    candidates: int = Field(default=100, ge=10, le=10_000, description="Of so many items of each member.")
    folds: int = Field(
        default=5, ge=2, le=20, description="Parts of the select half, each ranked by the others'."
    )
    regularization: float = Field(
        default=30.0, gt=0, le=1e6, description="How many users must speak for a feature to be believed half."
    )
    learn_users: int = Field(
        default=2000,
        ge=MIN_TEACHERS,
        le=100_000,
        description="At most so many of the select half teach the weights.",
    )
