"""Choose, when a night begins, the night that its fits start from; a resumed night starts from the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from models.registry import RECOMMENDERS, recommender_class
from tasks.artifacts import EarlierRows
from tasks.config.warm_start_settings import WarmStartSettings
from tasks.storage.run_records import Run, WarmPlan


@dataclass(frozen=True)
class WarmSource:
    """The earlier fits for the models that are fitted on one of tonight's snapshots.

    Attributes:
        plan: the plan that chose them.
        why_cold: why all fits are cold; empty if they need not be.
        fits: model → key of the earlier fit.
        rows: how the two snapshots match.
        tonight: how the snapshot of everything matches that before the cutoff, if refits may start from fits on it.
    """

    plan: WarmPlan
    why_cold: str = ""
    fits: dict[str, str] = field(default_factory=dict)
    rows: EarlierRows | None = None
    tonight: EarlierRows | None = None


def plan_warm_start(
    earlier: Iterable[Run], settings: WarmStartSettings, utility: object, until: datetime | None
) -> WarmPlan:
    """Choose the night to start from: the newest one that published, or was only not switched to.

    Nights that a check held back are passed over: their data may be bad.

    Args:
        earlier: the records of the nights before, newest first.
        settings: of warm starts.
        utility: the `[utility]` of tonight, as in run records; with another one the matrices mean something else.
        until: the `as_of` that was asked for, after which the earlier night must not end; None if none was.
    """
    if not settings.enabled:
        return WarmPlan(None, 0, "warm_start.enabled is false")
    for run in earlier:
        is_complete = run.status in ("published", "not_switched") and run.as_of is not None
        if not is_complete or not run.summary.fits or (until and run.as_of and run.as_of > until):
            continue
        night = 1 + (run.warm_plan.night if run.warm_plan else 0)
        if run.settings.get("utility") != utility:
            return WarmPlan(None, night, f"run {run.run_id} had another [utility]")
        return WarmPlan(run.run_id, night)
    return WarmPlan(None, 0, "there is no earlier night to start from")


def needed_artifacts(run: Run) -> list[str]:
    """Return 'stage/key' of everything that a warm start from a run may read."""
    return [f"utility/{key}" for key in run.summary.snapshots.values()] + [
        f"fit/{key}"
        for fits in run.summary.fits.values()
        for model, key in fits.items()
        if model in RECOMMENDERS and recommender_class(model)().warm_parts()
    ]
