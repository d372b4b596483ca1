"""One night in progress: what every stage needs to know, and how a stage is run, timed, stored and reported."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from models.base import Progress
from tasks.config.settings import Settings
from tasks.errors import NightError, in_words
from tasks.monitoring.events import Watcher
from tasks.monitoring.memory import peak_mb, reset_peak
from tasks.publication.targets.base import Target
from tasks.recommendation.item_rules import Rules, today
from tasks.storage.artifact_store import Store
from tasks.storage.cache_key import fingerprint, library_versions, source_hash
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs, StageTime, Status

R = TypeVar("R")

log = logging.getLogger(__name__)


@dataclass
class Timing:
    """What one running stage says about itself."""

    note: str = ""
    stored: bool = False


class Night:
    """Everything that the stages of one night share. They hand each other references; this is where they stand.

    Attributes:
        home, settings, run, runs, store, watcher: see their classes.
        target: the serving database.
        work: the fingerprint of the run but for the rules of single items.
        rules: those of tonight's lists, from the recommend stage on.
        as_of: what was asked for, or None for just after the newest interaction.
        verdict, reason: how the night ends if nothing goes wrong from here on; the publish stage decides.
        force: switch even where fencing or age would hold the lists back.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        run: Run,
        con: duckdb.DuckDBPyConnection,
        target: Target,
        watcher: Watcher,
        *,
        work: str,
        as_of: datetime | None,
        force: bool,
    ) -> None:
        self.home, self.settings, self.run = home, settings, run
        self.target, self.watcher = target, watcher
        self._con: duckdb.DuckDBPyConnection | None = con
        self.runs, self.store = Runs(home.runs), Store(home.artifacts)
        self.work, self.as_of, self.force = work, as_of, force
        self.rules: Rules = ()
        self.verdict: Status = "failed"
        self.reason = "it ended before publication"
        self.failed_stage = ""
        self._model_errors: dict[str, BaseException] = {}
        self._writing = threading.Lock()

    @property
    def con(self) -> duckdb.DuckDBPyConnection:
        """The warehouse connection; each stage takes a cursor of it."""
        if self._con is None:
            raise NightError("This night is over.")
        return self._con

    def end(self) -> None:
        """Let go of the warehouse. Prefect's threads keep a night in mind until the process ends; DuckDB complains."""
        self._con = None

    @contextmanager
    def last_record(self) -> Iterator[None]:
        """Keep all stages from writing the record from now on; who holds it for longer is dying with it."""
        held = self._writing.acquire(timeout=1)
        try:
            yield
        finally:
            if held:
                self._writing.release()

    @contextmanager
    def stage(self, name: str, model: str | None = None) -> Iterator[Timing]:
        """Time a stage, tell the watcher, write it into the run's record."""
        timing, started = Timing(), time.perf_counter()
        self.watcher.started(name, model)
        reset_peak()
        try:
            yield timing
        except BaseException as error:
            self.failed_stage = name if model is None else f"{name} {model}"
            if model is not None:
                self._model_errors[model] = error
            self.watcher.failed(name, model, error)
            raise
        seconds = time.perf_counter() - started
        with self._writing:
            self.run.stages.append(
                StageTime(name, model, round(seconds, 3), peak_mb(), timing.stored, timing.note)
            )
            self.runs.save(self.run)
        self.watcher.finished(name, model, seconds, timing.note)

    def stored(
        self,
        stage: str,
        kind: type[R],
        build: Callable[[str, Path], R],
        *,
        made_from: Any,
        source: tuple[str, ...],
        model: str | None = None,
        note: Callable[[R], str] = lambda _: "",
    ) -> R:
        """Run a stage, or take its result from the store if nothing it depends on has changed.

        Args:
            stage: its name, also the folder in the store.
            kind: the class of the reference it returns.
            build: called as build(key, folder); writes into the folder and returns the reference.
            made_from: the keys of its inputs and its resolved settings.
            source: the modules whose source (with all they import) decides the result.
            model: the model that it is about, if any.
            note: a few words on the result for whoever watches.
        """
        key = fingerprint(stage, made_from, source_hash(*source), library_versions())
        with self.stage(stage, model) as timing:
            with self._writing:
                if f"{stage}/{key}" not in self.run.artifacts:
                    self.run.artifacts.append(f"{stage}/{key}")
                self.runs.save(self.run)
            found = self.store.find(stage, key, kind)
            timing.stored = found is not None
            reference = found if found is not None else self.store.make(stage, key, lambda f: build(key, f))
            timing.note = note(reference)
        return reference

    def take_rules(self) -> Rules:
        """Read the rules of single items anew: an editor may have changed them since the night began.

        The run is then one of these rules, so that the next night knows whether anything is new.
        """
        self.rules = self.target.item_rules(today())
        with self._writing:
            self.run.fingerprint = fingerprint(self.work, self.rules)
            self.runs.save(self.run)
        return self.rules

    def go_on_without(self, model: str, why: str = "unknown") -> None:
        """Note that a model could not be fitted or judged, and why, if no stage of its own has said so."""
        error = self._model_errors.get(model)
        with self._writing:
            self.run.failed_models[model] = in_words(error) if error else why
            self.runs.save(self.run)

    def go_on_without_figure(self, stage: str, model: str) -> None:
        """Note that a stage failed which only tells something of a model, and why; the model is not lost by it."""
        error = self._model_errors.pop(model, None)
        cause = in_words(error) if error else "unknown"
        self.failed_stage = ""
        with self._writing:
            self.run.summary[f"{stage}_failed"] = cause
            self.runs.save(self.run)
        log.warning("The stage %s failed, and the night goes on without its figures: %s", stage, cause)

    def live(self) -> Run | None:
        """The run that readers see, if its record is here."""
        live_id = self.target.live_run()
        return None if live_id is None else self.runs.find(live_id)

    def newer_than_this(self) -> Run | None:
        """The live run, if its data reach further than tonight's.

        Unless an older night was asked for, by more than the check `days_behind_live` lets pass.
        """
        live = self.live()
        if live is None or live.data_until is None or self.run.data_until is None:
            return None
        leeway = 0.0 if self.as_of is not None else self.settings.check.max_days_behind
        return live if live.data_until - self.run.data_until > timedelta(days=leeway) else None

    def progress(self, stage: str, model: str | None = None) -> Progress:
        """A progress callback that tells the watcher how far a stage is."""
        return lambda done, total: self.watcher.advanced(stage, model, done, total)
