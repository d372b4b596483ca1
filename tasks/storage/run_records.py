"""The record of every night: `runs/<run_id>/run.json` is the truth about it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tasks.errors import NightError
from tasks.storage.artifact_store import from_json, to_json, write_json

Status = Literal["running", "published", "not_switched", "check_failed", "failed", "interrupted"]

ENDINGS: dict[Status, str] = {
    "published": "Published",
    "not_switched": "Not switched",
    "check_failed": "Held back",
    "failed": "Failed",
    "interrupted": "Interrupted",
    "running": "Running",
}
"""What a person reads."""


@dataclass
class StageTime:
    """One stage of one night. `stored`: the result came from the stage store."""

    stage: str
    model: str | None
    seconds: float
    peak_mb: float
    stored: bool
    note: str


@dataclass
class Run:
    """One night. Times are UTC; `run_id` is the start as yyyymmddhhmmss.

    `expected_live` is the run whose lists were live when this night began; `switched` says that its own went live;
    `artifacts` are the 'stage/key' it holds. `data_until` is the moment just after the newest interaction before
    `as_of`, which may lie far behind an `as_of` that was asked for.
    """

    run_id: int
    fingerprint: str
    dataset: str
    started_at: datetime
    seed: int
    expected_live: int | None
    status: Status = "running"
    as_of: datetime | None = None
    data_until: datetime | None = None
    finished_at: datetime | None = None
    champion: str | None = None
    rows: int | None = None
    switched: bool = False
    reason: str = ""
    stages: list[StageTime] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)
    failed_models: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def instead(self) -> str:
        """What readers have if this night does not publish."""
        if self.expected_live is None:
            return "There are no earlier lists, so none are live."
        return f"The lists of run {self.expected_live} stay live."

    @property
    def learned_nothing(self) -> str:
        """Which models' figures are not their own; nothing where all had something to learn from."""
        models = ", ".join(self.summary.get("learned_nothing", []))
        return (
            models and f"{models}: had nothing to learn from; their lists are those of what completes them."
        )

    @property
    def protocol(self) -> tuple[Any, ...]:
        """How the models were judged: what must be the same for figures of two nights to compare."""
        return (
            self.summary.get("split"),
            self.settings.get("split"),
            self.settings.get("utility"),
            self.settings.get("judge", {}).get("champion_metric"),
        )

    def row(self) -> dict[str, Any]:
        """This night's row of the `pipeline_runs` table; its reason says also why the champion is the champion."""
        names = ("run_id", "as_of", "started_at", "finished_at", "status", "champion", "rows", "reason")
        row = {name: getattr(self, name) for name in names}
        why = self.summary.get("decision", {}).get("why")
        return row if why is None else row | {"reason": f"{self.reason} Champion: {why}.".lstrip()}


class Runs:
    """The runs of one home."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, run_id: int) -> Path:
        """Where a run keeps its record and report."""
        return self.root / str(run_id)

    def save(self, run: Run) -> None:
        """Write the record; a crash leaves the old one or the new one."""
        self.folder(run.run_id).mkdir(parents=True, exist_ok=True)
        write_json(self.folder(run.run_id) / "run.json", to_json(run))

    def find(self, run_id: int) -> Run | None:
        """The record of a run, or None.

        Raises:
            NightError: it is damaged.
        """
        path = self.folder(run_id) / "run.json"
        try:
            run: Run = from_json(Run, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise NightError(
                f"{path} is damaged ({error}).",
                f"Move the folder {path.parent} away; the published lists do not need it.",
            ) from error
        return run

    def all(self) -> list[Run]:
        """Every run, newest first."""
        ids = sorted((int(p.parent.name) for p in self.root.glob("[0-9]*/run.json")), reverse=True)
        return [run for run in map(self.find, ids) if run is not None]

    def begin(self, fingerprint: str, *, dataset: str, seed: int, live: int | None) -> Run:
        """A new run, or the unfinished one with the same fingerprint, which then goes on under its own id.

        Unfinished runs with another fingerprint belong to dead processes (the caller holds the lock): they are
        closed, as published if `live`, the run that readers see, is theirs. One that was interrupted is unfinished as
        long as no other has begun.
        """
        mine: Run | None = None
        for place, run in enumerate(self.all()):
            if run.status != "running" and not (run.status == "interrupted" and place == 0):
                continue
            if mine is None and run.fingerprint == fingerprint:
                mine = run
            elif run.run_id == live:
                self.finish(run, "published", "Its lists went live; it ended before its report was written.")
            elif run.status == "running":
                self.finish(run, "failed", "It ended without a word: killed, or the machine went down.")
        if mine is not None:  # expected_live stays: a rollback since then must not be undone
            mine.stages, mine.failed_models, mine.summary = [], {}, {}
            mine.status, mine.reason, mine.finished_at = "running", "", None
        else:
            mine = Run(self._new_id(), fingerprint, dataset, _now(), seed, expected_live=live)
        self.save(mine)
        return mine

    def finish(self, run: Run, status: Status, reason: str) -> None:
        """Close a run."""
        run.status, run.reason, run.finished_at = status, reason, _now()
        self.save(run)

    def _new_id(self) -> int:
        run_id = int(_now().strftime("%Y%m%d%H%M%S"))
        newest = max((run.run_id for run in self.all()), default=0)
        return max(run_id, newest + 1)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
