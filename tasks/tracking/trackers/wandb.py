"""Weights & Biases: a run of each night and one of each of its models, in one group.

`wandb:PROJECT`, `wandb:ENTITY/PROJECT`, or `wandb:` for a project named like the home's experiment. Without an API key
(`WANDB_API_KEY`, or `wandb login`) runs are written to `wandb/` in the home, from where `wandb sync` sends them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tasks.tracking.tracker import Tracker

_DEFAULTS = {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false", "DO_NOT_TRACK": "1"}
"""Variables of W&B that the user's own win over."""


class WeightsAndBiases(Tracker):
    """Runs in a project of Weights & Biases, online or as files."""

    title: ClassVar[str] = "Weights & Biases"
    schemes: ClassVar[tuple[str, ...]] = ("wandb",)
    package: ClassVar[str] = "wandb"
    extra: ClassVar[str] = "wandb"

    def __init__(self, uri: str, experiment: str, folder: Path) -> None:
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        import wandb  # noqa: PLC0415

        self._wandb: Any = wandb
        named = uri.partition(":")[2].strip("/")
        entity, _, project = named.rpartition("/")
        self._entity, self._project = entity or None, project or re.sub(r"[^\w.-]+", "-", experiment)
        self._experiment, self._folder = experiment, folder
        self._mode = os.environ.get("WANDB_MODE") or ("online" if _has_key() else "offline")
        self._running: list[Any] = []

    def start(self, name: str, tags: Mapping[str, str], started_at: datetime) -> None:
        """Start a run in the group of the night."""
        night = self._running[0].name if self._running else name
        run = self._wandb.init(
            project=self._project,
            entity=self._entity,
            name=f"{night} {name}" if self._running else name,
            group=f"{self._experiment} {night}",
            job_type="fit" if self._running else "night",
            dir=str(self._folder),
            mode=self._mode,
            reinit="create_new",
            settings=self._wandb.Settings(
                console="off", disable_git=True, save_code=False, x_disable_stats=True
            ),
        )
        run.config.update({**tags, "started_at": started_at.isoformat()})
        self._running.append(run)

    def parameters(self, values: Mapping[str, str]) -> None:
        """Record parameters as the run's config."""
        self._running[-1].config.update(dict(values))

    def metrics(self, values: Mapping[str, float]) -> None:
        """Record figures as the run's summary."""
        self._running[-1].summary.update(dict(values))

    def artifact(self, file: Path) -> None:
        """Record a file as an artifact of its own."""
        run = self._running[-1]
        made = self._wandb.Artifact(f"night-{run.name}-{file.stem}", type="night")
        made.add_file(str(file))
        run.log_artifact(made)

    def end(self, ended_at: datetime, *, failed: bool) -> None:  # noqa: ARG002
        """Finish the run; W&B takes the time itself."""
        self._running.pop().finish(exit_code=int(failed))
        if not self._running:
            self._wandb.teardown()  # waits until its service process has written everything


def _has_key() -> bool:
    """Return whether there is an API key: in the environment, or in the file where `wandb login` keeps it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    try:
        return netrc(path).authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False
