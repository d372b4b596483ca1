"""The context of one night: what its stages share, and how a stage is run, timed, stored and recorded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import duckdb

from models.base import Progress
from tasks.artifacts import CleanData, FittedModel
from tasks.config.settings import Settings
from tasks.engine.engine import Engine
from tasks.engine.local import LOCAL
from tasks.errors import NightError, in_words
from tasks.monitoring.events import Timing, Watcher, watched
from tasks.monitoring.memory import peak_mb, reset_peak
from tasks.publication.targets.base import Target
from tasks.recommendation.item_rules import Rules, today
from tasks.recommendation.trial_arms import Arms, salt_of
from tasks.run.warm_plan import WarmSource, needed_artifacts, plan_warm_start
from tasks.storage.cache_key import SOURCE, fingerprint
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs, StageTime, Status, TrialRecord
from tasks.storage.stage import Call, Promise
from tasks.storage.warehouse import give_back_memory

R = TypeVar("R")

log = logging.getLogger(__name__)


class Runner(Protocol):
    """Runs stages: one after the other in this process, or as tasks of an orchestrator."""

    def run(self, night: Night, call: Call[R]) -> R:
        """Run a stage and return its result; raise its error."""

    def start(self, night: Night, call: Call[R]) -> Promise[R]:
        """Start a stage, which may run beside others, and return a promise of its result."""


class Night:
    """The context that the stages of one night share.

    Attributes:
        home, settings, watcher: see their classes.
        record: the run record of this night.
        runs: the records of all nights of the home.
        store: the artifacts of the home.
        target: the serving database; a replayed night has none, and raises NightError when asked for it.
        runner: runs the stages.
        engine: does their work, in this process or on the workers of a cluster.
        base_fingerprint: the run's fingerprint without the rules of single items.
        rules: the rules of single items for tonight's lists, once `take_rules` has read them.
        requested_as_of: the `as_of` that was asked for; None for just after the newest interaction.
        verdict, reason: how the night ends if nothing fails from here on; decided at publication.
        force: switch readers even where fencing or the age of the data forbids it.
        warm_sources: key of a snapshot → the earlier fits that models fitted on it start from.
        failed_stage: name of the stage that failed last, such as `fit als`.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        record: Run,
        con: duckdb.DuckDBPyConnection,
        target: Target | None,
        watcher: Watcher,
        runner: Runner,
        *,
        base_fingerprint: str,
        requested_as_of: datetime | None,
        force: bool,
        engine: Engine = LOCAL,
    ) -> None:
        self.home, self.settings, self.record = home, settings, record
        self.watcher, self.runner, self.engine = watcher, runner, engine
        self._target = target
        self._con: duckdb.DuckDBPyConnection | None = con
        self._clean_key: str | None = None
        self.runs, self.store = Runs(home.runs), home.artifact_store
        self.base_fingerprint, self.requested_as_of, self.force = base_fingerprint, requested_as_of, force
        self.rules: Rules = ()
        self.warm_sources: dict[str, WarmSource] = {}
        self.verdict: Status = "failed"
        self.reason = "it ended before publication"
        self.failed_stage = ""
        self._model_errors: dict[str, BaseException] = {}
        self._writing = threading.Lock()
        self._warned_of_clock = self._warned_of_source = False

    # -- stages ---------------------------------------------------------------------------------------

    def run(self, call: Call[R]) -> R:
        """Run a stage and return its result; raise its error."""
        return self.runner.run(self, call)

    def start(self, call: Call[R]) -> Promise[R]:
        """Start a stage, which may run beside others; an error shows when the promise is asked for its result."""
        return self.runner.start(self, call)

    def perform(self, call: Call[R]) -> R:
        """Run a stage here and now, or take its result from the store; time and record it. For runners."""
        stage, arguments = call.stage, call.arguments()
        model = stage.model_of(arguments)
        with self.stage(stage.name, model) as timing:
            if stage.stored:
                result = self._from_store(call, arguments, timing)
            else:
                result = stage.function(**arguments, **self._supplied(call, model))
            timing.note = stage.note(result)
        if "con" in stage.supplied:
            give_back_memory(self.con)
        if isinstance(result, FittedModel) and result.snapshot:
            with self._writing:
                self.record.summary.fits.setdefault(result.snapshot, {})[result.model] = result.key
        return result

    def _from_store(self, call: Call[R], arguments: dict[str, Any], timing: Timing) -> R:
        stage = call.stage
        key = stage.cache_key(arguments, clean_key=self._clean_key)
        self._hold(f"{stage.name}/{key}")
        found = self.store.find(stage.name, key, stage.result_class)
        if found is not None:
            timing.stored = True
            return found

        def build(folder: Path) -> R:
            supplied = self._supplied(call, stage.model_of(arguments), key=key, folder=folder)
            if "checkpoints" in stage.supplied:
                supplied["checkpoints"] = self.store.checkpoints(stage.name, key)
            return self.engine.run(stage, arguments, supplied)

        made = self.store.make(stage.name, key, build, is_reusable=SOURCE.is_current)
        if made.key != key:  # type: ignore[attr-defined]
            self._hold(f"{stage.name}/{made.key}")  # type: ignore[attr-defined]
            if not self._warned_of_source:
                self._warned_of_source = True
                log.warning(
                    "The source code has changed since this night began. Tonight goes on, and no other night will use "
                    "the results of %s and of what follows.", stage.name,
                )  # fmt: skip
        return made

    def _supplied(self, call: Call[Any], model: str | None, **made: Any) -> dict[str, Any]:
        """The parameters that the night fills in, as far as the stage takes them."""
        names = call.stage.supplied
        supplied = dict(made)
        if "con" in names:
            supplied["con"] = self.con.cursor()
        if "target" in names:
            supplied["target"] = self.target
        if "progress" in names:
            supplied["progress"] = self.progress(call.stage.name, model)
        if "engine" in names:
            supplied["engine"] = self.engine
        return supplied

    @contextmanager
    def stage(self, name: str, model: str | None = None) -> Iterator[Timing]:
        """Time the block as a stage, tell the watcher, and add it to the run record."""
        with watched(self.watcher, name, model) as timing:
            reset_peak()
            self.failed_stage = ""
            try:
                yield timing
            except BaseException as error:
                self.failed_stage = name if model is None else f"{name} {model}"
                if model is not None:
                    self._model_errors[model] = error
                raise
            done = StageTime(name, model, round(timing.seconds, 3), peak_mb(), timing.stored, timing.note)
            log.info("%s took %.1f s%s", name if model is None else f"{name} {model}", timing.seconds,
                     f": {timing.note}" if timing.note else "")  # fmt: skip
            with self._writing:
                self.record.stages.append(done)
                self.runs.save(self.record)

    def progress(self, stage: str, model: str | None = None) -> Progress:
        """Return a progress callback that tells the watcher how far a stage is."""
        return lambda done, total: self.watcher.advanced(stage, model, done, total)

    # -- what stages share ----------------------------------------------------------------------------

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The connection to the warehouse; each stage takes a cursor of it."""
        if self._con is None:
            raise NightError("This night is over.")
        return self._con

    @property
    def target(self) -> Target:
        """The serving database."""
        if self._target is None:
            raise NightError("This night has no serving database.")
        return self._target

    def end(self) -> None:
        """Drop the connection: Prefect's threads keep the night until the process exits, and DuckDB would complain."""
        self._con = None

    @property
    def as_of(self) -> datetime:
        """The end of tonight's data (exclusive, UTC)."""
        if self.record.as_of is None:
            raise NightError("as_of is not known before the data is clean.")
        return self.record.as_of

    def take_in(self, data: CleanData) -> None:
        """Fix what depends on tonight's clean tables: id types, `as_of`, and the key of all that is made from them."""
        if self.home.id_types() is None:
            self.home.fix_id_types(data.user_id_type, data.item_id_type)
        self._clean_key = data.key
        self.record.as_of = self.requested_as_of or data.until
        self.record.data_until = min(self.record.as_of, data.until)
        self.note(intake=data.counts)

    def plan_warm_start(self) -> None:
        """Choose the night that tonight's fits start from, unless it was chosen before the night was interrupted."""
        record = self.record
        if record.warm_plan is None:
            earlier = [run for run in self.runs.all() if run.run_id < record.run_id]
            record.warm_plan = plan_warm_start(
                earlier, self.settings.warm_start, record.settings.get("utility"), self.requested_as_of
            )
        run_id = record.warm_plan.run_id
        run = None if run_id is None else self.runs.find(run_id)
        for artifact in needed_artifacts(run) if run else ():
            self.borrow(artifact)
        self.runs.save(record)

    def take_rules(self) -> Rules:
        """Read the rules of single items, which an editor may have changed since the night began.

        They become part of the run's fingerprint, so that the next night can tell whether anything is new.
        """
        self.rules = self.target.item_rules(today())
        with self._writing:
            self.record.fingerprint = fingerprint(self.base_fingerprint, self.rules)
            self.runs.save(self.record)
        self.note(rules=tuple(rule.in_words for rule in self.rules))
        return self.rules

    def take_arms(self) -> Arms | None:
        """Return how the users of tonight's trial are drawn, and record it; None without a trial."""
        trial = self.settings.publish.trial
        if trial is None:
            return None
        arms = Arms(trial.share, trial.salt or salt_of(self.home.home_id, trial.model))
        self.note(trial=TrialRecord(trial.model, arms.share, arms.salt, trial.nights))
        return arms

    # -- the record -----------------------------------------------------------------------------------

    def note(self, **found: Any) -> None:
        """Set fields of the run's summary (`RunSummary`) and save the record."""
        with self._writing:
            for name, value in found.items():
                getattr(self.record.summary, name)  # an unknown name is an AttributeError
                setattr(self.record.summary, name, value)
            self.runs.save(self.record)

    def _hold(self, artifact: str) -> None:
        """Note that this run needs the artifact 'stage/key', so that it is not removed."""
        with self._writing:
            if artifact not in self.record.artifacts:
                self.record.artifacts.append(artifact)
            self.runs.save(self.record)

    def borrow(self, artifact: str) -> None:
        """Note that this run needs the artifact 'stage/key' of an earlier night, so that it is not removed."""
        with self._writing:
            if artifact not in self.record.borrowed:
                self.record.borrowed.append(artifact)

    @contextmanager
    def last_record(self) -> Iterator[None]:
        """Keep stages from writing the record from now on.

        Waits 1 s for the lock and goes on without it: a stage that holds it for longer ends with this process.
        """
        held = self._writing.acquire(timeout=1)
        try:
            yield
        finally:
            if held:
                self._writing.release()

    # -- failures and other runs ----------------------------------------------------------------------

    def go_on_without(self, model: str, why: str = "unknown") -> None:
        """Record that a model is left out; `why` counts only if no stage of the model has raised an error."""
        error = self._model_errors.get(model)
        self.failed_stage = ""
        with self._writing:
            self.record.failed_models[model] = in_words(error) if error else why
            self.runs.save(self.record)
        log.info("The model %s is left out: %s", model, self.record.failed_models[model])

    def take_error(self, model: str) -> str:
        """Return, as text, and clear the error of a stage without which only figures are missing."""
        error = self._model_errors.pop(model, None)
        self.failed_stage = ""
        return in_words(error) if error else "unknown"

    def live(self) -> Run | None:
        """Return the record of the live run, if it is in this home.

        None if its data end in the future: it was made under a wrong clock, and no later night could reach it.
        """
        live_id = self.target.live_run()
        live = None if live_id is None else self.runs.find(live_id)
        latest = self.record.started_at + timedelta(days=self.settings.data.max_future_days + 1)
        if live is None or live.data_until is None or live.data_until <= latest:
            return live
        if not self._warned_of_clock:
            self._warned_of_clock = True
            log.warning(
                "The data of the live run %s end in the future, at %s, so that it was made under a wrong clock. "
                "Tonight may be older.", live.run_id, live.data_until,
            )  # fmt: skip
        return None

    def live_if_newer(self) -> Run | None:
        """Return the live run if its data reach further than tonight's, else None.

        A night that nobody asked to end earlier (`--as-of`) may be behind by `check.max_days_behind` days.
        """
        live = self.live()
        if live is None or live.data_until is None or self.record.data_until is None:
            return None
        leeway = 0.0 if self.requested_as_of is not None else self.settings.check.max_days_behind
        return live if live.data_until - self.record.data_until > timedelta(days=leeway) else None
