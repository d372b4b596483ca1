"""One replayed night: the stages of a night on what was known that day, and lists of every single model.

It publishes nothing and opens no serving database. Its artifacts lie in a store of the replays, so that it can neither
lose nor remove those of nights.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from tasks.artifacts import CleanData, FittedModel
from tasks.config.list_settings import NO_EFFECT_ON_REPLAYS
from tasks.errors import in_words
from tasks.monitoring.events import Timing, Watcher
from tasks.recommendation.item_rules import Rules
from tasks.replay.plan import CHAMPION, Variant
from tasks.run.context import Night
from tasks.run.dag import (
    Refits,
    choose_champion,
    cut,
    fit_backfill,
    judge_backfill,
    judge_ensembles,
    judge_shelf,
    learn_ensembles,
    recommend_best,
    refit_best,
)
from tasks.run.in_process import InProcess
from tasks.run.warm_plan import needed_artifacts
from tasks.storage.artifact_store import write_json
from tasks.storage.cache_key import SOURCE, fingerprint
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs
from tasks.storage.stage import Call

R = TypeVar("R")


@dataclass(frozen=True)
class ReplayHome(Home):
    """A home as a replayed night sees it: with run records and artifacts of the replay.

    Attributes:
        records: the folder of the run records of one variant.
        store: the folder of the artifacts.
    """

    records: Path
    store: Path

    @property
    def runs(self) -> Path:
        """The run records of the variant's replayed nights."""
        return self.records

    @property
    def place(self) -> str:
        """Empty: the artifacts of replays lie on this machine, wherever those of nights lie."""
        return ""

    def artifacts_at(self, place: str) -> Path:  # noqa: ARG002
        """Return the folder of the replays' artifacts."""
        return self.store


@dataclass(frozen=True)
class Served:
    """The lists that a replayed night made. They are served until the next night.

    Attributes:
        run_id: of the night's record.
        as_of: the day of the night.
        champion: the model that made the lists of `champion`.
        lists: column (`champion`, or a model) → 'stage/key' of its lists.
        seconds: column → the time that a night of it takes: all stages of the night for `champion`, and for a model
            its own: fitted twice, judged, and everybody's lists. Stages found in the store count as when made.
        failed: model → why it has no lists.
        starts: 'stage/key' of the fits and matrices that the variant's next night starts from.
    """

    run_id: int
    as_of: datetime
    champion: str
    lists: dict[str, str]
    seconds: dict[str, float]
    failed: dict[str, str]
    starts: tuple[str, ...] = ()


class Ledger:
    """The seconds that each artifact took when it was made, in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds: dict[str, float] = {}
        if path.exists():
            self._seconds = json.loads(path.read_text(encoding="utf-8"))

    def of(self, artifact: str) -> float:
        """Return the seconds of 'stage/key'; 0 for one that was made when the process was killed."""
        return self._seconds.get(artifact, 0.0)

    def add(self, artifact: str, seconds: float) -> None:
        """Record the time of an artifact that was made just now."""
        self._seconds[artifact] = round(seconds, 3)
        write_json(self._path, self._seconds)

    def keep_only(self, kept: set[str]) -> None:
        """Drop the artifacts that are not in `kept`."""
        self._seconds = {name: seconds for name, seconds in self._seconds.items() if name in kept}
        write_json(self._path, self._seconds)


class ReplayedNight(Night):
    """The context of a replayed night.

    Attributes:
        spent: 'stage/key' → the model it is about, if any, and the seconds that it took when it was made.
    """

    def __init__(
        self,
        home: ReplayHome,
        variant: Variant,
        record: Run,
        con: duckdb.DuckDBPyConnection,
        watcher: Watcher,
        data: CleanData,
        ledger: Ledger,
    ) -> None:
        super().__init__(
            home, variant.settings, record, con, None, watcher, InProcess(),
            base_fingerprint="", requested_as_of=record.as_of, force=False,
        )  # fmt: skip
        self.spent: dict[str, tuple[str | None, float]] = {}
        self._ledger = ledger
        past = SOURCE.hash("tasks.replay.history")
        self._clean_key = fingerprint("past", data.key, record.as_of, past)
        self.note(intake=data.counts)

    def take_rules(self) -> Rules:
        """Return no rules of single items: nobody recorded which were in force on that day."""
        return ()

    def _from_store(self, call: Call[R], arguments: dict[str, Any], timing: Timing) -> R:
        """Make the result or take it from the store, and note how long it takes to make."""
        begun = time.perf_counter()
        made = super()._from_store(call, arguments, timing)
        artifact = f"{call.stage.name}/{made.key}"  # type: ignore[attr-defined]
        if not timing.stored:
            self._ledger.add(artifact, time.perf_counter() - begun)
        self.spent[artifact] = call.stage.model_of(arguments), self._ledger.of(artifact)
        return made

    def seconds(self, model: str | None = None, *, lists: bool = True) -> float:
        """Return the time of all stages so far, or of those about a model, with or without making its lists."""
        return sum(
            took
            for artifact, (about, took) in self.spent.items()
            if model in (None, about) and (lists or not artifact.startswith("recommend/"))
        )


def replay_night(night: ReplayedNight) -> Served:
    """Run the stages of a night as `tasks.run.dag.nightly` does, and make lists by every single model, too.

    Warm starts are from the variant's own earlier night: the night knows no other records, and no other store.

    Raises:
        NightError: no list could be made, as on a night that fails.
    """
    night.plan_warm_start()
    before, held_out = cut(night)
    backfill = fit_backfill(night, before)
    fitted, judged = judge_shelf(night, before, backfill, held_out)
    others = judge_backfill(night, before, backfill, held_out)
    singles = (*judged, *others)
    ensembles = learn_ensembles(night, before, (*fitted, *backfill), singles, held_out)
    judged += judge_ensembles(night, ensembles, singles, before, backfill, held_out) + others
    choice = choose_champion(night, judged, backfill, held_out)
    refits = Refits(night)
    best = refit_best(refits, choice, ensembles)
    lists = {CHAMPION: f"recommend/{recommend_best(refits, best).key}"}
    seconds = {CHAMPION: night.seconds()}
    for name in dict.fromkeys((*night.settings.models.shelf, backfill[-1].model)):
        made = _lists_of(night, refits, name, None if _has_failed(night, name) else refits.get(name))
        if made is not None:
            lists[name], seconds[name] = made, night.seconds(name)
    for ensemble in ensembles:
        name = ensemble.model
        made = _lists_of(night, refits, name, refits.get_ensemble(ensemble))
        if made is not None:
            lists[name] = made
            members = sum(night.seconds(member, lists=False) for member in ensemble.members)
            seconds[name] = night.seconds(name) + members
    night.record.champion = best.model
    night.runs.finish(night.record, "published", "Replayed; nothing was published.")
    seconds = {name: round(took, 3) for name, took in seconds.items()}
    as_of, failed = night.as_of, dict(night.record.failed_models)
    starts = tuple(needed_artifacts(night.record)) if night.settings.warm_start.enabled else ()
    return Served(night.record.run_id, as_of, best.model, lists, seconds, failed, starts)


def new_record(
    runs: Runs, variant: Variant, day: datetime, data: CleanData, *, dataset: str, live: int | None
) -> Run:
    """Return the record of a replayed night, saved; its id is its day, as if it had run then.

    Args:
        runs: the records of the variant.
        variant: whose night it is.
        day: its `as_of`.
        data: the clean tables.
        dataset: its name.
        live: the night whose lists are served so far.
    """
    settings = variant.settings
    record = Run(
        run_id=int(f"{day:%Y%m%d%H%M%S}"), fingerprint="replayed", dataset=dataset, started_at=day,
        seed=settings.run.seed, expected_live=live, as_of=day, data_until=min(day, data.until),
        settings=settings.model_dump(mode="json", exclude=NO_EFFECT_ON_REPLAYS),
    )  # fmt: skip
    runs.save(record)
    return record


def _has_failed(night: Night, name: str) -> bool:
    return name in night.record.failed_models


def _lists_of(night: Night, refits: Refits, name: str, fitted: FittedModel | None) -> str | None:
    """Return 'stage/key' of a single model's lists; None if it fails, which is recorded."""
    if fitted is None:
        return None
    try:
        return f"recommend/{recommend_best(refits, fitted).key}"
    except Exception as error:  # noqa: BLE001 - the replay goes on without this column, and says so
        night.go_on_without(name, in_words(error))
        return None
