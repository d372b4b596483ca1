"""The settings of increments: files that add to the snapshots beside them, each read once."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from models.settings_base import Options


class IncomingSettings(Options):
    """The folder of increments, the age at which one counts as complete, and the share that may be unreadable."""

    incoming: str = Field(
        default="incoming",
        description="A folder of increments within the dataset's folder, or a pattern such as drop/*.parquet; "
        "empty: there are none.",
    )
    settle_seconds: float = Field(
        default=60,
        ge=0,
        le=86_400,
        description="An increment written within this many seconds waits for the next night if it changes while it is "
        "looked at, or breaks off.",
    )
    max_set_aside_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="More unreadable increments than this share of all stop the night; a single one never does.",
    )

    @field_validator("incoming")
    @classmethod
    def _incoming_is_in_the_folder(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        parts = Path(value).parts
        if value and (Path(value).is_absolute() or ".." in parts or not parts):
            raise ValueError(
                "it names a folder within the dataset's folder, such as incoming, or a pattern such as drop/*.parquet"
            )
        return value
