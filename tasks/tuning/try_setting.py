"""Judge a model, or a setting of one, against the models of a night, on that night's held-out users.

Nothing is published, and the night's artifacts stay as they are. The select half of the users is taken unless another
is asked for: who tries many settings and keeps the best one has chosen by these users, and the report half stays fresh
for a last look.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from models.base import Config, Progress, Recommender
from models.evaluation.bootstrap import Difference, Interval, interval, paired_difference
from models.evaluation.metrics import ranking_metrics
from models.interactions import Interactions, load_matrix
from models.registry import config_class, recommender_class, require_known
from tasks.artifacts import HeldOut, Snapshot
from tasks.config.load import toml_value
from tasks.config.messages import explain
from tasks.config.settings import ModelsSettings, RecommendSettings
from tasks.errors import UsageError
from tasks.evaluation.averages import load_per_user
from tasks.evaluation.evaluate import held_out_lists
from tasks.evaluation.metric_rows import HALVES, Half
from tasks.reporting.run_artifacts import RunArtifacts, find_artifacts
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs
from tasks.training.load_model import load_model

SAMPLES, CONFIDENCE = 2000, 0.95


class Judgement(NamedTuple):
    """The figures of a model on some held-out users.

    Attributes:
        model: its name; `tried` is the one that was judged now.
        figures: metric, such as `ndcg@10` → its mean and interval.
        lead: metric → how far the tried model is ahead of this one, paired over the users; empty for itself.
    """

    model: str
    figures: dict[str, Interval]
    lead: dict[str, Difference]


@dataclass(frozen=True)
class Tried:
    """The result of judging a model against a night.

    Attributes:
        run_id: of the night.
        model: name of the tried model.
        half: of the held-out users.
        n_users: of that half.
        metric: the one that chooses champions.
        fit_s: seconds of the fit; None if the model came fitted.
        list_s: seconds of making the lists of all held-out users.
        judgements: the tried model's, then those of the night's models, best first.
    """

    run_id: int
    model: str
    half: Half
    n_users: int
    metric: str
    fit_s: float | None
    list_s: float
    judgements: tuple[Judgement, ...]


@dataclass(frozen=True)
class JudgedNight:
    """A night whose judged models and held-out users are kept.

    Attributes:
        run: its record.
        kept: its artifacts.
        snapshot: the training part.
        held_out: the users to judge on.
    """

    run: Run
    kept: RunArtifacts
    snapshot: Snapshot
    held_out: HeldOut
    per_user: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(repr=False)

    @property
    def metric(self) -> str:
        """The metric that chooses champions."""
        return str(self.run.settings["judge"]["champion_metric"])

    def users_of(self, half: Half) -> NDArray[np.bool_]:
        """Return which held-out users belong to a half, (n_users,)."""
        with np.load(self.held_out.folder / "users.npz", allow_pickle=False) as users:
            found: NDArray[np.bool_] = users["half"] == HALVES.index(half)
        return found


def judged_night(home: Home, run_id: int | None = None) -> JudgedNight:
    """Return a night, by default the newest that judged models and whose artifacts are kept.

    Raises:
        UsageError: there is none.
    """
    runs = Runs(home.runs)
    chosen = list(runs.all()) if run_id is None else [run for run in [runs.find(run_id)] if run is not None]
    for run in chosen:
        kept = find_artifacts(home.artifact_store, run)
        if kept.judged is None or kept.held_out is None or not kept.evaluations:
            continue
        per_user = {
            name: load_per_user(evaluation)
            for name, evaluation in kept.evaluations.items()
            if name != "fallback"
        }
        return JudgedNight(run, kept, kept.judged, kept.held_out, per_user)
    which = "No night" if run_id is None else f"Run {run_id} is unknown, or it"
    raise UsageError(
        f"{which} has judged models whose artifacts are kept in {home.path}.",
        f"Run one: recs run --home {home.path}",
    )


def tried_config(night: JudgedNight, model: str, options: Sequence[str]) -> Config:
    """Return the night's settings of a model with some options changed.

    Args:
        night: whose settings count.
        model: a name of the registry.
        options: such as `factors=64`.

    Raises:
        UsageError: no such model or option, or a value out of its range.
    """
    try:
        kind = config_class(require_known(model))
    except ValueError as error:
        raise UsageError(str(error)) from None
    given = dict(night.run.settings["models"].get(model, {}))
    for option in options:
        key, equals, text = (part.strip() for part in option.partition("="))
        if not key or not equals:
            raise UsageError(f"--set {option!r} is not of the form option=value, such as factors=64.")
        given[key.removeprefix(f"models.{model}.")] = toml_value(text)
    try:
        kind.model_validate(given)
        config = ModelsSettings.model_validate({"shelf": [model], model: given}).config(model)
    except ValidationError as error:
        raise UsageError(*explain(error, kind, ("models", model))) from None
    try:
        config.check_machine()
    except ValueError as error:
        raise UsageError(f"The model {model} cannot be trained on this machine: {error}.") from None
    return config


def try_setting(
    night: JudgedNight, model: str, config: Config, *, half: Half = "select", progress: Progress | None = None
) -> Tried:
    """Fit a model with a setting on the night's training part, and judge it.

    Args:
        night: to compare with.
        model: a name of the registry.
        config: its settings.
        half: of the held-out users.
        progress: of the fit.
    """
    return judge(night, recommender_class(model)(config), half=half, progress=progress)


def judge(
    night: JudgedNight, model: Recommender, *, half: Half = "select", progress: Progress | None = None
) -> Tried:
    """Judge a model on the held-out users of a night, beside the models of that night.

    Args:
        night: to compare with.
        model: fitted on the night's training part, or not fitted: then it is fitted now.
        half: of the held-out users.
        progress: of the fit.

    Raises:
        UsageError: nobody belongs to the half, or the fitted model is of other data.
    """
    chosen = night.users_of(half)
    if not chosen.any():
        raise UsageError(f"Nobody of run {night.run.run_id} belongs to the {half} half.")
    started, is_new = time.perf_counter(), not hasattr(model, "known_items_")
    if is_new:
        given: dict[str, Any] = {} if progress is None else {"progress": progress}
        model.fit(
            Interactions.load(night.snapshot.folder), seed=int(night.run.settings["run"]["seed"]), **given
        )
    fit_s = time.perf_counter() - started
    if (
        model.known_users_.shape != (night.snapshot.n_users,)
        or len(model.known_items_) != night.snapshot.n_items
    ):
        raise UsageError(
            f"{model.name} was fitted on {len(model.known_users_):,} users × {len(model.known_items_):,} items, "
            f"and the training part of run {night.run.run_id} has {night.snapshot.n_users:,} × "
            f"{night.snapshot.n_items:,}.",
            "Fit it on that part, or hand it over without a fit.",
        )
    started = time.perf_counter()
    ks = tuple(int(k) for k in night.run.settings["judge"]["k"])
    lists = held_out_lists(_with_backfill(night, model), night.snapshot, night.held_out, max(ks))
    relevant = load_matrix(night.held_out.folder, "relevant")
    own = ranking_metrics(lists, relevant, ks)
    list_s = time.perf_counter() - started
    return Tried(
        night.run.run_id, model.name, half, int(chosen.sum()), night.metric, fit_s if is_new else None, list_s,
        _judgements(night, own, chosen),
    )  # fmt: skip


def _with_backfill(night: JudgedNight, model: Recommender) -> list[Recommender]:
    """Return the model, and those of the night that complete its short lists."""
    names = RecommendSettings.model_validate(night.run.settings["recommend"]).backfill_models
    others = [load_model(night.kept.fits[name]) for name in names if name in night.kept.fits]
    return [model, *(other for other in others if other.name != model.name)]


def _judgements(
    night: JudgedNight, own: Mapping[str, NDArray[np.float64]], chosen: NDArray[np.bool_]
) -> tuple[Judgement, ...]:
    sampling: dict[str, Any] = {
        "samples": SAMPLES, "confidence": CONFIDENCE, "seed": int(night.run.settings["run"]["seed"])
    }  # fmt: skip
    tried = Judgement("tried", _intervals(own, chosen, sampling), {})
    others = [
        Judgement(
            name,
            _intervals({metric: values[metric] for metric in own}, chosen, sampling),
            {
                metric: paired_difference(own[metric][chosen], values[metric][chosen], **sampling)
                for metric in own
            },
        )
        for name, values in night.per_user.items()
    ]
    others.sort(key=lambda each: -each.figures[night.metric].mean)
    return (tried, *others)


def _intervals(
    values: Mapping[str, NDArray[np.float64]], chosen: NDArray[np.bool_], sampling: Mapping[str, Any]
) -> dict[str, Interval]:
    return {metric: interval(each[chosen], **sampling) for metric, each in values.items()}
