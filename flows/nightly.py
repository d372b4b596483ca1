"""The DAG of the night. Reads from top to bottom like docs/night.md; what a stage does stands in tasks/."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from prefect import State, Task, flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner

from flows.prefect_runtime import server as prefect_server
from flows.prefect_runtime.interruption import ending_at_once
from models.ensemble.blend import Blend
from tasks.artifacts import Choice, Evaluation, FittedModel, HeldOut, LearnedBlend, Snapshot
from tasks.errors import NightError, TransientError, in_words
from tasks.reporting.run_report import read_report
from tasks.run import stages
from tasks.run.context import Night
from tasks.run.lifecycle import give_up

log = logging.getLogger(__name__)

R = TypeVar("R")
Fillers = tuple[FittedModel, ...]
"""The models that complete the lists of others; popularity is the last."""

_START = "start", None
_nights: dict[int, tuple[Night, Callable[[], None]]] = {}
"""The night that a run of the flow is about, and what to do when it begins: Prefect takes only plain parameters."""


_DELAYS = [1, 5, 20]  # s


def may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether another try may succeed: a file or a database of somebody else's was busy or out of reach.

    Prefect asks only while a try is left, so that it can be announced here.
    """
    error = state.result(raise_on_failure=False)
    passes = isinstance(error, OSError | TransientError)
    if passes:
        log.warning("%s is tried again in %d s: %s", task.name, _DELAYS[run.run_count - 1], in_words(error))
    return passes


# Prefect orchestrates and does not remember: finished stages live in our own store.
once = partial(task, cache_policy=NO_CACHE, persist_result=False)
again = partial(once, retries=len(_DELAYS), retry_delay_seconds=_DELAYS, retry_condition_fn=may_pass)

land = again(stages.land)
clean = once(stages.clean)
split = once(stages.split)
everything = once(stages.everything)
utility = once(stages.utility)
hold_out = once(stages.hold_out)
fit = once(stages.fit, task_run_name="fit-{name}")
learn_blend = once(stages.learn_blend)
refit_blend = once(stages.refit_blend)
evaluate = once(stages.evaluate)
evaluate_strangers = once(stages.evaluate_strangers)
choose = once(stages.choose)
trade_off = once(stages.trade_off)
recommend = once(stages.recommend)
check = once(stages.check)
publish = again(stages.publish)
report = again(stages.report)


def run_flow(night: Night) -> None:
    """Run the whole flow for a night that has begun, in this process."""
    night.watcher.started(*_START)
    begun = time.perf_counter()
    runner = ThreadPoolTaskRunner(max_workers=night.settings.run.parallel_fits)
    with ending_at_once(partial(give_up, night)) as listen:

        def begin() -> None:
            listen()
            night.watcher.finished(*_START, time.perf_counter() - begun, "Prefect's server")

        prefect_server.start()
        _nights[night.run.run_id] = night, begin
        try:
            nightly.with_options(task_runner=runner)(night.home.dataset, night.run.run_id)
        finally:
            del _nights[night.run.run_id]


@flow(persist_result=False)
def nightly(dataset: str, run_id: int) -> None:  # noqa: ARG001
    """Land, clean, split, fit and judge the shelf, refit the champion, recommend, check, publish, report."""
    night, begin = _nights[run_id]
    begin()

    intake = land(night)
    data = clean(night, intake)
    cut = split(night, data)
    before = utility(night, cut)
    held_out = hold_out(night, cut, before)

    fillers = fit_fillers(night, before)
    fitted, judged = judge_shelf(night, before, fillers, held_out)
    blend = blend_shelf(night, before, (*fitted, *fillers), held_out)
    judged += judge_blend(night, blend, before, fillers, held_out)
    judged += judge_popularity(night, before, fillers, held_out)
    strangers = evaluate_strangers(night, fillers[-1], held_out)
    choice = choose(night, judged, strangers, held_out)
    judgeable = (*fitted, blend.fitted) if blend is not None else fitted
    weigh_diversity(night, before, judgeable, fillers, held_out, choice.champion)

    snapshot = utility(night, everything(night, data))
    fillers = fit_fillers(night, snapshot)
    refitted = {filler.model: filler for filler in fillers}
    champion = refit_best(night, snapshot, refitted, choice, blend)
    similar = refit_similar(night, snapshot, refitted, champion)
    lists = recommend(night, snapshot, champion, fillers, (similar, *fillers))
    checks = check(night, data, lists, choice)
    publish(night, data, lists, checks)
    report(night, choice)
    show_in_prefect(night)


def fit_fillers(night: Night, snapshot: Snapshot) -> Fillers:
    """What completes short lists, in this order: content, which knows tastes, and popularity, which knows everybody."""
    popularity = fit(night, snapshot, "popularity")
    content = fit_if_it_can(night, snapshot, "content")
    return (content, popularity) if content is not None else (popularity,)


def judge_shelf(
    night: Night, before: Snapshot, fillers: Fillers, held_out: HeldOut
) -> tuple[tuple[FittedModel, ...], tuple[Evaluation, ...]]:
    """Fit and evaluate every model of the shelf; those that fail are reported, and the others go on."""
    at_hand = {filler.model: filler for filler in fillers}
    futures: dict[str, tuple[FittedModel | PrefectFuture[FittedModel], PrefectFuture[Evaluation]]] = {}
    for name in night.settings.models.shelf:
        model = at_hand.get(name) or fit.submit(night, before, name)
        futures[name] = model, evaluate.submit(night, model, fillers, before, held_out)
    fitted, judged = [], []
    for name, (model, future) in futures.items():
        future.wait()
        if future.state.is_completed():
            fitted.append(model if isinstance(model, FittedModel) else model.result())
            judged.append(future.result())
        else:
            night.go_on_without(name)
    return tuple(fitted), tuple(judged)


def judge_popularity(
    night: Night, before: Snapshot, fillers: Fillers, held_out: HeldOut
) -> tuple[Evaluation, ...]:
    """What the others are compared with, where it is not on the shelf and so no candidate itself."""
    if fillers[-1].model in night.settings.models.shelf:
        return ()
    return (evaluate(night, fillers[-1], fillers, before, held_out),)


def blend_shelf(
    night: Night, before: Snapshot, fitted: tuple[FittedModel, ...], held_out: HeldOut
) -> LearnedBlend | None:
    """A blend of the models that there are, one more candidate; None with fewer than two, or if it fails."""
    at_hand = {model.model: model for model in fitted}
    lost = night.run.failed_models
    wanted = [
        name for name in night.settings.blend.members_of(night.settings.models.shelf) if name not in lost
    ]
    members = [at_hand.get(name) or fit_if_it_can(night, before, name) for name in wanted]
    there = tuple(member for member in members if member is not None)
    return if_it_can(night, learn_blend, there, before, held_out, name=Blend.name) if len(there) > 1 else None


def judge_blend(
    night: Night, blend: LearnedBlend | None, before: Snapshot, fillers: Fillers, held_out: HeldOut
) -> tuple[Evaluation, ...]:
    """The blend's evaluation, if there is one: users who taught it are ranked by weights learned without them."""
    if blend is None or not blend.members:
        return ()
    judged = if_it_can(night, evaluate, blend.fitted, fillers, before, held_out, name=Blend.name)
    return () if judged is None else (judged,)


def weigh_diversity(
    night: Night,
    before: Snapshot,
    fitted: tuple[FittedModel, ...],
    fillers: Fillers,
    held_out: HeldOut,
    name: str,
) -> None:
    """Where lists are diversified or capped: what it costs the champion, fitted on what lies before the split."""
    asked = night.settings.recommend
    if held_out.n_select and (asked.diversity or asked.max_per_genre):
        champion = next(model for model in fitted if model.model == name)
        weighed = trade_off.submit(night, champion, fillers, before, held_out)
        weighed.wait()
        if not weighed.state.is_completed():  # a figure to look at; the champion is none the worse
            night.go_on_without_figure("trade_off", name)


def refit_best(
    night: Night,
    snapshot: Snapshot,
    refitted: dict[str, FittedModel],
    choice: Choice,
    blend: LearnedBlend | None,
) -> FittedModel:
    """The champion fitted on everything; if that fails, the next best. A blend lives and dies with its members."""
    for name in choice.ranking:
        if name in night.run.failed_models:
            continue  # it was tried as a member of the blend
        if blend is not None and name == Blend.name:
            fitted = refit_members(night, snapshot, refitted, blend)
        else:
            fitted = refit(night, snapshot, refitted, name)
        if fitted is not None:
            return fitted
    raise NightError("No judged model could be refitted on everything.", "Yesterday's lists stay live.")


def refit_members(
    night: Night, snapshot: Snapshot, refitted: dict[str, FittedModel], blend: LearnedBlend
) -> FittedModel | None:
    """The blend of members fitted on everything; None as soon as one of them fails: its weights count on all."""
    members = []
    for name in blend.members:
        member = refit(night, snapshot, refitted, name)
        if member is None:
            night.go_on_without(Blend.name, f"its member {name} could not be refitted")
            return None
        members.append(member)
    return if_it_can(night, refit_blend, blend, tuple(members), snapshot, name=Blend.name)


def refit_similar(
    night: Night, snapshot: Snapshot, refitted: dict[str, FittedModel], champion: FittedModel
) -> FittedModel:
    """The model behind similar items, fitted on everything; if it fails, the champion stands in."""
    return refit(night, snapshot, refitted, night.settings.recommend.similar_model) or champion


def refit(
    night: Night, snapshot: Snapshot, refitted: dict[str, FittedModel], name: str
) -> FittedModel | None:
    """A model fitted on everything, once; it joins those that are. None if it fails."""
    if name not in refitted and (fitted := fit_if_it_can(night, snapshot, name)) is not None:
        refitted[name] = fitted
    return refitted.get(name)


def fit_if_it_can(night: Night, snapshot: Snapshot, name: str) -> FittedModel | None:
    """A model that fails is reported, and does not stop the night."""
    return if_it_can(night, fit, snapshot, name, name=name)


def if_it_can(night: Night, task: Task[..., R], *arguments: Any, name: str) -> R | None:
    """What a task makes of the arguments; None if it fails, and then the night goes on without the model `name`."""
    future = task.submit(night, *arguments)
    future.wait()
    if future.state.is_completed():
        return future.result()
    night.go_on_without(name)
    return None


def show_in_prefect(night: Night) -> None:
    """The night's metrics and checks as Prefect artifacts."""
    written = read_report(night.home, night.run.run_id)
    create_table_artifact(table=[asdict(row) for row in written.metrics], key="metrics")
    create_table_artifact(table=written.run.summary["checks"], key="checks")
