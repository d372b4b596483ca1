"""Examines the settings file, and whether somebody is told of a night that fails."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.config.load import load_settings
from tasks.config.settings import Settings
from tasks.diagnosis.finding import Finding
from tasks.errors import UsageError
from tasks.storage.health import Untold

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


def examine_notify(environment: Mapping[str, str] = os.environ, *, untold: Sequence[Untold] = ()) -> Finding:
    """Return whether an address for messages is set, and whether messages have arrived; the address is not shown.

    Args:
        environment: of this command.
        untold: messages of the home that have not arrived, oldest first.
    """
    if NOTIFY not in environment:
        return Finding(
            "Messages", "look", f"{NOTIFY} is not set: nobody is told of a night that fails",
            "Set it in the environment of the nights, or let cron or systemd tell: recs schedule",
        )  # fmt: skip
    if not environment[NOTIFY].strip():
        return Finding("Messages", "bad", f"{NOTIFY} is set, but empty", "Give it an address, or unset it.")
    if untold:
        return Finding(
            "Messages", "look",
            f"{len(untold)} {'has' if len(untold) == 1 else 'have'} not arrived, the oldest of {untold[0].at} UTC: "
            f"{untold[0].title}",
            "Does recs notify --test arrive? The next night, recs runs --overdue or recs notify --failed tries again.",
        )  # fmt: skip
    return Finding("Messages", "OK", f"{NOTIFY} is set, and no message waits")
