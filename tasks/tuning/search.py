"""The search for better settings of one model: Optuna draws them, a fit on the earlier window judges them.

What to try comes from TPE (Bergstra et al. 2011), seeded anew for every trial, so that trial n depends only on the
seed and on the trials before it. A trial first fits the small part of the window; only if its score there is among
the best third of those so far does it fit the whole (asynchronous successive halving: Li et al. 2020).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.base import Progress
from models.evaluation.metrics import ranking_metrics
from models.interactions import load_matrix
from models.registry import recommender_class
from models.search_space import OneOf, SearchSpace
from tasks.config.settings import Settings
from tasks.errors import NightError, in_words
from tasks.evaluation.evaluate import held_out_lists
from tasks.storage.cache_key import SOURCE, fingerprint, library_versions
from tasks.training.fit import BACKFILL, fit, load_model
from tasks.tuning.window import Part, Window

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial, Trial

_DIGITS = 3  # of a number that is tried and written
_SURVIVORS = 3  # one in so many is fitted on the whole window
_NAMED = "named"

Outcome = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Attempt:
    """One finished trial.

    Attributes:
        model, number, settings: what was tried.
        named: `default` or `earlier` (what an earlier tune found); empty for a drawn one.
        outcome: whether it was fitted on everything, or only on the small part, or failed.
        score: on the whole window, or where it was pruned on the small part; None where it failed.
        error: why it failed.
        best: no complete one before it scored more.
        seconds: how long it took.
    """

    model: str
    number: int
    settings: Mapping[str, Any]
    named: str
    outcome: Outcome
    score: float | None
    error: str
    best: bool
    seconds: float


class Search:
    """The trials of one model on one window, kept in Optuna's storage; a second search goes on with them.

    Args:
        model: its name.
        space: the fields to search; all others are as in `settings`.
        window: what to fit on and judge by.
        settings: those of the night, without tuned ones.
        storage: Optuna's.
        folder: scores of all users are kept there, trial by trial.
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
        import optuna  # noqa: PLC0415  (takes a second: only who tunes pays)

        self.model, self.space, self.window, self.settings = model, space, window, settings
        self.config = settings.models.config(model)
        modules = sorted({recommender_class(name).__module__ for name in (model, *BACKFILL)})
        metric = settings.judge.champion_metric
        self._k = int(metric.partition("@")[2])
        key = fingerprint(
            window.data_key, settings.split, settings.utility, settings.run.seed, metric, self.config,
            {field: repr(where) for field, where in space.items()},
            [settings.models.config(name) for name in BACKFILL],
            SOURCE.hash("tasks.tuning.search", *modules), library_versions(), optuna.__version__,
        )  # fmt: skip
        self._folder = folder / f"{model}-{key}"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._study = optuna.create_study(
            storage=storage,
            study_name=self._folder.name,
            direction="maximize",
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=_SURVIVORS),
            load_if_exists=True,
        )
        self._study.set_user_attr("data", window.data_key)
        for trial in self._in_state("RUNNING"):  # this process is the only one: that one is dead
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    # -- what to try ------------------------------------------------------------------------------------

    def begin(self, earlier: Mapping[str, Any]) -> None:
        """Put the default settings first, then those that an earlier tune found, unless they were tried already."""
        defaults = {field: getattr(self.config, field) for field in self.space}
        known = {field: value for field, value in defaults.items() if value is not None}
        if self.default is None:
            self._put_in_line("default", known)
        known = self._known(earlier)
        if known and not self.has_judged(earlier):
            self._put_in_line("earlier", known)

    def _known(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Those that today's space holds."""
        return {field: value for field, value in settings.items() if value in self.space.get(field, ())}

    def _put_in_line(self, name: str, values: Mapping[str, Any]) -> None:
        mark = {_NAMED: name, "values": dict(values)}
        if mark not in [trial.user_attrs for trial in self._in_state("WAITING")]:
            self._study.enqueue_trial(dict(values), user_attrs=mark)

    def _draw(self, trial: Trial) -> dict[str, Any]:
        """The fields' values. A default that is left to the model, None, is in no range: the default has none then."""
        is_default = trial.user_attrs.get(_NAMED) == "default"
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
                drawn[field] = float(f"{value:.{_DIGITS}g}")
        return drawn

    # -- trying it --------------------------------------------------------------------------------------

    def try_next(self, progress: Callable[[int, str], Progress]) -> Attempt:
        """One more trial. A model that fails under odd settings, for whatever reason, fails its trial only.

        `progress`, given the trial's number and the part that it fits, returns the callback of that fit.
        """
        import optuna  # noqa: PLC0415

        number = len(self._study.get_trials(deepcopy=False))
        seed = int(np.random.SeedSequence((self.settings.run.seed, number)).generate_state(1)[0])
        self._study.sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
        trial = self._study.ask()
        drawn = self._draw(trial)
        before = self.best
        try:
            score = self._score(trial, drawn, progress)
        except Exception as error:  # noqa: BLE001 - see above; the reason is kept
            trial.set_user_attr("error", in_words(error))
            done = self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            state = optuna.trial.TrialState.PRUNED if score is None else None
            done = self._study.tell(trial, score, state=state)
        outcomes: dict[str, Outcome] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        outcome = outcomes[done.state.name]
        return Attempt(
            model=self.model,
            number=done.number,
            settings=drawn,
            named=done.user_attrs.get(_NAMED, ""),
            outcome=outcome,
            score=done.value,
            error=done.user_attrs.get("error", ""),
            best=outcome == "complete" and (before is None or score_of(done) > score_of(before)),
            seconds=_seconds(done),
        )

    def _score(
        self, trial: Trial, drawn: Mapping[str, Any], progress: Callable[[int, str], Progress]
    ) -> float | None:
        """The metric's mean on the whole window; None if the trial is pruned after the small part."""
        if self.window.small is not None:
            values = self._values(self.window.small, drawn, progress(trial.number, "small part"))
            trial.report(float(values.mean()), step=1)
            if trial.should_prune() and _NAMED not in trial.user_attrs:
                return None
        values = self._values(self.window.whole, drawn, progress(trial.number, "whole window"))
        np.save(self._folder / f"{trial.number}.npy", values, allow_pickle=False)
        return float(values.mean())

    def _values(self, part: Part, drawn: Mapping[str, Any], progress: Progress) -> NDArray[np.float64]:
        """The metric of every user of a part, of the model fitted on it."""
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
        models = [load_model(each) for each in (fitted, *part.fillers)]
        lists = held_out_lists(models, part.snapshot, part.held_out, self._k)
        shutil.rmtree(scratch)
        relevant = load_matrix(part.held_out.folder, "relevant")
        return ranking_metrics(lists, relevant, [self._k])[self.settings.judge.champion_metric]

    # -- what came of it --------------------------------------------------------------------------------

    @property
    def n_tried(self) -> int:
        """Finished trials, those of earlier searches among them."""
        return len(self._in_state("COMPLETE", "PRUNED", "FAIL"))

    @property
    def n_pruned(self) -> int:
        """Those that ended after the small part."""
        return len(self._in_state("PRUNED"))

    @property
    def default(self) -> FrozenTrial | None:
        """The trial of the default settings, once it is complete."""
        return next((t for t in self._in_state("COMPLETE") if t.user_attrs.get(_NAMED) == "default"), None)

    @property
    def default_error(self) -> str:
        """Why the default settings failed, if they did."""
        failed = (t for t in self._in_state("FAIL") if t.user_attrs.get(_NAMED) == "default")
        return next((t.user_attrs["error"] for t in failed if "error" in t.user_attrs), "")

    @property
    def best(self) -> FrozenTrial | None:
        """The complete trial of the highest score, the first of equals; the default is the first of all."""
        return max(self._in_state("COMPLETE"), key=lambda t: (score_of(t), -t.number), default=None)

    @property
    def hopeless(self) -> bool:
        """Whether the default settings failed: then there is nothing to compare with."""
        return bool(self.default_error) and self.default is None and not self._in_state("WAITING")

    def has_judged(self, settings: Mapping[str, Any]) -> bool:
        """Whether a complete trial tried just these, as far as today's space holds them."""
        known = self._known(settings).items()
        return any(known <= self.settings_of(trial).items() for trial in self._in_state("COMPLETE"))

    def expected_seconds(self) -> float:
        """What one more trial may take: the median of the complete ones; 0 before there is any."""
        return median([_seconds(trial) for trial in self._in_state("COMPLETE")] or [0.0])

    def settings_of(self, trial: FrozenTrial) -> dict[str, Any]:
        """The values that a trial tried, as they are written."""
        return {
            field: float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
            for field, value in trial.params.items()
        }

    def values_of(self, trial: FrozenTrial) -> NDArray[np.float64]:
        """The metric of every judging user under a complete trial."""
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
    """The score of a complete trial; of one that failed, minus infinity."""
    return -inf if trial.value is None else trial.value


def _seconds(trial: FrozenTrial) -> float:
    return 0.0 if trial.duration is None else trial.duration.total_seconds()
