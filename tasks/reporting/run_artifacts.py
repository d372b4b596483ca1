"""What a run made and the store still keeps, found through the run's record: for reports written at any time after."""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.artifacts import Choice, Evaluation, FittedModel, HeldOut, Lists, Snapshot
from tasks.storage.artifact_store import Store
from tasks.storage.run_records import Run


@dataclass
class Made:
    """The references of one run; None or absent where it did not come so far, or where they are kept no more.

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
        """All that the night learned from, or as much of it as there is."""
        return self.everything or self.judged


def find_made(store: Store, run: Run) -> Made:
    """What `run` made. Its record names the artifacts in the order in which their stages began."""
    made, refitting = Made(), False
    for name in run.artifacts:
        stage, _, key = name.partition("/")
        refitting = refitting or stage == "everything"
        if stage == "utility":
            snapshot = store.find(stage, key, Snapshot)
            made.everything, made.judged = (snapshot, made.judged) if refitting else (None, snapshot)
        elif stage == "fit":
            fitted = store.find(stage, key, FittedModel)
            if fitted is not None:
                (made.refits if refitting else made.fits)[fitted.model] = fitted
        elif stage == "evaluate":
            evaluation = store.find(stage, key, Evaluation)
            if evaluation is not None:
                made.evaluations[evaluation.model] = evaluation
        elif stage == "held_out":
            made.held_out = store.find(stage, key, HeldOut)
        elif stage == "choose":
            made.choice = store.find(stage, key, Choice)
    made.lists = find_lists(store, run)
    return made


def find_lists(store: Store, run: Run) -> Lists | None:
    """The lists that `run` made, if they are still kept."""
    keys = [name.removeprefix("recommend/") for name in run.artifacts if name.startswith("recommend/")]
    return store.find("recommend", keys[-1], Lists) if keys else None
