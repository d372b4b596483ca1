"""Replay: run the nights of past days, each on what was known then, and judge their lists on the days after them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Protocol

import duckdb
import pyarrow.compute as pc

from models.registry import recommender_class
from tasks.artifacts import CleanData
from tasks.config.list_settings import NO_EFFECT_ON_REPLAYS
from tasks.errors import NightError, TransientError
from tasks.monitoring.events import Watcher, watched
from tasks.outcomes.judged_lists import Window, read_histories
from tasks.preparation.time_windows import order_by_time
from tasks.replay.history import copy_history, has_news, open_history, open_past
from tasks.replay.night import Ledger, ReplayedNight, ReplayHome, Served, new_record, replay_night
from tasks.replay.plan import Plan, Variant
from tasks.replay.results import Day, Results, artifacts_of
from tasks.replay.score import score_day
from tasks.run.lifecycle import models_of_night, refuse_missing_device
from tasks.storage.cache_key import SOURCE, fingerprint, library_versions
from tasks.storage.home import Home, locked
from tasks.storage.run_records import Runs


class ReplayWatcher(Watcher, Protocol):
    """Receiver of the events of a replay, such as the terminal."""

    def replay_started(self, days: int, done: int, folder: Path) -> None:
        """The days begin: how many there are, how many are done already, and where the results are."""

    def day_finished(self, day: Day, number: int, days: int, seconds_left: float | None) -> None:
        """A day is done: its number from 1, of how many, and about how long the rest will take, if that is known."""


@dataclass(frozen=True)
class Replay:
    """A finished replay: its plan, the folder of its results, and all its days."""

    plan: Plan
    results: Results
    days: tuple[Day, ...]
    dataset: str


def replay(home: Home, plan: Plan, watcher: ReplayWatcher) -> Replay:
    """Replay all days of a plan that are not done yet.

    Finished days are kept in `HOME/replays/<key>/`. The key covers data, settings, code and the plan except its end: a
    replay that was killed goes on where it stopped, and a later end adds days. Nights may run meanwhile.

    Args:
        home: the home whose past is replayed.
        plan: the days and the variants.
        watcher: receives progress events.

    Raises:
        LockedError: another replay is running in the home or, at the beginning, a night.
        UsageError: the days do not fit the data, or a model cannot be trained on this machine.
        NightError: no night of any day could make lists.
    """
    plan = replace(plan, variants=tuple(map(_without_trial, plan.variants)))
    for variant in plan.variants:
        refuse_missing_device(variant.settings)
    with locked(home, "replay"), ExitStack() as opened:
        work = home.replays / "work"
        work.mkdir(parents=True, exist_ok=True)
        data = copy_history(home, plan.variants[0].settings, plan, work / "history.duckdb", watcher)
        plan = replace(plan, until=min(plan.until, data.until))  # later days have nothing to be judged by
        results = Results(home.replays / _key(plan, data))
        _tidy_others(home.replays, results)
        con = opened.enter_context(open_history(work / "history.duckdb"))
        days = _Days(home, plan, watcher, data, results, work, con).run()
        for leftover in work.glob("*.duckdb*"):
            leftover.unlink()
    if not any(day.served for day in days):
        why = next((text for day in days for text in day.failures.values()), "unknown")
        raise NightError(
            f"No replayed night could make lists: {why}", "Choose later days, or other settings."
        )
    return Replay(plan, results, days, home.dataset)


class _Days:
    """The loop over the days of one replay."""

    def __init__(
        self,
        home: Home,
        plan: Plan,
        watcher: ReplayWatcher,
        data: CleanData,
        results: Results,
        work: Path,
        con: duckdb.DuckDBPyConnection,
    ) -> None:
        self._home, self._plan, self._watcher = home, plan, watcher
        self._data, self._results, self._work, self._con = data, results, work, con
        self._store, self._ledger = results.store, Ledger(results.folder / "seconds.json")

    def run(self) -> tuple[Day, ...]:
        """Return all days; those that are done already are only read."""
        days = self._plan.days
        done = self._finished(days)
        self._watcher.replay_started(len(days), len(done), self._results.folder)
        self._store.sweep()
        with watched(self._watcher, "histories"):
            order_by_time(self._con)
            read_histories(self._con, days[-1] + self._plan.horizon)
        took: list[float] = []
        for number, day in enumerate(days[len(done) :], len(done) + 1):
            begun = time.perf_counter()
            done.append(self._day(day, done[-1].served if done else {}))
            took.append(time.perf_counter() - begun)
            left = (
                (len(days) - number) * median(took[1:]) if took[1:] else None
            )  # the first one compiles code
            self._watcher.day_finished(done[-1], number, len(days), left)
        return tuple(done)

    def _finished(self, days: tuple[datetime, ...]) -> list[Day]:
        """Return the days that are done, up to the first that is not: each night builds on those before it."""
        found: list[Day] = []
        for day in days:
            known = self._results.find(day)
            if known is None:
                break
            found.append(known)
        while len(found) < len(days) and found and not self._results.has_artifacts_of(found[-1]):
            found.pop()  # somebody removed what the next day may have to serve or to start from
        return found

    def _day(self, day: datetime, before: Mapping[str, Served]) -> Day:
        """Run the nights of a day, judge the lists that are served then, and write the result."""
        begun = time.perf_counter()
        served, failures, nights = dict(before), dict[str, str](), list[str]()
        due = [each for each in self._plan.variants if self._is_due(each, day, before.get(each.name))]
        if due:
            with open_past(self._work / "history.duckdb", self._work / "past.duckdb", day) as past:
                for variant in due:
                    nights.append(variant.name)
                    try:
                        served[variant.name] = self._night(variant, day, past, before.get(variant.name))
                    except TransientError:
                        raise
                    except NightError as error:
                        failures[variant.name] = str(error)
        until = day + self._plan.horizon
        base = self._plan.variants[0].settings
        per_user = score_day(
            self._con, served, self._store.root, Window(day, until), base.utility, base.judge
        )
        n_users = 0 if per_user is None else len(pc.unique(per_user["user_id"]))
        seconds = round(time.perf_counter() - begun, 1)
        found = Day(day, until, served, failures, tuple(nights), n_users, seconds)
        self._results.write(found, per_user)
        self._remove_what_is_over(served)
        return found

    def _is_due(self, variant: Variant, day: datetime, before: Served | None) -> bool:
        """Return whether a night runs: it is its day, and there is anything new since the last one."""
        if not self._plan.has_night(variant, day):
            return False
        return before is None or has_news(self._con, before.as_of, day)

    def _night(
        self, variant: Variant, day: datetime, past: duckdb.DuckDBPyConnection, before: Served | None
    ) -> Served:
        records = self._results.records(variant.name)
        fields = {name: getattr(self._home, name) for name in ("path", "dataset", "home_id", "input")}
        home = ReplayHome(**fields, records=records, store=self._store.root)
        record = new_record(
            Runs(records), variant, day, self._data,
            dataset=self._home.dataset, live=None if before is None else before.run_id,
        )  # fmt: skip
        night = ReplayedNight(home, variant, record, past, self._watcher, self._data, self._ledger)
        try:
            return replay_night(night)
        except NightError as error:
            night.runs.finish(record, "failed", str(error))
            raise
        finally:
            night.end()

    def _remove_what_is_over(self, served: Mapping[str, Served]) -> None:
        """Remove all artifacts but the lists that the next day may serve, and what its nights start from."""
        kept = artifacts_of(served)
        self._store.keep_only(kept)
        self._ledger.keep_only(kept)


def _tidy_others(folder: Path, current: Results) -> None:
    """Remove the unfinished artifacts of other replays in this home: those of killed ones that nobody went on with."""
    for other in folder.glob("*/days"):
        if other.parent != current.folder:
            found = Results(other.parent)
            last = found.last()
            found.store.keep_only(set() if last is None else artifacts_of(last.served))


def _without_trial(variant: Variant) -> Variant:
    """Return a variant that has no challenger: a replay publishes nothing, so that nobody could get its lists."""
    publish = variant.settings.publish.model_copy(update={"trial": None})
    return replace(variant, settings=variant.settings.model_copy(update={"publish": publish}))


def _key(plan: Plan, data: CleanData) -> str:
    """Return the name of the folder for the results: they depend on nothing else."""
    variants = [
        (
            each.name,
            each.every.days,
            each.settings.model_dump(mode="json", exclude={**NO_EFFECT_ON_REPLAYS, "models": True}),
            each.settings.models.shelf,
            {name: each.settings.models.config(name) for name in models_of_night(each.settings)},
        )
        for each in plan.variants
    ]
    names = {name for each in plan.variants for name in models_of_night(each.settings)}
    ensembles = {name for each in plan.variants for name in each.settings.ensembles}
    models = (recommender_class(name).__module__ for name in sorted(names | ensembles))
    source = SOURCE.hash("tasks.replay.history", "tasks.replay.night", "tasks.replay.score", *models)
    days = plan.since, plan.every.days, plan.horizon.days
    return fingerprint(data.key, days, variants, source, library_versions())[:16]
