"""Find the fitted model that is to be exported, and say plainly why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.export.exportable import Exportable
from models.registry import ENSEMBLES, RECOMMENDERS, recommender_class, require_known
from tasks.artifacts import FittedModel, Snapshot
from tasks.errors import UsageError
from tasks.reporting.run_artifacts import RunArtifacts, find_artifacts
from tasks.storage.artifact_store import Store
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs


@dataclass(frozen=True)
class FoundModel:
    """A fitted model of a run.

    Attributes:
        run: the run.
        fitted: the model.
        snapshot: the data that it was fitted on.
        fitted_on: `everything`, or `before the cut` for a model that was only judged.
        titles: a Parquet file with the columns item_id and title; None if the run's lists are not kept.
    """

    run: Run
    fitted: FittedModel
    snapshot: Snapshot
    fitted_on: str
    titles: Path | None

    @property
    def note(self) -> str:
        """A sentence for the operator on which fit it is; empty for the usual one."""
        if self.fitted_on == "everything":
            return ""
        return (
            f"{self.fitted.model} did not make the lists of run {self.run.run_id}: this fit, made to be judged, does "
            "not know the newest data. Nights fit on everything what their champion needs: a blend that has it, or it "
            "alone (recs run --models NAME)."
        )


def check_can_be_exported(model: str) -> None:
    """Raise a UsageError if no model has that name, or if it cannot be exported; import it only if it exists."""
    if model not in ENSEMBLES:
        try:
            require_known(model)
        except ValueError as error:
            message, _, names = str(error).partition(" Models: ")
            raise UsageError(message, f"Models: {names}") from error
    if issubclass(recommender_class(model), Exportable):
        return
    why = (
        "is made of other models, which can be exported one by one"
        if model in ENSEMBLES
        else "scores items by tables of all items, not by vectors of users"
    )
    raise UsageError(
        f"{model} cannot be exported: it {why}.",
        f"Models that can: {', '.join(exportable_models())}. Its lists for new users: recs show --items 1,2,3.",
    )


def exportable_models() -> list[str]:
    """Return the names of the models that can be exported, in the order of the registry."""
    return [name for name in RECOMMENDERS if issubclass(recommender_class(name), Exportable)]


def find_model(home: Home, run_id: int, model: str) -> FoundModel:
    """Return a model of a run.

    Args:
        home: of the run.
        run_id: a run of the home.
        model: a name that `check_can_be_exported` has passed.

    Raises:
        UsageError: there is no such run, or it has no such model, or its models are not kept.
    """
    run = Runs(home.runs).find(run_id)
    if run is None:
        raise UsageError(f"There is no run {run_id} in {home.path}.", "recs runs lists them.")
    kept = find_artifacts(Store(home.artifacts), run)
    titles = None if kept.lists is None else kept.lists.folder / "items.parquet"
    for fits, snapshot, fitted_on in (
        (kept.refits, kept.everything, "everything"),
        (kept.fits, kept.judged, "before the cut"),
    ):
        if model in fits and snapshot is not None:
            return FoundModel(run, fits[model], snapshot, fitted_on, titles)
    raise _no_such_model(home, run, model, kept)


def _no_such_model(home: Home, run: Run, model: str, kept: RunArtifacts) -> UsageError:
    there = [name for name in RECOMMENDERS if name in {*kept.refits, *kept.fits}]
    if not there:
        return UsageError(
            f"The models of run {run.run_id} are not kept in {home.path}.", "A night fits new ones: recs run"
        )
    can = ", ".join(name for name in there if name in exportable_models()) or "none"
    return UsageError(
        f"Run {run.run_id} has no fitted {model}; of its models these can be exported: {can}.",
        f"A night that has it: recs run --models {','.join([*there, model])}",
    )
