"""The settings of warm starts: whether and when a model starts from an earlier night's fit."""

from __future__ import annotations

from pydantic import Field

from models.settings_base import Options


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
    refit_from_tonight: bool = Field(
        default=False,
        description="Refits on everything that would be cold start from tonight's fit before the cutoff.",
    )
    max_changed_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="A fit is cold if more than this share of its pairs of user and item is new or gone.",
    )
