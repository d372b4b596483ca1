"""Find the artifacts of a run that are still kept, for reports at any time after the night."""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.artifacts import Choice, Evaluation, FittedModel, HeldOut, Lists, Snapshot
from tasks.storage.artifact_store import Store
from tasks.storage.run_records import Run


@dataclass
class RunArtifacts:
    """The references of one run; None or absent where it did not come so far, or where they are not kept any more.

    Attributes:
        judged: the snapshot before the cut, `fits` the models fitted on it.
        everything: the snapshot of the refit, `refits` the models fitted on that.
        evaluations: by model.
    """

    judged: Snapshot | None = None
    everything: Snapshot | None = None
    held_out: HeldOut | None = None
    choice: Choice | None = None
    lists: Lists | None = None
    fits: dict[str, FittedModel] = field(default_factory=dict)
    refits: dict[str, FittedModel] = field(default_factory=dict)
    evaluations: dict[str, Evaluation] = field(default_factory=dict)

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot of the refit, or else the one before the cut."""
        return self.everything or self.judged


def find_artifacts(store: Store, run: Run) -> RunArtifacts:
    """Return the artifacts of `run`. Its record names them in the order in which their stages began."""
    found, refitting = RunArtifacts(), False
    for name in run.artifacts:
        stage, _, key = name.partition("/")
        refitting = refitting or stage == "everything"
        if stage == "utility":
            snapshot = store.find(stage, key, Snapshot)
            found.everything, found.judged = (snapshot, found.judged) if refitting else (None, snapshot)
        elif stage == "fit":
            fitted = store.find(stage, key, FittedModel)
            if (
                fitted is not None and (fitted.folder / "model.json").is_file()
            ):  # no ensemble of too few users
                (found.refits if refitting else found.fits)[fitted.model] = fitted
        elif stage == "evaluate":
            evaluation = store.find(stage, key, Evaluation)
            if evaluation is not None:
                found.evaluations[evaluation.model] = evaluation
        elif stage == "held_out":
            found.held_out = store.find(stage, key, HeldOut)
        elif stage == "choose":
            found.choice = store.find(stage, key, Choice)
    found.lists = find_lists(store, run)
    return found


def find_lists(store: Store, run: Run) -> Lists | None:
    """Return the lists of `run`; None if it made none, or if they are not kept any more."""
    keys = [name.removeprefix("recommend/") for name in run.artifacts if name.startswith("recommend/")]
    return store.find("recommend", keys[-1], Lists) if keys else None
