"""One night's life: the lock, whether there is anything to do, resuming, and how it ends. See docs/night.md."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from models.registry import recommender_class
from tasks.datasets.prepare import prepare
from tasks.errors import NightError
from tasks.fingerprints import fingerprint, library_versions, source_hash
from tasks.home import Home, locked
from tasks.land import plan_intake
from tasks.night import Night
from tasks.progress import Watcher
from tasks.publish import rollback
from tasks.runs import Run, Runs
from tasks.settings import Settings
from tasks.store import Store
from tasks.targets.base import Target
from tasks.targets.registry import open_target
from tasks.warehouse import open_warehouse

EXIT_CODES = {"published": 0, "not_switched": 0, "check_failed": 3, "failed": 1}
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a night ended. `nothing_new`: why it did not even begin; then `run` is the run that made it needless."""

    run: Run
    place: str
    nothing_new: str = ""

    @property
    def exit_code(self) -> int:
        """0 done, 1 failed, 3 held back by a check."""
        return 0 if self.nothing_new else EXIT_CODES[self.run.status]


def run_night(
    home: Home,
    settings: Settings,
    flow: Callable[[Night], None],
    watcher: Watcher,
    *,
    as_of: datetime | None = None,
    force: bool = False,
) -> Outcome:
    """Run one night from lock to record.

    Args:
        home: where it lives.
        settings: what it should do.
        flow: the stages, in order.
        watcher: who is told how it goes.
        as_of: exclusive, UTC; None for just after the newest interaction.
        force: run even if nothing is new, and switch whatever is live.

    Raises:
        NightError: it could not begin, or it failed; a failed night is recorded as such, and lists stay.
    """
    with locked(home):
        prepare(home, watcher)
        with (
            open_warehouse(home.warehouse) as con,
            open_target(serving_url(home, settings), owner=home.owner) as target,
        ):
            runs = Runs(home.runs)
            intake = plan_intake(con, home.input, settings.data)
            mark = _fingerprint(intake.data_hash, settings, as_of)
            if not force:
                needless = _nothing_new(mark, runs, target)
                if needless is not None:
                    return needless
            run = runs.begin(
                mark, dataset=home.dataset, seed=settings.run.seed, expected_live=target.live_run()
            )
            run.settings = settings.model_dump(mode="json", exclude={"publish": {"url"}})
            night = Night(home, settings, run, con, target, watcher, as_of=as_of, force=force)
            _live_through(night, flow)
            _forget_old(runs, Store(home.artifacts), settings.publish.keep_runs)
            return Outcome(run, target.place)


def roll_back(home: Home, settings: Settings, run_id: int | None) -> int:
    """Show an earlier run again; returns its id. A night that is running then finds itself fenced off.

    Raises:
        UsageError: there is no such run.
    """
    with open_target(serving_url(home, settings), owner=home.owner) as target:
        return rollback(target, run_id)


def serving_url(home: Home, settings: Settings) -> str:
    """Where the lists of a home go; may hold a password."""
    return settings.publish.url.get_secret_value() if settings.publish.url else home.default_url


def _fingerprint(data_hash: str, settings: Settings, as_of: datetime | None) -> str:
    """Inputs + settings + source + as_of. How many fits run at once, and where lists go, change no result."""
    resolved = settings.model_dump(
        mode="json", exclude={"run": {"parallel_fits"}, "publish": True, "models": True}
    )
    names = sorted({*settings.models.shelf, "popularity", settings.recommend.similar_model})
    configs = {name: settings.models.config(name) for name in names}
    source = source_hash("tasks.stages", *(recommender_class(name).__module__ for name in names))
    return fingerprint(data_hash, resolved, settings.models.shelf, configs, source, library_versions(), as_of)


def _nothing_new(mark: str, runs: Runs, target: Target) -> Outcome | None:
    live_id = target.live_run()
    live = None if live_id is None else runs.find(live_id)
    if live is not None and live.fingerprint == mark and live.status == "published":
        return Outcome(
            live,
            target.place,
            f"Nothing is new since run {live.run_id}: same input, settings and code; its lists are live. "
            "--force runs all the same.",
        )
    for run in runs.all():
        if run.fingerprint == mark and run.run_id in target.held_back():
            return Outcome(
                run,
                target.place,
                f"Nothing is new since run {run.run_id}, which was rolled back by hand. "
                "--force publishes it all the same.",
            )
    return None


def _live_through(night: Night, flow: Callable[[Night], None]) -> None:
    """Run the stages; whatever happens, the record says how it ended."""
    run = night.run
    try:
        flow(night)
    except BaseException as error:
        stage = night.failed_stage or "start"
        clear = _in_plain_words(error)
        night.runs.finish(run, "failed", f"stage {stage}: {clear or type(error).__name__}")
        _mirror(night)
        if clear is not None and clear is not error:
            raise clear from error
        raise
    night.runs.finish(run, night.verdict, night.reason)
    _mirror(night)


def _in_plain_words(error: BaseException) -> NightError | None:
    if isinstance(error, NightError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NightError(
            "The disk is full; the published lists stay as they were.", "Free some space and run again."
        )
    if isinstance(error, Exception):
        return NightError(
            f"{type(error).__name__}: {error}".strip(),
            "`recs --debug run` shows where; the published lists stay as they were.",
        )
    return None


def _mirror(night: Night) -> None:
    """The run's record, for those who read SQL. run.json is the truth: a mirror that fails breaks nothing."""
    if not night.target.claimed:
        return
    try:
        night.target.record_run(night.run.row())
        night.target.record_stage_times(
            night.run.run_id,
            [
                {k: v for k, v in asdict(t).items() if k in ("stage", "model", "seconds", "peak_mb")}
                for t in night.run.stages
            ],
        )
    except NightError as error:
        log.warning("The serving database has no record of run %s: %s", night.run.run_id, error)


def _forget_old(runs: Runs, store: Store, keep: int) -> None:
    """Artifacts that no kept run holds go."""
    store.keep_only({artifact for run in runs.all()[:keep] for artifact in run.artifacts})
