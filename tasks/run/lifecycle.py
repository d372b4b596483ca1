"""One night's life: the lock, whether there is anything to do, resuming, and how it ends. See docs/night.md."""

from __future__ import annotations

import logging
import shlex
import shutil
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from models.registry import recommender_class
from tasks.config.settings import Settings
from tasks.datasets.prepare import prepare
from tasks.errors import NightError, UsageError, plain
from tasks.ingestion.land import plan_intake
from tasks.monitoring.events import Watcher
from tasks.publication.publish import rollback
from tasks.publication.targets.base import Target
from tasks.publication.targets.connect import open_target, serving_url
from tasks.recommendation.item_rules import today
from tasks.reporting.run_report import try_to_write_page
from tasks.run.context import Night
from tasks.run.dag import InProcess
from tasks.storage.artifact_store import Store
from tasks.storage.cache_key import SOURCE, fingerprint, library_versions
from tasks.storage.home import Home, locked
from tasks.storage.run_records import Run, Runs
from tasks.storage.warehouse import open_warehouse
from tasks.training.fit import BACKFILL

EXIT_CODES = {"published": 0, "not_switched": 0, "check_failed": 3, "failed": 1}
_ROOM = 32 * 2**20  # bytes; with much less, Prefect's server does not start, and takes minutes to say so
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a night ended.

    `place` is the serving database, `live` the run that its readers see. `nothing_new`: why it did not even begin; then
    `run` is the run that made it needless.
    """

    run: Run
    place: str
    live: int | None
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
        flow: runs the stages; `tasks.run.dag.nightly`, or something around it.
        watcher: is told how the night goes.
        as_of: end of the data, exclusive, UTC; None for just after the newest interaction.
        force: run even if nothing is new, and switch readers whatever is live.

    Raises:
        NightError: it could not begin, or it failed; a failed night is recorded as such, and lists stay.
    """
    _refuse_missing_device(settings)
    with locked(home):
        prepare(home, watcher)
        with (
            open_warehouse(home.warehouse) as con,
            open_target(serving_url(home, settings), owner=home.owner) as target,
        ):
            runs, store = Runs(home.runs), Store(home.artifacts)
            intake = plan_intake(con, home.input, settings.data)
            base = _fingerprint(intake.data_hash, settings, as_of)
            mark = fingerprint(base, target.item_rules(today()))
            if not force and not intake.new_files:
                needless = _nothing_new(home, mark, runs, target)
                if needless is not None:
                    return needless
            _check_room(home)
            store.sweep()
            record = runs.begin(mark, dataset=home.dataset, seed=settings.run.seed, live=target.live_run())
            record.settings = settings.model_dump(mode="json", exclude={"publish": {"url"}})
            night = Night(
                home, settings, record, con, target, watcher, InProcess(),
                base_fingerprint=base, requested_as_of=as_of, force=force,
            )  # fmt: skip
            _mirror(night)
            try:
                _live_through(night, flow)
            finally:
                night.end()
                _forget_old(runs, store, target, settings.publish.keep_runs)
            return Outcome(record, target.place, target.live_run())


def roll_back(home: Home, settings: Settings, run_id: int | None) -> int:
    """Show an earlier run again; returns its id. A night that is running then finds itself fenced off.

    Raises:
        UsageError: there is no such run.
    """
    with open_target(serving_url(home, settings), owner=home.owner) as target:
        return rollback(target, run_id)


def _fingerprint(data_hash: str, settings: Settings, as_of: datetime | None) -> str:
    """Inputs + settings + source + as_of; the rules of single items come on top.

    How many fits run at once, and where lists go, change no result.
    """
    resolved = settings.model_dump(
        mode="json", exclude={"run": {"parallel_fits"}, "publish": True, "models": True}
    )
    names = _models(settings)
    configs = {name: settings.models.config(name) for name in names}
    source = SOURCE.hash("tasks.run.dag", *(recommender_class(name).__module__ for name in names))
    return fingerprint(data_hash, resolved, settings.models.shelf, configs, source, library_versions(), as_of)


def _models(settings: Settings) -> list[str]:
    """All that the night fits: the shelf, what stands in for it, and what finds similar items."""
    shelf = settings.models.shelf
    blended = settings.blend.members_of(shelf)
    return sorted({*shelf, *blended, *BACKFILL, settings.recommend.similar_model})


def _refuse_missing_device(settings: Settings) -> None:
    """A model that the machine cannot train is an error now, not after an hour of other models."""
    for name in _models(settings):
        try:
            settings.models.config(name).check_machine()
        except ValueError as reason:
            raise UsageError(f"The model {name} cannot be trained on this machine: {reason}.") from None


def _nothing_new(home: Home, mark: str, runs: Runs, target: Target) -> Outcome | None:
    live_id = target.live_run()
    live = None if live_id is None else runs.find(live_id)
    if live is not None and live.fingerprint == mark and live.status == "published":
        return Outcome(
            live,
            target.place,
            live_id,
            f"Nothing is new since run {live.run_id}: same input, settings, rules and code; its lists are live. "
            "--force runs all the same.",
        )
    for run in runs.all():
        if run.fingerprint == mark and run.run_id in target.held_back():
            return Outcome(
                run,
                target.place,
                live_id,
                f"Nothing is new since run {run.run_id}, which was rolled back by hand. "
                f"`recs rollback {run.run_id} --home {shlex.quote(str(home.path))}` shows its lists again, "
                "--force runs all the same.",
            )
    return None


def _check_room(home: Home) -> None:
    free = shutil.disk_usage(home.path).free
    if free < _ROOM:
        raise NightError(
            f"The disk is full: {free / 2**20:.0f} MB are left for {home.path}.",
            "Free some space and run again; the published lists stay.",
        )


def give_up(night: Night) -> None:
    """Write down, and say, that the night ends here because somebody wished it; the process ends right after.

    The serving database hears of it from the next night: this one may be in the midst of writing to it.
    """
    run = night.record
    with night.last_record():
        if run.switched:
            night.runs.finish(run, "published", f"Run {run.run_id} is live. Afterwards, it was interrupted.")
            night.watcher.interrupted("Interrupted. The new lists are live.")
        else:
            night.runs.finish(
                run, "interrupted", "Somebody stopped it. The same command goes on where it stopped."
            )
            night.watcher.interrupted(
                "Interrupted. The published lists stay; the same command goes on where it stopped."
            )


def _live_through(night: Night, flow: Callable[[Night], None]) -> None:
    """Run the stages; whatever happens, the record says how it ended."""
    try:
        flow(night)
    except Exception as error:  # noqa: BLE001 - it is raised again, in plain words
        _fail(night, error)
    except BaseException as interruption:  # which is no error
        give_up(night)
        _mirror(night)
        traceback.clear_frames(interruption.__traceback__)
        raise
    else:
        night.runs.finish(night.record, night.verdict, night.reason)
        _mirror(night)


def _fail(night: Night, error: Exception) -> None:
    """Record an error and raise it in plain words; too late to fail is who has switched readers to the new lists."""
    run, clear = night.record, plain(error)
    cause = f"{f'stage {night.failed_stage}: ' if night.failed_stage else ''}{clear}"
    if run.switched:
        night.runs.finish(run, "published", f"Run {run.run_id} is live. Afterwards, {cause}")
    else:
        night.runs.finish(run, "failed", cause)
    _mirror(night)
    try_to_write_page(night.home, run)
    traceback.clear_frames(error.__traceback__)
    if run.switched:
        log.warning("The lists are live, but afterwards this failed: %s", cause)
    elif clear is error:
        raise error
    else:
        raise clear from error


def _mirror(night: Night) -> None:
    """The runs' records, for those who read SQL. run.json is the truth: a mirror that fails breaks nothing."""
    if not night.target.has_schema:
        return
    run_id, kept = night.record.run_id, ("stage", "model", "seconds", "peak_mb")
    times = [
        {name: value for name, value in asdict(time).items() if name in kept} for time in night.record.stages
    ]
    try:
        for run in night.runs.all():  # also those that died before they could tell
            night.target.record_run(run.row())
        night.target.record_stage_times(run_id, times)
    except NightError as error:
        log.warning("The serving database has no record of run %s: %s", run_id, error)


def _forget_old(runs: Runs, store: Store, target: Target, keep: int) -> None:
    """Artifacts go that neither a published run nor one of the newest holds."""
    published = {run.run_id for run in target.published_runs()}
    held = [run for place, run in enumerate(runs.all()) if place < keep or run.run_id in published]
    store.keep_only({artifact for run in held for artifact in run.artifacts})
