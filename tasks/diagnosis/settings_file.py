"""Examines the settings file, and whether somebody would be told of a night that fails."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tasks.config.load import load_settings
from tasks.config.settings import Settings
from tasks.diagnosis.finding import Finding
from tasks.errors import UsageError

NOTIFY = "RECS_NOTIFY__URL"
DEFAULT_FILE = Path("pipeline.toml")


def read_settings(config: Path | None) -> tuple[Settings | None, Finding]:
    """Return the settings of a file, None if they are wrong, and the finding.

    Args:
        config: the file; None for pipeline.toml in the current folder, which may be absent.
    """
    try:
        settings = load_settings(config)
    except UsageError as error:
        return None, Finding("Settings", "bad", str(error), error.hint)
    path = config or DEFAULT_FILE
    seen = f"{path.resolve()} is readable" if path.is_file() else f"no {path} here: the defaults count"
    return settings, Finding("Settings", "OK", seen)


def examine_notify(environment: Mapping[str, str] = os.environ) -> Finding:
    """Return whether an address for messages is set; its value, which may hold a password, is not shown."""
    if NOTIFY not in environment:
        return Finding(
            "Messages", "look", f"{NOTIFY} is not set: nobody is told of a night that fails",
            "Set it in the environment of the nights, or let cron or systemd tell: recs schedule",
        )  # fmt: skip
    if not environment[NOTIFY].strip():
        return Finding("Messages", "bad", f"{NOTIFY} is set, but empty", "Give it an address, or unset it.")
    return Finding("Messages", "OK", f"{NOTIFY} is set")
