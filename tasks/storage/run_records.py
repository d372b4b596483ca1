"""Run records: `runs/<run_id>/run.json` records one night. It is the source of truth; databases hold copies."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from tasks.artifacts import CheckResult, Decision, Deliveries, SourceCounts, TradeOff
from tasks.errors import NightError
from tasks.monitoring.drift_figures import Drift
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
"""Status → its name in reports."""


@dataclass
class StageTime:
    """One stage of one night.

    Attributes:
        stage: its name.
        model: the model it is about, if any.
        seconds: how long it took.
        peak_mb: peak memory of the whole process during the stage.
        stored: whether the result came from the artifact store.
        note: its result in a few words.
    """

    stage: str
    model: str | None
    seconds: float
    peak_mb: float
    stored: bool
    note: str


@dataclass(frozen=True)
class Quality:
    """The champion's metric, such as `ndcg@10`, on the report half."""

    metric: str
    value: float


@dataclass(frozen=True)
class WarmPlan:
    """The night whose fits a night starts from, chosen when it begins.

    Attributes:
        run_id: of that night; None if all fits are cold.
        night: number of nights in a row that could start from the one before, 0 for the first.
        why: why there is none.
    """

    run_id: int | None
    night: int
    why: str = ""


@dataclass(frozen=True)
class TrialRecord:
    """The trial of a night.

    Attributes:
        model: the challenger.
        share: expected share of the users who got its lists.
        salt: text that drew them, with their ids.
        nights: how many nights decide.
    """

    model: str
    share: float
    salt: str
    nights: int


@dataclass
class RunSummary:
    """Results of a night's stages that reports and later nights read. Fields are empty until their stage has run.

    Attributes:
        intake: rows of every source by outcome.
        deliveries: the increments that landed, wait, or cannot be read.
        split: the kind of split, such as `temporal`.
        split_why: why the data were split so, with the number of users who can be judged, and who are.
        decision: how the champion was chosen.
        learned_nothing: models whose training matrix was empty; their metrics are those of the backfill.
        trade_off: costs of diversity and genre caps; None if neither is on.
        trade_off_failed: the error of that stage, if it failed.
        rules: the rules of single items in force, as text.
        checks: the result of every check.
        outcome: what users did after the lists of earlier runs were made, in a sentence, or why that is not known.
        trial: the trial, if some users got the lists of another model.
        trial_failed: why there was none although one was asked for.
        example_user: external id of a user with a list, for example queries.
        snapshots: keys of the night's matrices: `judged`, before the cutoff, and `refit`, of everything.
        fits: key of a snapshot → model → key of its fit on it.
        quality: of the champion; None if nobody of the report half was judged.
        drift: how the input differs from that of the last nights; None if it was not measured.
        advice: what to do, if an error that ended the night said so.
    """

    intake: tuple[SourceCounts, ...] = ()
    deliveries: Deliveries = field(default_factory=Deliveries)
    split: str | None = None
    split_why: str = ""
    decision: Decision | None = None
    learned_nothing: tuple[str, ...] = ()
    trade_off: TradeOff | None = None
    trade_off_failed: str = ""
    rules: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    outcome: str = ""
    trial: TrialRecord | None = None
    trial_failed: str = ""
    example_user: int | str | None = None
    snapshots: dict[str, str] = field(default_factory=dict)
    fits: dict[str, dict[str, str]] = field(default_factory=dict)
    quality: Quality | None = None
    drift: Drift | None = None
    advice: str = ""


@dataclass
class Run:
    """The record of one night. Times are UTC.

    Attributes:
        run_id: the start as yyyymmddhhmmss.
        attempt: how often it was begun: 1, and 1 more each time that it is resumed.
        fingerprint: of inputs, settings, rules of single items, source and `as_of`.
        expected_live: the run whose lists were live when this night began.
        as_of: only interactions before it are used.
        data_until: just after the newest interaction before `as_of`; may be much earlier than `as_of`.
        champion: the model that made the lists.
        rows: number of rows published.
        switched: whether its own lists went live.
        reason: of its status.
        after_switch: what failed after its lists went live; empty if nothing did.
        artifacts: 'stage/key' of every artifact that it needs; these are not removed.
        borrowed: 'stage/key' of artifacts of earlier nights that its fits start from; these are not removed either.
        failed_models: model → why it was left out.
        settings: as resolved, without the address of the serving database.
        warm_plan: the night that its fits start from; None until it is chosen, and in records of older versions.
        summary: results of the stages.
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
    after_switch: str = ""
    stages: list[StageTime] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)
    borrowed: list[str] = field(default_factory=list)
    failed_models: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    summary: RunSummary = field(default_factory=RunSummary)
    warm_plan: WarmPlan | None = None
    attempt: int = 1

    @property
    def still_live(self) -> str:
        """A sentence that says which lists are live if this night does not publish."""
        if self.expected_live is None:
            return "There are no earlier lists, so none are live."
        return f"The lists of run {self.expected_live} stay live."

    @property
    def learned_nothing(self) -> str:
        """A sentence that names the models whose training matrix was empty; empty if there are none."""
        models = ", ".join(self.summary.learned_nothing)
        return models and f"{models}: had nothing to learn from; the lists are those of the backfill models."

    @property
    def protocol(self) -> tuple[Any, ...]:
        """The settings that must be equal for the metrics of two nights to be comparable.

        The seed is one of them: it puts each user into one of the halves.
        """
        return (
            self.seed,
            self.summary.split,
            self.settings.get("split"),
            self.settings.get("utility"),
            self.settings.get("judge", {}).get("champion_metric"),
        )

    def row(self) -> dict[str, Any]:
        """Return this night's row of the `pipeline_runs` table; its reason includes why the champion was chosen."""
        names = ("run_id", "as_of", "started_at", "finished_at", "status", "champion", "rows", "reason")
        row = {name: getattr(self, name) for name in names}
        decision = self.summary.decision
        if decision is None:
            return row
        return row | {"reason": f"{self.reason} Champion: {decision.why}.".lstrip()}


_TROUBLE = re.compile(r"Run \d+ is live\. Afterwards, |Its lists went live; ")
"""Beginnings of the reason of a run whose lists went live before something failed."""


class Runs:
    """The run records of one home."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, run_id: int) -> Path:
        """Return the folder of a run's record and report."""
        return self.root / str(run_id)

    def save(self, run: Run) -> None:
        """Write the record atomically."""
        self.folder(run.run_id).mkdir(parents=True, exist_ok=True)
        write_json(self.folder(run.run_id) / "run.json", to_json(run))

    def find(self, run_id: int) -> Run | None:
        """Return the record of a run, or None if there is none.

        Raises:
            NightError: the record is damaged.
        """
        path = self.folder(run_id) / "run.json"
        try:
            return _completed(from_json(Run, json.loads(path.read_text(encoding="utf-8"))))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise NightError(
                f"{path} is damaged ({error}).",
                f"Move the folder {path.parent} away; the published lists do not need it.",
            ) from error

    def all(self) -> list[Run]:
        """Return every run, newest first."""
        names = (path.parent.name for path in self.root.glob("[0-9]*/run.json"))
        ids = sorted((int(name) for name in names if name.isdecimal()), reverse=True)
        return [run for run in map(self.find, ids) if run is not None]

    def begin(self, fingerprint: str, *, dataset: str, seed: int, live: int | None) -> Run:
        """Begin a run, or resume the unfinished one with the same fingerprint, under its id.

        The processes of other unfinished runs are dead, since the caller holds the lock. Their records are closed: as
        published if their lists are live, else as failed. An interrupted run can be resumed until another one begins.

        Args:
            fingerprint: of everything that the night's results depend on.
            dataset: the name of the dataset.
            seed: of everything random.
            live: the run whose lists are live now; None if none are.

        Returns:
            The record, saved, with status `running`.
        """
        current: Run | None = None
        for place, run in enumerate(self.all()):
            if run.status != "running" and not (run.status == "interrupted" and place == 0):
                continue
            if current is None and run.fingerprint == fingerprint:
                current = run
            elif run.run_id == live:
                run.after_switch = "it ended before its report was written."
                self.finish(run, "published", f"Its lists went live; {run.after_switch}")
            elif run.status == "running":
                self.finish(
                    run, "failed", "It ended without a result: it was killed, or the machine went down."
                )
        if current is not None:  # expected_live stays: a rollback since then must not be undone
            current.stages, current.failed_models, current.summary = [], {}, RunSummary()
            current.status, current.reason, current.finished_at = "running", "", None
            current.attempt += 1
        else:
            current = Run(self._new_id(), fingerprint, dataset, _now(), seed, expected_live=live)
        self.save(current)
        return current

    def finish_after_switch(self, run: Run, trouble: str) -> None:
        """Close a run as published although something failed after its lists went live; `trouble` says what."""
        run.after_switch = trouble
        self.finish(run, "published", f"Run {run.run_id} is live. Afterwards, {trouble}")

    def finish(self, run: Run, status: Status, reason: str) -> None:
        """Close a run.

        Args:
            run: its record, which is saved.
            status: how it ended.
            reason: why, in one or two sentences.
        """
        run.status, run.reason, run.finished_at = status, reason, _now()
        self.save(run)

    def _new_id(self) -> int:
        run_id = int(_now().strftime("%Y%m%d%H%M%S"))
        newest = max((run.run_id for run in self.all()), default=0)
        return max(run_id, newest + 1)


def _completed(run: Run) -> Run:
    """Fill in, from notes and reason, the fields that records of older versions lack."""
    notes = {stage.stage: stage.note for stage in run.stages if stage.model is None}
    summary = run.summary
    if not summary.split_why:
        summary.split_why = notes.get("split", "")
    if summary.decision is not None and not summary.decision.why:
        summary.decision = replace(summary.decision, why=notes.get("choose", ""))
    if run.status == "published" and not run.after_switch:
        run.after_switch = _TROUBLE.sub("", run.reason) if _TROUBLE.match(run.reason) else ""
    return run


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
