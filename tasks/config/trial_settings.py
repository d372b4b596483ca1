"""The settings of a trial: a share of the users gets the lists of a challenger."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from models.registry import ENSEMBLES, RECOMMENDERS, require_known
from models.settings_base import Options


class TrialSettings(Options):
    """A trial of one model against the champion, judged by what users do next."""

    model: str = Field(
        description="The challenger, which makes the lists of these users; it need not be on the shelf."
    )
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1, description="Share of the users who get its lists, above 0 and below 1."
    )
    nights: int = Field(
        default=7, ge=1, le=365, description="Nights whose outcomes decide; before, there is no verdict."
    )
    salt: str = Field(
        default="",
        max_length=200,
        description="Text that draws the users, with their ids; another one draws others. Empty: made of the home's id "
        "and the model.",
    )

    @field_validator("model")
    @classmethod
    def _model_is_known(cls, value: str) -> str:
        if value not in ENSEMBLES and value not in RECOMMENDERS:
            require_known(value)  # names the models there are
        return value
