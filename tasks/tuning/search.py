"""Search for better settings of one model: Optuna suggests them, and a fit on the earlier window scores them.

Suggestions come from TPE (Bergstra et al. 2011) with a seed of its own for every trial, so that trial n depends only on
the seed and on the trials before it. A trial first fits the small part of the window, and the whole window only if its
score is among the best third so far (asynchronous successive halving: Li et al. 2020). Otherwise it is pruned.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.base import Progress
from models.evaluation.bootstrap import Interval
from models.evaluation.metrics import ranking_metrics
from models.interactions import load_matrix
from models.registry import recommender_class
from models.search_space import OneOf, SearchSpace
from tasks.config.settings import Settings
from tasks.errors import NightError, in_words
from tasks.evaluation.evaluate import held_out_lists
from tasks.storage.cache_key import SOURCE, fingerprint, key_of_value, library_versions
from tasks.training.fit import fit
from tasks.training.load_model import load_model
from tasks.tuning.confirmation import confirmed_lead
from tasks.tuning.window import Part, Window

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

_SIGNIFICANT_DIGITS = 3  # of numbers that are tried and written
_REDUCTION_FACTOR = 3  # one trial in so many is fitted on the whole window
_ORIGIN = "origin"  # an attribute of Optuna's trials
_COMPARED = "compared"  # an attribute of Optuna's studies

TrialOutcome = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class FinishedTrial:
    """One finished trial.

    Attributes:
        model: its name.
        number: of the trial among those of the model, from 0.
        settings: the values that were tried.
        origin: `default`, `earlier` (found by an earlier tune), or empty for settings that Optuna suggested.
        outcome: `complete` (fitted on the whole window), `pruned` (only on the small part) or `failed`.
        score: the metric's mean over the users that guide the search; of a pruned trial on the small part; None if it
            failed.
        error: why it failed; empty if it did not.
        best: whether it is complete and better than all complete trials before it.
        seconds: how long it took.
    """

    model: str
    number: int
    settings: Mapping[str, Any]
    origin: str
    outcome: TrialOutcome
    score: float | None
    error: str
    best: bool
    seconds: float


class Lead(NamedTuple):
    """The lead of the best settings over the defaults, on the users that did not guide the search.

    Attributes:
        score, default: the metric's mean with the best settings, and with the defaults.
        difference: `score` − `default`, paired over the users, with its interval.
    """

    score: float
    default: float
    difference: Interval


class Search:
    """The trials of one model on one window. They are kept in Optuna's storage, where another search continues them.

    Args:
        model: its name.
        space: the fields to search; all others are as in `settings`.
        window: the matrices to fit on, the users that guide the search and those that confirm its result.
        settings: those of the night, without tuned ones.
        storage: Optuna's.
        folder: for each trial's scores of all users.
    """

    def __init__(
        self,
        model: str,
        space: SearchSpace,
        window: Window,
        settings: Settings,
        storage: optuna.storages.BaseStorage,
        folder: Path,
    ) -> None:
        import optuna  # noqa: PLC0415  (takes a second)

        self.model, self.space, self.window, self.settings = model, space, window, settings
        self.config = settings.models.config(model)
        backfill = settings.recommend.backfill_models
        modules = sorted({recommender_class(name).__module__ for name in (model, *backfill)})
        metric = settings.judge.champion_metric
        self._k = int(metric.partition("@")[2])
        key = fingerprint(
            window.data_key, settings.split, settings.utility, settings.run.seed, metric, key_of_value(self.config),
            {field: repr(where) for field, where in space.items()},
            [settings.models.config(name) for name in backfill],
            SOURCE.hash("tasks.tuning.search", *modules), library_versions(), optuna.__version__,
        )  # fmt: skip
        self._folder = folder / f"{model}-{key}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._study = optuna.create_study(
            storage=storage,
            study_name=self._folder.name,
            direction="maximize",
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=_REDUCTION_FACTOR),
            load_if_exists=True,
        )
        self._study.set_user_attr("data", window.data_key)
        for trial in self._in_state("RUNNING"):  # of a process that died: this one holds the lock
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        self.n_earlier = self.n_tried
        """Number of trials of earlier searches that this one continues."""

    # -- suggestions ------------------------------------------------------------------------------------

    def begin(self, earlier: Mapping[str, Any]) -> None:
        """Queue the default settings, then those that an earlier tune found, unless they were tried already.

        Args:
            earlier: field → value that an earlier tune found; empty if there was none.
        """
        defaults = {field: getattr(self.config, field) for field in self.space}
        known = {field: value for field, value in defaults.items() if value is not None}
        if self.default is None:
            self._enqueue("default", known)
        known = self._in_space(earlier)
        if known and not self.has_judged(earlier):
            self._enqueue("earlier", known)

    def _in_space(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that the search space contains: it may have changed since they were found."""
        return {field: value for field, value in settings.items() if value in self.space.get(field, ())}

    def _enqueue(self, origin: str, values: Mapping[str, Any]) -> None:
        """Queue settings for a trial, unless they are queued already."""
        attributes = {_ORIGIN: origin, "values": dict(values)}
        if attributes not in [trial.user_attrs for trial in self._in_state("WAITING")]:
            self._study.enqueue_trial(dict(values), user_attrs=attributes)

    def _suggest(self, trial: Trial) -> dict[str, Any]:
        """Return the values that a trial tries. Defaults of None, which no range contains, are left to the model."""
        is_default = trial.user_attrs.get(_ORIGIN) == "default"
        drawn: dict[str, Any] = {}
        for field, where in self.space.items():
            if is_default and getattr(self.config, field) is None:
                continue
            if isinstance(where, OneOf):
                drawn[field] = trial.suggest_categorical(field, where.values)
            elif where.whole:
                drawn[field] = trial.suggest_int(field, int(where.low), int(where.high), log=where.log)
            else:
                value = trial.suggest_float(field, where.low, where.high, log=where.log)
                drawn[field] = float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
        return drawn

    # -- trials -----------------------------------------------------------------------------------------

    def try_next(self, progress: Callable[[int, str], Progress]) -> FinishedTrial:
        """Run one more trial. An error of the model, whatever its class, fails only the trial.

        Args:
            progress: called with the trial's number and the part of the window; returns the progress callback of the
                fit.
        """
        import optuna  # noqa: PLC0415

        if not SOURCE.is_current():
            raise NightError(
                "The source code has changed since this tune began.", "Run the same command again."
            )
        number = len(self._study.get_trials(deepcopy=False))
        seed = int(np.random.SeedSequence((self.settings.run.seed, number)).generate_state(1)[0])
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
        trial = self._study.ask()
        drawn = self._suggest(trial)
        before = self.best
        try:
            score = self._score(trial, drawn, progress)
        except Exception as error:  # noqa: BLE001 - settings may break a model in any way; the reason is kept
            trial.set_user_attr("error", in_words(error))
            done = self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            state = optuna.trial.TrialState.PRUNED if score is None else None
            done = self._study.tell(trial, score, state=state)
        outcomes: dict[str, TrialOutcome] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        outcome = outcomes[done.state.name]
        return FinishedTrial(
            model=self.model,
            number=done.number,
            settings=drawn,
            origin=done.user_attrs.get(_ORIGIN, ""),
            outcome=outcome,
            score=done.value,
            error=done.user_attrs.get("error", ""),
            best=outcome == "complete" and (before is None or score_of(done) > score_of(before)),
            seconds=_seconds(done),
        )

    def _score(
        self, trial: Trial, drawn: Mapping[str, Any], progress: Callable[[int, str], Progress]
    ) -> float | None:
        """Return the metric's mean over the guiding users; None if the trial is pruned after the small part."""
        if self.window.small is not None:
            values = self._values(self.window.small, drawn, progress(trial.number, "small part"))
            trial.report(float(values.mean()), step=1)
            if trial.should_prune() and _ORIGIN not in trial.user_attrs:
                return None
        values = self._values(self.window.whole, drawn, progress(trial.number, "whole window"))
        np.save(self._folder / f"{trial.number}.npy", values, allow_pickle=False)
        return float(values[self.window.guides].mean())

    def _values(self, part: Part, drawn: Mapping[str, Any], progress: Progress) -> NDArray[np.float64]:
        """Fit the model on a part of the window; return the metric of each of its held-out users."""
        given = self.config.model_dump(exclude_unset=True)
        config = type(self.config).model_validate({**given, **drawn})
        scratch = self._folder / "fit"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        fitted = fit(
            part.snapshot,
            self.model,
            config,
            seed=self.settings.run.seed,
            progress=progress,
            key="",
            folder=scratch,
        )
        models = [load_model(each) for each in (fitted, *part.backfill)]
        lists = held_out_lists(models, part.snapshot, part.held_out, self._k)
        shutil.rmtree(scratch)
        relevant = load_matrix(part.held_out.folder, "relevant")
        return ranking_metrics(lists, relevant, [self._k])[self.settings.judge.champion_metric]

    # -- results ----------------------------------------------------------------------------------------

    @property
    def n_tried(self) -> int:
        """Number of finished trials, including those of earlier searches."""
        return len(self._in_state("COMPLETE", "PRUNED", "FAIL"))

    @property
    def n_pruned(self) -> int:
        """Number of trials that ended after the small part."""
        return len(self._in_state("PRUNED"))

    @property
    def default(self) -> FrozenTrial | None:
        """The trial of the default settings; None until it is complete."""
        return next((t for t in self._in_state("COMPLETE") if t.user_attrs.get(_ORIGIN) == "default"), None)

    @property
    def default_error(self) -> str:
        """The error of the default settings; empty if they did not fail."""
        failed = (t for t in self._in_state("FAIL") if t.user_attrs.get(_ORIGIN) == "default")
        return next((t.user_attrs["error"] for t in failed if "error" in t.user_attrs), "")

    @property
    def best(self) -> FrozenTrial | None:
        """The complete trial with the highest score, the earliest of equals; the default settings are tried first."""
        return max(self._in_state("COMPLETE"), key=lambda t: (score_of(t), -t.number), default=None)

    @property
    def default_failed(self) -> bool:
        """True if the default settings failed and are not queued again: nothing can be compared with them."""
        return bool(self.default_error) and self.default is None and not self._in_state("WAITING")

    def has_judged(self, settings: Mapping[str, Any]) -> bool:
        """Return whether a complete trial tried these settings, as far as the search space contains them."""
        known = self._in_space(settings).items()
        return any(known <= self.settings_of(trial).items() for trial in self._in_state("COMPLETE"))

    def expected_seconds(self) -> float:
        """Return the median duration of complete trials, in seconds; 0 if there are none."""
        return median([_seconds(trial) for trial in self._in_state("COMPLETE")] or [0.0])

    def settings_of(self, trial: FrozenTrial) -> dict[str, Any]:
        """Return the values that a trial tried, rounded as they are written."""
        return {
            field: float(f"{value:.{_SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value
            for field, value in trial.params.items()
        }

    def lead_of_best(self, models: int = 1) -> Lead:
        """Compare the best and the default settings on the users that did not guide the search; both must exist.

        Remembers which settings were compared, so that the intervals of a resumed search hold jointly for all of them.

        Args:
            models: number of models that are tuned together, as for `confirmed_lead`.
        """
        default, best = self.default, self.best
        if default is None or best is None:
            raise ValueError("there is nothing to compare before the default settings have a score")
        before = [number for number in self._study.user_attrs.get(_COMPARED, []) if number != best.number]
        self._study.set_user_attr(_COMPARED, [*before, best.number])
        trials = {trial.number: trial for trial in self._in_state("COMPLETE")}
        others = ~self.window.guides
        ends = [self._values_of(trials[number])[others] for number in (*before, best.number)]
        defaults = self._values_of(default)[others]
        lead = confirmed_lead(ends, defaults, self.settings.judge, seed=self.settings.run.seed, models=models)
        return Lead(float(ends[-1].mean()), float(defaults.mean()), lead)

    def _values_of(self, trial: FrozenTrial) -> NDArray[np.float64]:
        """Return (n_users,) float64, the metric of each held-out user in a complete trial.

        Raises:
            NightError: its file is missing or damaged.
        """
        try:
            values: NDArray[np.float64] = np.load(self._folder / f"{trial.number}.npy", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise NightError(
                f"The scores of trial {trial.number} of {self.model} cannot be read ({error}).",
                f"Delete the folder {self._folder.parent.parent} and tune again.",
            ) from None
        return values

    def _in_state(self, *names: str) -> list[FrozenTrial]:
        return [t for t in self._study.get_trials(deepcopy=False) if t.state.name in names]


def score_of(trial: FrozenTrial) -> float:
    """Return the score of a trial; −∞ if it failed."""
    return -inf if trial.value is None else trial.value


def _seconds(trial: FrozenTrial) -> float:
    return 0.0 if trial.duration is None else trial.duration.total_seconds()
