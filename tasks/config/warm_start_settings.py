"""The settings of warm starts: whether and when a model starts from an earlier night's fit."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, field_validator

from models.settings_base import Options

FromTonight = Literal["als", "bpr", "mf"]
"""Models whose refit may start from the same night's fit before the cutoff; lightgcn was measured to lose by it."""


class WarmStartSettings(Options):
    """Warm starts of the models that know them: als, bpr, mf, lightgcn, social_gcn, ngcf."""

    enabled: bool = Field(
        default=True, description="Start from the fits of the last published night; off, every fit is cold."
    )
    cold_every: int = Field(
        default=7,
        ge=1,
        le=1000,
        description="Each model is fitted cold once in so many nights; 1 makes every fit cold. The models take turns.",
    )
    refit_from_tonight: tuple[FromTonight, ...] = Field(
        default=("als", "bpr"),
        description="Models (of als, bpr, mf) whose refit on everything, where it would be cold, starts from tonight's "
        "fit before the cutoff, with twice the rounds of a warm start. true: all three, false: none.",
    )
    max_changed_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="A fit is cold if more than this share of its pairs of user and item is new or gone.",
    )

    @field_validator("refit_from_tonight", mode="before")
    @classmethod
    def _all_or_none(cls, given: Any) -> Any:
        """Read true and false, which older files hold, and names with commas between them."""
        if isinstance(given, bool):
            return get_args(FromTonight) if given else ()
        return tuple(filter(None, map(str.strip, given.split(",")))) if isinstance(given, str) else given
