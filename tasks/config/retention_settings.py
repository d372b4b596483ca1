"""The table `[retention]` of the settings: how long the home keeps what no list needs."""

from __future__ import annotations

from pydantic import Field

from models.settings_base import Options


class RetentionSettings(Options):
    """How many nights keep their page and their details. Lists and artifacts go by `publish.keep_runs`."""

    nights: int = Field(
        default=14,
        ge=1,
        description="The newest nights that keep their page, their metrics of slices and, in the home's own database of "
        "Prefect, their flow run; nights whose lists are kept keep them, too. Records of older nights stay.",
    )
