"""Tuning: search for better settings of several models within a time budget, and keep those that beat the defaults.

Settings are searched and confirmed on the select half of an earlier window than the night's
(`tasks/tuning/window.py`), on different users (`tasks/tuning/confirmation.py`).
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
from typing import Any, NamedTuple, Protocol

from models.base import Progress
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
from tasks.tuning.search import FinishedTrial, Search, score_of
from tasks.tuning.window import Window, earlier_window

_UNITS = {"h": 3600, "m": 60, "s": 1}  # seconds
_UNLIMITED = 10**9  # seconds, or trials


class TuningWatcher(Watcher, Protocol):
    """Receiver of the events of tuning, such as the terminal."""

    def fit_started(
        self, model: str, number: int, part: str, best: float | None, seconds_left: float
    ) -> Progress:
        """A fit of a trial begins; return its progress callback.

        Args:
            model: its name.
            number: of the trial.
            part: of the window that is fitted.
            best: the best score of the model so far; None before the first.
            seconds_left: of the budget.
        """

    def trial_finished(self, trial: FinishedTrial) -> None:
        """A trial has ended."""


class Means(NamedTuple):
    """The metric's mean over some users, with the default settings and with the best ones; these may be the same."""

    default: float
    best: float


@dataclass(frozen=True)
class Finding:
    """The result of tuning one model.

    Attributes:
        model: its name.
        tuned: the settings that beat the defaults beyond chance, and by how much; None if none did.
        guiding: the metric's means over the users that guide the search; None if the defaults have no score.
        confirming: the means over the other users; None if these compared nothing.
        why: why there are no tuned settings; empty if there are.
        trials, pruned: numbers of trials, including those of earlier searches on this window.
        earlier: how many of the trials are of earlier searches, which this one continued.
    """

    model: str
    tuned: Tuned | None
    guiding: Means | None
    confirming: Means | None
    why: str
    trials: int
    pruned: int
    earlier: int = 0

    @property
    def default(self) -> float | None:
        """The metric's mean with the defaults: over the confirming users if there is one, else over the guiding."""
        means = self.confirming or self.guiding
        return None if means is None else means.default


@dataclass(frozen=True)
class Tuning:
    """The result of tuning.

    Attributes:
        findings: one per model.
        window: how the earlier window was cut, as text.
        users: number of users that guided the search.
        confirming: number of other users, who compared its result with the defaults.
        stopped: whether Ctrl-C ended it.
    """

    findings: tuple[Finding, ...]
    window: str
    users: int
    confirming: int
    stopped: bool


def budget_seconds(text: str) -> float:
    """Return a duration such as `30m`, `2h`, `1h30m` or `90s` in seconds.

    Raises:
        UsageError: it is no length of time above zero.
    """
    parts = re.fullmatch(
        r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text.strip().lower()
    )
    amounts = parts.groups(default="0") if parts else ()
    seconds = sum(float(amount) * unit for amount, unit in zip(amounts, _UNITS.values(), strict=False))
    if not 0 < seconds <= _UNLIMITED:
        raise UsageError(f"--budget {text!r} is no length of time.", "Write it as 30m, 2h, 1h30m or 90s.")
    return seconds


def spaces(names: Sequence[str], settings: Settings) -> Mapping[str, SearchSpace]:
    """Return model → the fields to search: those with a search space that the operator's settings leave open.

    Args:
        names: models, all of them known; empty for those of the shelf that have fields to search.
        settings: those of the night, without tuned ones.

    Raises:
        UsageError: a named model, or the whole shelf, has no field to search.
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
                "Remove some of them from pipeline.toml.",
            )
        elif names:
            able = ", ".join(model for model in RECOMMENDERS if config_class(model).search_space)
            raise UsageError(f"The model {name} has nothing to tune.", f"Models that have some: {able}.")
    if not found:
        raise UsageError(
            "No model of the shelf has anything to tune.", "Name some models: recs tune --models als,bpr"
        )
    return found


def tune(
    home: Home,
    settings: Settings,
    models: Sequence[str],
    watcher: TuningWatcher,
    *,
    seconds: float,
    trials: int | None = None,
) -> Tuning:
    """Search until the time is up, and write the settings that beat the defaults beyond chance to `tuned.toml`.

    Ctrl-C ends the search early and loses only the running trial. A search that was killed continues from Optuna's
    storage, `<home>/tuning/`, as long as data, settings and code are the same.

    Args:
        home: the home to tune for.
        settings: those of a night, without tuned ones.
        models: names, all of them known; empty for those of the shelf that have fields to search.
        watcher: receives the events.
        seconds: the budget, in wall-clock time. A running trial is not cut short when it ends, but no trial begins that
            would probably not end in time.
        trials: the most trials of each model, including those of earlier searches on the same window; None for no
            limit.

    Raises:
        LockedError: the home is being tuned already or, at the beginning, a night is running.
        UsageError: a model has no field to search, or the earlier window has no users to score by.
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
            window = earlier_window(home, settings, folder, watcher)
            with _storage(home) as storage:
                scores = home.tuning / "scores"
                searches = [
                    Search(name, space, window, settings, storage, scores) for name, space in wanted.items()
                ]
                for search in searches:
                    search.begin(earlier[search.model].settings if search.model in earlier else {})
                stopped = _search(searches, watcher, deadline, trials if trials is not None else _UNLIMITED)
                findings = tuple(_finding(search, window, settings, len(searches)) for search in searches)
                _write_tuned_settings(home, findings, searches, file, earlier)
                _delete_old_studies(storage, window, home)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return Tuning(findings, window.why, window.n_users - window.n_confirming, window.n_confirming, stopped)


@contextmanager
def _storage(home: Home) -> Iterator[Any]:
    """Open Optuna's storage in SQLite, which rolls back what a killed process has written half."""
    import optuna  # noqa: PLC0415

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    storage = optuna.storages.RDBStorage(f"sqlite:///{(home.tuning / 'studies.db').resolve()}")
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _search(searches: Sequence[Search], watcher: TuningWatcher, deadline: float, most: int) -> bool:
    """Run trials, each of the model that has used the least time so far; return whether Ctrl-C ended the search.

    Args:
        searches: one per model.
        watcher: receives the events.
        deadline: a time of `time.monotonic`.
        most: the most trials of each model.
    """
    used = dict.fromkeys(searches, 0.0)
    try:
        while (left := deadline - time.monotonic()) > 0:
            able = [
                search
                for search in searches
                if search.n_tried < most and not search.default_failed and search.expected_seconds() <= left
            ]
            if not able:
                break
            search = min(able, key=lambda each: used[each])
            watcher.trial_finished(search.try_next(partial(_announce, watcher, search, deadline)))
            used[search] += left - (deadline - time.monotonic())
    except KeyboardInterrupt:
        return True
    return False


def _announce(watcher: TuningWatcher, search: Search, deadline: float, number: int, part: str) -> Progress:
    """Tell the watcher that a fit begins; return its progress callback."""
    best = None if search.best is None else score_of(search.best)
    return watcher.fit_started(search.model, number, part, best, deadline - time.monotonic())


def _finding(search: Search, window: Window, settings: Settings, models: int) -> Finding:
    """Return the result of a search: tuned settings if their lead over the defaults excludes chance."""
    default, best = search.default, search.best
    guiding = None if default is None or best is None else Means(score_of(default), score_of(best))
    finding = partial(
        Finding, search.model, guiding=guiding, trials=search.n_tried, pruned=search.n_pruned,
        earlier=search.n_earlier,
    )  # fmt: skip
    if default is None or best is None:
        why = search.default_error and f"its default settings failed: {search.default_error}"
        why = why or "there was no time to try its default settings"
        return finding(tuned=None, confirming=None, why=why)
    if best.number == default.number:
        only = search.n_tried == 1
        why = "only its default settings were tried" if only else "nothing beat the default settings"
        return finding(tuned=None, confirming=None, why=why)
    if window.n_confirming < settings.judge.min_users:
        why = (
            f"no settings can be confirmed: only {window.n_confirming} users are left for that, and fewer than "
            f"{settings.judge.min_users} (judge.min_users) prove nothing; not written"
        )
        return finding(tuned=None, confirming=None, why=why)
    lead = search.lead_of_best(models)
    found, confirming = lead.difference, Means(lead.default, lead.score)
    if found.low <= 0:
        interval = f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
        why = f"the best settings are not better beyond chance: {interval}; not written"
        return finding(tuned=None, confirming=confirming, why=why)
    evidence = Evidence(
        metric=settings.judge.champion_metric,
        score=round(lead.score, 6),
        default=round(lead.default, 6),
        difference=round(found.mean, 6),
        low=round(found.low, 6),
        high=round(found.high, 6),
        users=window.n_confirming,
        trials=search.n_tried,
        seed=settings.run.seed,
        window=window.why,
        data=window.data_key,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        as_of=window.as_of,
        night=evaluation_settings(settings),
    )
    return finding(tuned=Tuned(search.settings_of(best), evidence), confirming=confirming, why="")


def _write_tuned_settings(
    home: Home,
    findings: Sequence[Finding],
    searches: Sequence[Search],
    file: TunedFile,
    earlier: Mapping[str, Tuned],
) -> None:
    """Write the new settings, and drop earlier settings that no longer beat the defaults.

    Earlier settings are dropped only if they were tried again. Those that this night must ignore were not; they are
    dropped once the defaults have a score. Settings of models that were not tuned now stay.

    Args:
        home: where to write.
        findings: the results, one per search.
        searches: one per tuned model.
        file: what `tuned.toml` held.
        earlier: model → settings of the file that this night may use.
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


def _delete_old_studies(storage: Any, window: Window, home: Home) -> None:
    """Delete the studies of other data than today's: no search will continue them."""
    import optuna  # noqa: PLC0415

    for study in storage.get_all_studies():
        if study.user_attrs.get("data") != window.data_key:
            optuna.delete_study(study_name=study.study_name, storage=storage)
            shutil.rmtree(home.tuning / "scores" / study.study_name, ignore_errors=True)
