"""Settings of the messages that tell somebody how nights end."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from models.settings_base import Options

Ending = Literal["failed", "held_back", "interrupted", "overdue", "recovered", "not_switched"]
"""How a night can end that somebody wants to be told: `failed` includes killed nights and those that did not begin."""


class NotifySettings(Options):
    """Messages on how nights end: their addresses, and the endings that are told."""

    url: SecretStr | None = Field(
        default=None,
        description="Addresses of apprise, separated by commas or spaces. From the environment only: secret.",
    )
    endings: tuple[Ending, ...] = Field(
        default=("failed", "held_back", "interrupted", "overdue", "recovered"),
        description="The endings that are told; recovered: the first good night after a bad one.",
    )
    max_seconds: float = Field(
        default=30, gt=0, le=300, description="After which the night goes on without having told."
    )
    pages_url: str = Field(
        default="",
        description="Where the folder HOME/runs is served, for links to pages; empty: paths of files.",
    )

    @property
    def addresses(self) -> str:
        """The addresses; empty if nobody is told."""
        return "" if self.url is None else self.url.get_secret_value().strip()

    @field_validator("pages_url")
    @classmethod
    def _is_an_address_of_the_web(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
            raise ValueError(
                "expected an address without a password, such as https://reports.example.com/demo/runs"
            )
        return value.rstrip("/")
