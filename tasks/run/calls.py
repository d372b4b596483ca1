"""Calls of stages that the DAG makes for many models, and what happens when the model of one fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from tasks.artifacts import Evaluation, FittedModel, HeldOut, Snapshot, WarmFit
from tasks.evaluation.evaluate import evaluate
from tasks.run.context import Night
from tasks.run.warm_starts import warm_fit
from tasks.storage.stage import Call, Promise
from tasks.training.fit import fit

R = TypeVar("R")

Backfill = tuple[FittedModel, ...]
"""The models that complete short lists, in order of precedence; popularity, which knows every user, is the last."""


def fit_call(night: Night, snapshot: Snapshot, name: str) -> Call[FittedModel]:
    """Return the call that fits a model with tonight's hyperparameters, from an earlier fit if there is one."""
    config, seed = night.settings.models.config(name), night.settings.run.seed
    blocks = night.settings.engine.blocks_of(name)
    start = WarmFit(why=f"cold: in {blocks} blocks") if blocks else warm_fit(night, snapshot, name)
    return fit.call(snapshot, name, config, seed=seed, warm_start=start, blocks=blocks)


def evaluate_call(
    night: Night,
    fitted: FittedModel | Promise[FittedModel],
    snapshot: Snapshot,
    backfill: Backfill,
    held_out: HeldOut,
    members: tuple[Evaluation, ...] = (),
) -> Call[Evaluation]:
    """Return the call that evaluates a fitted model at tonight's list lengths; `members` are those of an ensemble."""
    k, kept = night.settings.judge.k, night.settings.candidates_of(str(fitted.model))
    return evaluate.call(fitted, backfill, snapshot, held_out, k, candidates=kept, members=members)


def or_go_on_without(night: Night, call: Call[R], model: str) -> R | None:
    """Run a stage of a model and return its result. If it fails, record that the model is left out; return None."""
    return result_or_go_on_without(night, night.start(call), model)


def result_or_go_on_without(night: Night, promise: Promise[R], model: str) -> R | None:
    """Return the result of a stage that was started. If it fails, record that the model is left out; return None."""
    if promise.succeeded():
        return promise.result()
    night.go_on_without(model)
    return None


def evaluations_of(members: Sequence[str], judged: tuple[Evaluation, ...]) -> tuple[Evaluation, ...]:
    """Return the members' evaluations, in their order; none if one of them was not judged."""
    at_hand = {each.model: each for each in judged}
    return tuple(at_hand[name] for name in members) if at_hand.keys() >= {*members} else ()
