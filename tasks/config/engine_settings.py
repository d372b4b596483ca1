"""The table `[engine]` of the settings: where the work of a night is done."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.settings_base import Options

_HOST_AND_PORT = re.compile(r"[^\s/:@]+:\d{1,5}")

_PASSWORD = re.compile(r"[^/@]*:[^/@]*@")


class EngineSettings(Options):
    """One machine, or the workers of a Ray cluster."""

    kind: Literal["local", "ray"] = Field(
        default="local", description="local: this process; ray: the workers of a cluster (docs/scale.md)."
    )
    address: str = Field(
        default="auto",
        description="Of the cluster: auto is the one that this machine belongs to; else HOST:PORT or ray://HOST:PORT.",
    )
    artifacts: str = Field(
        default="",
        description="Where results lie: empty: the home; or a folder that all machines see, or s3://bucket/folder.",
    )
    cache: str = Field(
        default="",
        description="Where workers keep what they fetch from such an address; empty: their folder for temporary files.",
    )
    fit_cpus: int = Field(
        default=1, ge=1, le=1024, description="CPUs that each fit asks for and computes with on Ray."
    )
    block_cpus: int = Field(default=1, ge=1, le=1024, description="The same of each block of users or items.")
    retries: int = Field(
        default=3, ge=0, le=100, description="How often Ray runs work again whose worker or node died."
    )
    als_blocks: int = Field(
        default=0,
        ge=0,
        le=500,
        description="Blocks of users and items in which als is fitted on Ray, on many workers at once, so that no "
        "machine holds all its factors; 0: as a whole on one worker. The number of blocks decides the last bits.",
    )

    def blocks_of(self, model: str) -> int:
        """Return in how many blocks a model is fitted; 0: as a whole."""
        return self.als_blocks if self.kind == "ray" and model == "als" else 0

    @model_validator(mode="after")
    def _blocks_see_a_folder(self) -> EngineSettings:
        if self.als_blocks and "://" in self.artifacts:
            raise ValueError(
                "als_blocks needs results in a folder that all machines see, and artifacts names an address: "
                "set als_blocks to 0, or artifacts to a folder"
            )
        return self

    @field_validator("address")
    @classmethod
    def _address_is_one_of_ray(cls, value: str) -> str:
        if value != "auto" and not _HOST_AND_PORT.fullmatch(value.removeprefix("ray://")):
            raise ValueError("it takes auto, HOST:PORT or ray://HOST:PORT, such as ray://10.0.0.1:10001")
        return value

    @field_validator("artifacts")
    @classmethod
    def _artifacts_lie_at_one_place(cls, value: str) -> str:
        protocol, separator, rest = value.partition("://")
        if separator and ("::" in protocol or not protocol or not rest.strip("/")):
            raise ValueError("it takes an address with one protocol and a folder, such as s3://bucket/recs")
        if _PASSWORD.match(rest):
            raise ValueError(
                "it takes no password: the package for the protocol reads it from its own variables or files"
            )
        if value and not separator and not PurePath(value).is_absolute():
            raise ValueError("it takes an absolute path, or an address such as s3://bucket/recs")
        return value.rstrip("/") if value != "/" else value

    @field_validator("cache")
    @classmethod
    def _cache_is_an_absolute_path(cls, value: str) -> str:
        if value and not PurePath(value).is_absolute():
            raise ValueError("it takes an absolute path, such as /var/tmp/recs")
        return value
