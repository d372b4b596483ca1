"""The table `[retention]` of the settings: how long the home keeps what no list needs."""

from __future__ import annotations

from pydantic import Field

from models.settings_base import Options


class RetentionSettings(Options):
    """How many nights keep their page and their details. Lists and artifacts go by `publish.keep_runs`."""

    nights: int = Field(
        default=14,
        ge=1,
        description="How many of the newest nights keep their page, all their figures and, in the home's own "
        "database of Prefect, their flow run. Nights whose lists are kept keep their page, too; records always stay.",
    )
