"""The lifecycle of one night: lock, whether there is anything new, resuming, and how it ends. See docs/night.md."""

from __future__ import annotations

import logging
import pkgutil
import shlex
import shutil
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from models.registry import recommender_class
from tasks.config.list_settings import NO_EFFECT_ON_LISTS
from tasks.config.settings import Settings
from tasks.datasets.prepare import prepare
from tasks.engine.open_engine import open_engine, require_engine
from tasks.errors import NightError, UsageError, as_night_error
from tasks.ingestion.land import plan_intake
from tasks.ingestion.landing_warnings import warn_of_left_files
from tasks.monitoring.events import Watcher
from tasks.notification.tell import Teller, tell_interruption, telling
from tasks.publication import targets
from tasks.publication.publish import rollback
from tasks.publication.queries import name_home_in_hints
from tasks.publication.targets.base import Target
from tasks.publication.targets.connect import address_of, open_target, serving_url
from tasks.recommendation.item_rules import today
from tasks.reporting.after_night import write_after_night
from tasks.reporting.old_nights import remove_old_pages
from tasks.reporting.run_report import try_to_write_page
from tasks.run.context import Night
from tasks.run.in_process import InProcess
from tasks.storage.artifact_place import place_artifacts
from tasks.storage.artifact_store import Store
from tasks.storage.cache_key import SOURCE, fingerprint, library_versions
from tasks.storage.home import Home, locked
from tasks.storage.run_records import Run, Runs
from tasks.storage.warehouse import open_warehouse
from tasks.tracking.track import track

EXIT_CODES = {"published": 0, "not_switched": 0, "check_failed": 3, "failed": 1}
_MIN_FREE_BYTES = 32 * 2**20  # Prefect's server needs it, and reports a lack of it only after minutes
NOT_RECORDED: Any = {"publish": {"url"}, "tracking": True, "notify": True}
"""Settings that the run record leaves out: they may hold secrets."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a night, whether it began or not.

    Attributes:
        run: its record. If the night did not begin, that of the earlier run with the same inputs.
        place: the serving database.
        live: the run whose lists readers see; None if there are none.
        nothing_new: why the night did not begin; empty if it did.
    """

    run: Run
    place: str
    live: int | None
    nothing_new: str = ""

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0 done, 1 failed, 3 held back by a check."""
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
    """Run one night: take the lock, run the stages unless nothing is new, and record how it ended.

    Args:
        home: the home it runs in.
        settings: of the night.
        flow: runs the stages: `tasks.run.dag.nightly`, or a function around it.
        watcher: receives progress events.
        as_of: end of the data, exclusive, UTC; None for just after the newest interaction.
        force: run even if nothing is new, and switch readers whichever run is live.

    Raises:
        NightError: the night could not begin, or failed. A failed night is recorded as such, and the lists stay.
    """
    with telling(home, settings) as teller:
        outcome = _run_night(home, settings, flow, watcher, teller, as_of=as_of, force=force)
        teller.nothing_new = outcome.nothing_new
    return outcome


def _run_night(
    home: Home,
    settings: Settings,
    flow: Callable[[Night], None],
    watcher: Watcher,
    teller: Teller,
    *,
    as_of: datetime | None,
    force: bool,
) -> Outcome:
    """Run one night as `run_night` does; tell `teller` of killed nights, and which run begins."""
    refuse_missing_device(settings)
    require_engine(settings.engine)
    url = serving_url(home, settings)
    with locked(home):
        teller.catch_up()
        place_artifacts(home, settings.engine.artifacts)
        prepare(home, watcher)
        with (
            open_warehouse(home.warehouse) as con,
            name_home_in_hints(home),
            open_target(url, owner=home.owner) as target,
            ExitStack() as opened,
        ):
            if target.has_schema:
                home.remember_target(address_of(url))
            runs, store = Runs(home.runs), home.artifact_store
            intake = plan_intake(con, home.input, settings.data, forgotten=home.forgotten)
            base = _fingerprint(intake.data_hash, settings, as_of)
            run_fingerprint = fingerprint(base, target.item_rules(today()))
            if not force and not intake.new_files:
                skipped = _nothing_new(home, run_fingerprint, runs, target)
                if skipped is not None:
                    warn_of_left_files(home.input, intake.deliveries)
                    return skipped
            _check_free_space(home)
            engine = opened.enter_context(open_engine(settings.engine, store))
            store.sweep()
            live = target.live_run()
            record = runs.begin(run_fingerprint, dataset=home.dataset, seed=settings.run.seed, live=live)
            teller.run = record
            record.settings = settings.model_dump(mode="json", exclude=NOT_RECORDED)
            night = Night(
                home, settings, record, con, target, watcher, InProcess(),
                base_fingerprint=base, requested_as_of=as_of, force=force, engine=engine,
            )  # fmt: skip
            night.plan_warm_start()
            _copy_records(night)
            try:
                _run_and_record(night, flow)
            finally:
                night.end()
                if target.has_schema:
                    home.remember_target(address_of(url))
                _remove_old(runs, store, target, settings)
                track(home, settings, record, watcher)
                write_after_night(home)
            return Outcome(record, target.place, target.live_run())


def roll_back(home: Home, settings: Settings, run_id: int | None) -> int:
    """Switch readers back to an earlier run and return its id. A night that is running meanwhile will not switch them.

    Args:
        home: the home of the run.
        settings: name the serving database.
        run_id: the run to show; None for the one before the live run.

    Raises:
        UsageError: there is no such run.
    """
    with open_target(serving_url(home, settings), owner=home.owner) as target:
        return rollback(target, run_id)


def _fingerprint(data_hash: str, settings: Settings, as_of: datetime | None) -> str:
    """Return the fingerprint of inputs, settings, source and `as_of`; that of the run adds the rules of single items.

    Settings that change no list are left out.
    """
    resolved = settings.model_dump(mode="json", exclude={**NO_EFFECT_ON_LISTS, "models": True})
    names = models_of_night(settings)
    configs = {name: settings.models.config(name) for name in names}
    shelf = settings.models.shelf
    ensembles = (name for name, options in settings.ensembles.items() if options.members_of(shelf))
    models = (recommender_class(name).__module__ for name in (*names, *ensembles))
    publishing = (f"{targets.__name__}.{module.name}" for module in pkgutil.iter_modules(targets.__path__))
    source = SOURCE.hash("flows.nightly", "tasks.run.lifecycle", *publishing, *models)
    return fingerprint(data_hash, resolved, settings.models.shelf, configs, source, library_versions(), as_of)


def models_of_night(settings: Settings) -> list[str]:
    """Return the names of all models that the night fits: shelf, members of ensembles, backfill, similar items."""
    shelf = settings.models.shelf
    members = (name for options in settings.ensembles.values() for name in options.members_of(shelf))
    recommend, trial = settings.recommend, settings.publish.trial
    challenger = () if trial is None or trial.model in settings.ensembles else (trial.model,)
    return sorted({*shelf, *members, *recommend.backfill_models, recommend.similar_model, *challenger})


def refuse_missing_device(settings: Settings) -> None:
    """Raise UsageError if this machine cannot train one of the models, before an hour is spent on the others."""
    for name in models_of_night(settings):
        try:
            settings.models.config(name).check_machine()
        except ValueError as reason:
            raise UsageError(f"The model {name} cannot be trained on this machine: {reason}.") from None


def _nothing_new(home: Home, run_fingerprint: str, runs: Runs, target: Target) -> Outcome | None:
    """Return the outcome of a night that need not begin; None if it must.

    It need not begin if a run with the same fingerprint is live, or was rolled back by hand.
    """
    live_id = target.live_run()
    live = None if live_id is None else runs.find(live_id)
    if live is not None and live.fingerprint == run_fingerprint and live.status == "published":
        return Outcome(
            live,
            target.place,
            live_id,
            f"Nothing is new since run {live.run_id}: same input, settings, rules and code; its lists are live. "
            "--force runs all the same.",
        )
    for run in runs.all():
        if run.fingerprint == run_fingerprint and run.run_id in target.held_back():
            return Outcome(
                run,
                target.place,
                live_id,
                f"Nothing is new since run {run.run_id}, which was rolled back by hand. "
                f"`recs rollback {run.run_id} --home {shlex.quote(str(home.path))}` shows its lists again, "
                "--force runs all the same.",
            )
    return None


def _check_free_space(home: Home) -> None:
    """Raise NightError if the disk is nearly full."""
    free = shutil.disk_usage(home.path).free
    if free < _MIN_FREE_BYTES:
        raise NightError(
            f"The disk is full: {free / 2**20:.0f} MB are left for {home.path}.",
            "Free some space and run again; the published lists stay.",
        )


def record_interruption(night: Night) -> None:
    """Record and report that the night was interrupted; the process ends right after.

    The serving database is not written to, because this night may be writing to it: the next night copies the record.
    """
    run = night.record
    with night.last_record():
        if run.switched:
            _drop_fingerprint_if_source_changed(run)
            night.runs.finish_after_switch(run, "it was interrupted.")
            night.watcher.interrupted("Interrupted. The new lists are live.")
        else:
            night.runs.finish(
                run, "interrupted", "It was interrupted. The same command continues where it stopped."
            )
            night.watcher.interrupted(
                "Interrupted. The published lists stay; the same command continues where it stopped."
            )
    tell_interruption(night.home, night.settings, run)


def _run_and_record(night: Night, flow: Callable[[Night], None]) -> None:
    """Run the stages and record how the night ended, also after an error or an interruption, which are raised again."""
    try:
        flow(night)
    except Exception as error:  # noqa: BLE001 - raised again, as a NightError
        _record_failure(night, error)
    except BaseException as interruption:  # KeyboardInterrupt or SystemExit
        record_interruption(night)
        _copy_records(night)
        traceback.clear_frames(interruption.__traceback__)
        raise
    else:
        _drop_fingerprint_if_source_changed(night.record)
        night.runs.finish(night.record, night.verdict, night.reason)
        _copy_records(night)


def _drop_fingerprint_if_source_changed(run: Run) -> None:
    """Replace the fingerprint if the source changed during the night: the next night must not find nothing new."""
    if not SOURCE.is_current():
        run.fingerprint = f"source changed during {run.run_id}"


def _record_failure(night: Night, error: Exception) -> None:
    """Record an error and raise it as a NightError; after the switch to the new lists, log it instead of raising it."""
    run, clear = night.record, as_night_error(error)
    run.summary.advice = clear.hint
    cause = f"{f'stage {night.failed_stage}: ' if night.failed_stage else ''}{clear}"
    if run.switched:
        _drop_fingerprint_if_source_changed(run)
        night.runs.finish_after_switch(run, cause)
    else:
        night.runs.finish(run, "failed", cause)
    _copy_records(night)
    try_to_write_page(night.home, run)
    traceback.clear_frames(error.__traceback__)
    if run.switched:
        log.warning("The lists are live, but afterwards this failed: %s", cause)
    elif clear is error:
        raise error
    else:
        raise clear from error


def _copy_records(night: Night) -> None:
    """Copy the run records to the serving database, for queries. A failure is only logged: run.json is the truth."""
    if not night.target.has_schema:
        return
    run_id, kept = night.record.run_id, ("stage", "model", "seconds", "peak_mb", "stored")
    times = [
        {name: value for name, value in asdict(time).items() if name in kept} for time in night.record.stages
    ]
    try:
        for run in night.runs.all():  # also runs that were killed before they could copy theirs
            night.target.record_run(run.row())
        night.target.record_stage_times(run_id, times)
    except NightError as error:
        log.warning("The serving database has no record of run %s: %s", run_id, error)


def _remove_old(runs: Runs, store: Store, target: Target, settings: Settings) -> None:
    """Remove what no list needs any more: artifacts, and what fills the folders of nights long ago.

    The published runs and the newest `publish.keep_runs` keep all, the newest `retention.nights` pages and metrics.
    """
    published = {run.run_id for run in target.published_runs()}
    newest = runs.all()
    held = [
        run
        for place, run in enumerate(newest)
        if place < settings.publish.keep_runs or run.run_id in published
    ]
    store.keep_only({artifact for run in held for artifact in (*run.artifacts, *run.borrowed)})
    detailed = {run.run_id for run in (*held, *newest[: settings.retention.nights])}
    remove_old_pages(runs, detailed)
    if target.has_schema:
        try:
            target.remove_old_details(detailed)
        except NightError as error:
            log.warning("The serving database keeps the details of old runs: %s", error)
