"""Look up the earlier fits that tonight's fits start from. See docs/warm-start.md.

Fits before the cutoff start from that night's fits before the cutoff, refits from its refits: a fit that
has seen what is held out tonight must not be judged on it. Whether an earlier fit can be used is looked up in the data,
and every reason against it makes the fit cold, never the night fail.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Literal
from zlib import crc32

from models.base import Config
from models.registry import recommender_class
from tasks.artifacts import EarlierRows, FittedModel, Snapshot, Split, WarmFit
from tasks.preparation.earlier_rows import compare_with_earlier
from tasks.run.context import Night
from tasks.run.warm_plan import WarmSource
from tasks.storage.run_records import Run, WarmPlan
from tasks.training.warm_start import source_of

Side = Literal["judged", "refit"]
_TONIGHT_EFFORT = 2
"""Factor of `warm_share`: a tenth of the data is new to a refit, where a night brings a hundredth."""

log = logging.getLogger(__name__)


def find_warm_source(night: Night, split: Split, snapshot: Snapshot, side: Side) -> WarmSource:
    """Return the earlier fits for the models that are fitted on `snapshot`, or why they are all cold.

    If the earlier night's data were the same, tonight repeats that night's plan: its fits are taken from the store.

    Args:
        night: the night.
        split: the cutoffs of the snapshot.
        snapshot: tonight's matrices.
        side: before the cutoff, or of everything.
    """
    plan = night.record.warm_plan or WarmPlan(None, 0, "the night has no plan")
    while plan.run_id is not None:
        run = night.runs.find(plan.run_id)
        if run is None:
            return WarmSource(plan, f"the record of run {plan.run_id} is gone")
        if run.summary.snapshots.get(side) != snapshot.key:
            return _usable(night, plan, run, split, snapshot, side)
        plan = run.warm_plan or WarmPlan(None, 0, "there is no earlier night to start from")
    return WarmSource(plan, plan.why)


def _usable(
    night: Night, plan: WarmPlan, run: Run, split: Split, snapshot: Snapshot, side: Side
) -> WarmSource:
    """Return the fits of a run on other data than tonight's, or why none of them can be used."""
    key = run.summary.snapshots.get(side, "")
    earlier = night.store.find("utility", key, Snapshot) if key else None
    if run.as_of is None or run.as_of > night.as_of:
        return WarmSource(plan, f"run {run.run_id} has seen data up to {run.as_of}, after tonight's end")
    if earlier is None:
        return WarmSource(plan, f"the matrices of run {run.run_id} are gone or damaged")
    rows, most = _compared(night, split, snapshot, earlier), night.settings.warm_start.max_changed_share
    if rows is None:
        return WarmSource(plan, f"tonight's data could not be compared with those of run {run.run_id}")
    if rows.n_leaked:
        return WarmSource(
            plan, f"run {run.run_id} has seen {rows.n_leaked:,} pairs that are held out tonight"
        )
    if rows.changed_share > most:
        share = f"{rows.changed_share:.1%} of the pairs are new or gone since run {run.run_id}"
        return WarmSource(plan, f"{share}, and warm_start.max_changed_share is {most:.1%}")
    return WarmSource(plan, "", run.summary.fits.get(key, {}), rows)


def _compared(night: Night, split: Split, snapshot: Snapshot, earlier: Snapshot) -> EarlierRows | None:
    """Return how two snapshots match; None, with a warning, if the comparison fails."""
    compared = night.start(compare_with_earlier.call(split, snapshot, earlier))
    if compared.succeeded():
        return compared.result()
    night.failed_stage = ""
    log.warning("Tonight's data could not be compared with earlier ones, so that fits are cold.")
    return None


def with_tonights_fits(night: Night, split: Split, snapshot: Snapshot, source: WarmSource) -> WarmSource:
    """Let refits that would be cold start from tonight's fits before the cutoff, if the settings say so.

    A refit is not judged, so that it may start from any fit. The snapshots are compared only if a refit needs it.

    Args:
        night: the night, its shelf judged.
        split: of everything.
        snapshot: of everything.
        source: the earlier fits of the refits.
    """
    settings, models = night.settings.warm_start, night.settings.models
    judged = night.record.summary.snapshots.get("judged")
    cold = [
        name
        for name in models.shelf
        if name in settings.refit_from_tonight
        and not isinstance(_earlier_fit(night, source, name, models.config(name)), FittedModel)
    ]
    if not settings.enabled or judged is None or not cold:
        return source
    before = night.store.find("utility", judged, Snapshot)
    return source if before is None else replace(source, tonight=_compared(night, split, snapshot, before))


def warm_fit(night: Night, snapshot: Snapshot, name: str) -> WarmFit:
    """Return the fit that a model starts from tonight, or a cold start with the reason.

    Args:
        night: the night.
        snapshot: what the model is fitted on.
        name: of the model.
    """
    source, config = night.warm_sources.get(snapshot.key), night.settings.models.config(name)
    if source is None or not recommender_class(name)(config).warm_parts():
        return WarmFit()
    found = _earlier_fit(night, source, name, config)
    if not isinstance(found, str) and source.rows is not None:
        return WarmFit(found.key, f"warm: from run {source.plan.run_id}", found.folder, source.rows.folder)
    tonights = None if source.tonight is None else _tonights_fit(night, name)
    if source.tonight is None or tonights is None:
        return WarmFit(why=f"cold: {found}")
    why = "warm: from tonight's fit before the cutoff"
    return WarmFit(tonights.key, why, tonights.folder, source.tonight.folder, effort=_TONIGHT_EFFORT)


def _tonights_fit(night: Night, name: str) -> FittedModel | None:
    """Return tonight's fit of a model before the cutoff, if there is one that a refit may start from."""
    if name not in night.settings.warm_start.refit_from_tonight:
        return None
    summary = night.record.summary
    key = summary.fits.get(summary.snapshots["judged"], {}).get(name)
    return night.store.find("fit", key, FittedModel) if key else None


def _earlier_fit(night: Night, source: WarmSource, name: str, config: Config) -> FittedModel | str:
    """Return the earlier fit of a model, or why it cannot be used."""
    every, run_id, key = night.settings.warm_start.cold_every, source.plan.run_id, source.fits.get(name)
    if source.why_cold:
        return source.why_cold
    if is_turn(name, source.plan.night, every):
        return f"its turn, once in {every} nights"
    if key is None:
        return f"run {run_id} has no fit of it"
    night.borrow(f"fit/{key}")
    earlier = night.store.find("fit", key, FittedModel)
    if earlier is None:
        return f"its fit of run {run_id} is gone or damaged"
    other = _difference(earlier, config)
    return f"run {run_id} fitted it with {other}" if other else earlier


def _difference(earlier: FittedModel, config: Config) -> str:
    """Return what of a model has changed since an earlier fit; empty if nothing has."""
    about = json.loads((earlier.folder / "model.json").read_text(encoding="utf-8"))
    if about["config"] != config.model_dump(mode="json"):
        return "other hyperparameters"
    return "" if earlier.source == source_of(earlier.model) else "another version of its code"


def is_turn(model: str, night: int, cold_every: int) -> bool:
    """Return whether a model is fitted cold in a night, counted from the first; models take turns by their names."""
    return (night + crc32(model.encode())) % cold_every == 0
