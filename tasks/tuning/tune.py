"""Tuning: look for better settings of several models within a budget of time, and keep those that beat the defaults.

They are judged by the select half of an earlier window than the night's (`tasks/tuning/window.py`).
"""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from models.base import Progress
from models.evaluation.bootstrap import paired_difference
from models.registry import RECOMMENDERS, config_class
from models.search_space import SearchSpace
from tasks.config.settings import Settings
from tasks.config.tuned_settings import (
    Evidence,
    Tuned,
    TunedFile,
    evaluation_settings,
    read_tuned,
    reason_to_ignore,
    write_tuned,
)
from tasks.errors import UsageError
from tasks.monitoring.events import Watcher
from tasks.storage.home import Home, locked
from tasks.tuning.search import Attempt, Search, score_of
from tasks.tuning.window import Window, earlier_window

_UNITS = {"h": 3600, "m": 60, "s": 1}
_ENDLESS = 10**9


class Onlooker(Watcher, Protocol):
    """Who watches a night, and trials as well."""

    def trying(self, model: str, number: int, part: str, best: float | None, seconds_left: float) -> Progress:
        """A fit of a trial begins; returns its progress callback."""

    def tried(self, attempt: Attempt) -> None:
        """A trial is over."""


@dataclass(frozen=True)
class Finding:
    """What tuning came to for one model.

    Attributes:
        tuned: the settings that beat the defaults beyond chance, and by how much; None if none did.
        default: the score of the defaults; None if they have none.
        why: there are no tuned ones.
        trials, pruned: how many there were, those of earlier searches on this window among them.
    """

    model: str
    tuned: Tuned | None
    default: float | None
    why: str
    trials: int
    pruned: int


@dataclass(frozen=True)
class Tuning:
    """How it ended, model by model."""

    findings: tuple[Finding, ...]
    window: str
    users: int
    stopped: bool


def budget_seconds(text: str) -> float:
    """`30m`, `2h`, `1h30m`, `90s` in seconds.

    Raises:
        UsageError: it is no length of time above zero.
    """
    parts = re.fullmatch(
        r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text.strip().lower()
    )
    amounts = parts.groups(default="0") if parts else ()
    seconds = sum(float(amount) * unit for amount, unit in zip(amounts, _UNITS.values(), strict=False))
    if not 0 < seconds <= _ENDLESS:
        raise UsageError(f"--budget {text!r} is no length of time.", "Write it as 30m, 2h, 1h30m or 90s.")
    return seconds


def spaces(names: Sequence[str], settings: Settings) -> Mapping[str, SearchSpace]:
    """Model → the fields to search: those with a search space that the operator has not set.

    Args:
        names: the models asked for, all of them known; empty for those of the shelf that have something to search.
        settings: without tuned ones.

    Raises:
        UsageError: there is nothing to search, of all or of a model that was asked for.
    """
    found = {}
    for name in names or settings.models.shelf:
        space = config_class(name).search_space
        fixed = settings.models.config(name).model_fields_set
        free = {field: where for field, where in space.items() if field not in fixed}
        if free:
            found[name] = free
        elif names and space:
            raise UsageError(
                f"There is nothing left to tune of {name}: your settings fix {', '.join(sorted(space))}.",
                "Take some of them out of pipeline.toml.",
            )
        elif names:
            able = ", ".join(model for model in RECOMMENDERS if config_class(model).search_space)
            raise UsageError(f"The model {name} has nothing to tune.", f"Models that have: {able}.")
    if not found:
        raise UsageError(
            "No model of the shelf has anything to tune.", "Name some: recs tune --models als,bpr"
        )
    return found


def tune(
    home: Home,
    settings: Settings,
    models: Sequence[str],
    onlooker: Onlooker,
    *,
    seconds: float,
    trials: int | None = None,
) -> Tuning:
    """Search until the time is up, and write what beat the defaults beyond chance to the home's `tuned.toml`.

    Ctrl-C ends the search early and loses only the trial that was running. A search that was killed goes on from
    Optuna's storage, `<home>/tuning/`, as long as data, settings and code are the same.

    Args:
        home: where it happens.
        settings: those of a night, without tuned ones.
        models: names, all of them known; empty for all of the shelf that have something to tune.
        onlooker: who is told how it goes.
        seconds: the budget, by the clock on the wall. The trial that is running when it ends is not cut short, but none
            begins that would probably not end in time.
        trials: at most so many of each model, those of earlier searches on the same window among them.

    Raises:
        LockedError: the home is being tuned already, or, at the beginning, a night is running.
        UsageError: a model has nothing to tune, or there is nobody to judge by.
    """
    deadline = time.monotonic() + seconds
    wanted = spaces(models, settings)
    with locked(home, "tune"):
        file = read_tuned(home.tuned)
        earlier = {
            name: each for name, each in file.found.items() if not reason_to_ignore(each.evidence, settings)
        }
        folder = home.tuning / "window"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            window = earlier_window(home, settings, folder, onlooker)
            with _storage(home) as storage:
                scores = home.tuning / "scores"
                searches = [
                    Search(name, space, window, settings, storage, scores) for name, space in wanted.items()
                ]
                for search in searches:
                    search.begin(earlier[search.model].settings if search.model in earlier else {})
                stopped = _search(searches, onlooker, deadline, trials if trials is not None else _ENDLESS)
                findings = tuple(_finding(search, window, settings) for search in searches)
                _write(home, findings, searches, file, earlier)
                _forget(storage, window, home)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return Tuning(findings, window.why, window.n_users, stopped)


@contextmanager
def _storage(home: Home) -> Iterator[Any]:
    """Optuna's storage in SQLite: what a killed process leaves half written there is rolled back."""
    import optuna  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{(home.tuning / 'studies.db').resolve()}")
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _search(searches: Sequence[Search], onlooker: Onlooker, deadline: float, most: int) -> bool:
    """Trial after trial, of the model that has had the least time; whether Ctrl-C ended it."""
    used = dict.fromkeys(searches, 0.0)
    try:
        while (left := deadline - time.monotonic()) > 0:
            able = [
                search
                for search in searches
                if search.n_tried < most and not search.hopeless and search.expected_seconds() <= left
            ]
            if not able:
                break
            search = min(able, key=lambda each: used[each])
            onlooker.tried(search.try_next(partial(_announce, onlooker, search, deadline)))
            used[search] += left - (deadline - time.monotonic())
    except KeyboardInterrupt:
        return True
    return False


def _announce(onlooker: Onlooker, search: Search, deadline: float, number: int, part: str) -> Progress:
    best = None if search.best is None else score_of(search.best)
    return onlooker.trying(search.model, number, part, best, deadline - time.monotonic())


def _finding(search: Search, window: Window, settings: Settings) -> Finding:
    default, best = search.default, search.best
    counts = {"trials": search.n_tried, "pruned": search.n_pruned}
    if default is None or best is None:
        why = search.default_error and f"its default settings failed: {search.default_error}"
        return Finding(
            search.model, None, None, why or "there was no time to try its default settings", **counts
        )
    found = paired_difference(
        search.values_of(best),
        search.values_of(default),
        samples=settings.judge.bootstrap_samples,
        confidence=settings.judge.confidence,
        seed=settings.run.seed,
    )
    if found.low <= 0:
        interval = f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
        if search.n_tried == 1:
            why = "nothing but its default settings was tried"
        elif found.mean > 0:
            why = f"better, but not beyond chance: {interval}; not written"
        else:
            why = "nothing beat the default settings"
        return Finding(search.model, None, score_of(default), why, **counts)
    evidence = Evidence(
        metric=settings.judge.champion_metric,
        score=round(score_of(best), 6),
        default=round(score_of(default), 6),
        difference=round(found.mean, 6),
        low=round(found.low, 6),
        high=round(found.high, 6),
        users=window.n_users,
        trials=search.n_tried,
        seed=settings.run.seed,
        window=window.why,
        data=window.data_key,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        as_of=window.as_of,
        night=evaluation_settings(settings),
    )
    return Finding(search.model, Tuned(search.settings_of(best), evidence), score_of(default), "", **counts)


def _write(
    home: Home,
    findings: Sequence[Finding],
    searches: Sequence[Search],
    file: TunedFile,
    earlier: Mapping[str, Tuned],
) -> None:
    """What was found replaces what an earlier tune found; so does nothing, once the earlier settings were judged.

    Earlier ones that are unfit for this night, and so were not judged, go as soon as the defaults were. Of models that
    were not tuned now all is kept that anybody can use.
    """
    kept = dict(file.found)
    for finding, search in zip(findings, searches, strict=True):
        name = finding.model
        if finding.tuned is not None:
            kept[name] = finding.tuned
        elif search.has_judged(earlier[name].settings) if name in earlier else finding.default is not None:
            kept.pop(name, None)
    if file.stale or kept != file.found:
        write_tuned(home.tuned, kept)


def _forget(storage: Any, window: Window, home: Home) -> None:
    """Studies of other data than today's are never gone on with."""
    import optuna  # noqa: PLC0415

    for study in storage.get_all_studies():
        if study.user_attrs.get("data") != window.data_key:
            optuna.delete_study(study_name=study.study_name, storage=storage)
            shutil.rmtree(home.tuning / "scores" / study.study_name, ignore_errors=True)
