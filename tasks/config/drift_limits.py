"""Limits of the checks of drift, a part of the table `[check]` of the settings."""

from __future__ import annotations

from pydantic import Field

from models.settings_base import Options

_OFF = "Population-stability index against the last nights; 0: off. .1 to .25 is a moderate shift, more a strong one."


class DriftLimits(Options):
    """How far the input may shift from that of the last nights before lists are held back."""

    max_drift_ratings: float = Field(default=0.0, ge=0, description=f"Of ratings. {_OFF}")
    max_drift_activity: float = Field(default=0.0, ge=0, description=f"Of interactions of a user. {_OFF}")
    max_drift_popularity: float = Field(default=0.0, ge=0, description=f"Of interactions of an item. {_OFF}")
    max_drift_utility: float = Field(default=0.0, ge=0, description=f"Of utilities. {_OFF}")
