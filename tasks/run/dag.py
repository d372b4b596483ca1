"""The DAG of the night: the order of its stages, and what happens when a model fails.

It reads from top to bottom like docs/night.md. Each stage is declared where its work is done, by `@stage`. Runs in this
process (`in_process.py`), or through Prefect (`flows/nightly.py`).

The functions share these arguments: `night`, the context; `before`, the matrices before the cutoffs; `held_out`, the
interactions after them; `backfill`, the fitted models that complete short lists; `fitted`, models fitted on `before`;
`judged`, evaluations, of which ensembles read the lists of their members; `ensembles`, those that could be learned;
`refits`, the models fitted on everything.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from models.registry import ENSEMBLES
from tasks.artifacts import (
    Choice,
    CleanData,
    Evaluation,
    FittedModel,
    HeldOut,
    LearnedEnsemble,
    Lists,
    Snapshot,
    Split,
)
from tasks.errors import NightError
from tasks.evaluation.champion import choose
from tasks.evaluation.evaluate import evaluate_fallback
from tasks.evaluation.incumbent import win_streaks
from tasks.evaluation.reranking_cost import trade_off
from tasks.evaluation.side_data import judged_counterparts
from tasks.ingestion.clean import clean, require_before
from tasks.ingestion.input_warnings import warn_of_input
from tasks.ingestion.land import land
from tasks.preparation.holdout import hold_out
from tasks.preparation.interaction_matrices import build_snapshot
from tasks.preparation.split import everything, make_split
from tasks.publication.publish import publish_or_hold_back
from tasks.recommendation.genre_filter import check_genres
from tasks.recommendation.recommend import recommend
from tasks.reporting.run_report import report
from tasks.run.calls import (
    Backfill,
    evaluate_call,
    evaluations_of,
    fit_call,
    or_go_on_without,
    result_or_go_on_without,
)
from tasks.run.context import Night
from tasks.run.drift import watch_drift
from tasks.run.outcomes import judge_earlier_lists
from tasks.run.warm_starts import Side, find_warm_source, with_tonights_fits
from tasks.storage.stage import Promise
from tasks.training.ensemble import learn_ensemble, refit_ensemble
from tasks.validation.checks import check, first_failure
from tasks.validation.earlier_seen import read_seen
from tasks.validation.night_figures import CheckedNight

log = logging.getLogger(__name__)


def nightly(night: Night) -> None:
    """Run all stages of a night: judge the shelf, choose the champion, refit it on everything, publish its lists."""
    data = take_in(night)
    judge_earlier_lists(night)
    before, held_out = cut(night)

    backfill = fit_backfill(night, before)
    fitted, judged = judge_shelf(night, before, backfill, held_out)
    others = judge_backfill(night, before, backfill, held_out)
    singles = (*judged, *others)
    ensembles = learn_ensembles(night, before, (*fitted, *backfill), singles, held_out)
    judged += judge_ensembles(night, ensembles, singles, before, backfill, held_out) + others
    choice = choose_champion(night, judged, backfill, held_out)
    judgeable = (*fitted, *(each.fitted for each in ensembles))
    judge_reranking(night, before, judgeable, backfill, held_out, choice.champion)

    refits = Refits(night)
    watch_drift(night, refits.snapshot)
    champion = refit_best(refits, choice, ensembles)
    lists = recommend_best(refits, champion, refit_challenger(refits, champion, ensembles))
    publish(night, data, lists, choice)
    night.run(report.call(night.home, night.record, choice, night.verdict, night.reason))


# -- before any model ---------------------------------------------------------------------------------


def take_in(night: Night) -> CleanData:
    """Land and clean the input files; refuse an `as_of` before all data, genres that do not exist, and no positives."""
    settings = night.settings
    began, forgotten = night.record.started_at, night.home.forgotten
    intake = night.run(land.call(night.home.input, settings.data, landed_at=began, forgotten=forgotten))
    night.note(deliveries=intake.deliveries)
    data = night.run(clean.call(intake, settings.data, id_types=night.home.id_types()))
    night.take_in(data)
    require_before(night.con.cursor(), night.as_of)
    warn_of_input(night.con.cursor(), settings)
    check_genres(night.con.cursor(), settings.recommend)
    return data


def cut(night: Night) -> tuple[Snapshot, HeldOut]:
    """Split by time; return the training matrices and the held-out interactions that models are judged on."""
    settings, seed = night.settings, night.settings.run.seed
    delivered = {count.source for count in night.record.summary.intake}
    without_times = tuple(source for source in settings.data.without_times if source in delivered)
    split = night.run(
        make_split.call(
            settings.split, settings.utility, as_of=night.as_of, seed=seed, without_times=without_times
        )
    )
    night.note(split=split.kind, split_why=split.why)
    before = night.run(build_snapshot.call(split, settings.utility))
    prepare_warm_starts(night, split, before, "judged")
    held_out = night.run(
        hold_out.call(split, before, settings.utility, seed=seed, max_users=settings.judge.max_users)
    )
    if held_out.n_not_drawn:
        drawn = f"{held_out.n_select + held_out.n_report:,} users, drawn by their ids, are judged"
        night.note(split_why=f"{split.why}; {drawn}")
    return before, held_out


def prepare_warm_starts(night: Night, split: Split, snapshot: Snapshot, side: Side) -> None:
    """Find the earlier fits that models fitted on `snapshot` start from, and record the snapshot for later nights."""
    night.note(snapshots=night.record.summary.snapshots | {side: snapshot.key})
    source = find_warm_source(night, split, snapshot, side)
    if side == "refit":
        source = with_tonights_fits(night, split, snapshot, source)
    night.warm_sources[snapshot.key] = source


# -- fit and judge ------------------------------------------------------------------------------------


def fit_backfill(night: Night, snapshot: Snapshot) -> Backfill:
    """Fit the models that complete short lists. Without popularity there is no night; without content there is."""
    *others, last = night.settings.recommend.backfill_models
    popularity = night.run(fit_call(night, snapshot, last))
    fitted = [or_go_on_without(night, fit_call(night, snapshot, name), name) for name in others]
    return (*(each for each in fitted if each is not None), popularity)


def judge_shelf(
    night: Night, before: Snapshot, backfill: Backfill, held_out: HeldOut
) -> tuple[tuple[FittedModel, ...], tuple[Evaluation, ...]]:
    """Fit and evaluate every model of the shelf. A model that fails is recorded, and the others go on."""
    at_hand = {each.model: each for each in backfill}
    started: dict[str, tuple[FittedModel | Promise[FittedModel], Promise[Evaluation]]] = {}
    for name in night.settings.models.shelf:
        model = at_hand.get(name) or night.start(fit_call(night, before, name))
        started[name] = model, night.start(evaluate_call(night, model, before, backfill, held_out))
    fitted, judged = [], []
    for name, (model, evaluation) in started.items():
        if evaluation.succeeded():
            fitted.append(model if isinstance(model, FittedModel) else model.result())
            judged.append(evaluation.result())
        else:
            night.go_on_without(name)
    return tuple(fitted), tuple(judged)


def learn_ensembles(
    night: Night,
    before: Snapshot,
    fitted: tuple[FittedModel, ...],
    judged: tuple[Evaluation, ...],
    held_out: HeldOut,
) -> tuple[LearnedEnsemble, ...]:
    """Learn every ensemble that has enough models that could be fitted, and users to learn from."""
    at_hand = {each.model: each for each in fitted}
    found = (learn_one(night, name, before, at_hand, judged, held_out) for name in night.settings.ensembles)
    return tuple(each for each in found if each is not None and each.members)


def learn_one(
    night: Night,
    ensemble: str,
    before: Snapshot,
    at_hand: dict[str, FittedModel],
    judged: tuple[Evaluation, ...],
    held_out: HeldOut,
) -> LearnedEnsemble | None:
    """Learn an ensemble of the models that could be fitted; None with too few of them, or if it fails.

    Args:
        night, before, judged, held_out: as everywhere here.
        ensemble: its name.
        at_hand: the models that are fitted on `before`; others are fitted now.
    """
    settings = night.settings
    options = settings.ensembles[ensemble]
    members = [
        at_hand.get(name) or or_go_on_without(night, fit_call(night, before, name), name)
        for name in options.members_of(settings.models.shelf)
        if name not in night.record.failed_models
    ]
    there = tuple(member for member in members if member is not None)
    if len(there) < options.least_members:
        return None
    metric, seed = settings.judge.champion_metric, settings.run.seed
    call = learn_ensemble.call(
        ensemble, there, before, held_out, options, metric,
        judged=evaluations_of([each.model for each in there], judged), seed=seed,
    )  # fmt: skip
    return or_go_on_without(night, call, ensemble)


def judge_ensembles(
    night: Night,
    ensembles: tuple[LearnedEnsemble, ...],
    judged: tuple[Evaluation, ...],
    before: Snapshot,
    backfill: Backfill,
    held_out: HeldOut,
) -> tuple[Evaluation, ...]:
    """Evaluate the ensembles. Users they were learned from are ranked by their out-of-fold weights."""
    found = []
    for each in ensembles:
        members = evaluations_of(each.members, judged)
        call = evaluate_call(night, each.fitted, before, backfill, held_out, members)
        found.append(or_go_on_without(night, call, each.model))
    return tuple(each for each in found if each is not None)


def judge_backfill(
    night: Night, before: Snapshot, backfill: Backfill, held_out: HeldOut
) -> tuple[Evaluation, ...]:
    """Evaluate the backfill models that are not on the shelf, to compare the others with; they are no candidates."""
    calls = {
        each.model: evaluate_call(night, each, before, backfill, held_out)
        for each in backfill
        if each.model not in night.settings.models.shelf
    }
    popularity = calls.pop(backfill[-1].model, None)
    judged = [or_go_on_without(night, call, name) for name, call in calls.items()]
    if popularity is not None:
        judged.append(night.run(popularity))
    return tuple(each for each in judged if each is not None)


def choose_champion(
    night: Night, judged: tuple[Evaluation, ...], backfill: Backfill, held_out: HeldOut
) -> Choice:
    """Evaluate the fallback list on cold users, and choose the champion from the shelf and the ensembles.

    Raises:
        NightError: every model of the shelf has failed.
    """
    settings = night.settings
    cold = night.run(evaluate_fallback.call(backfill[-1], held_out, settings.judge.k))
    names = (*settings.models.shelf, *settings.ensembles)
    candidates = [each.model for each in judged if each.model in names]
    if not candidates:
        failed = "; ".join(f"{model}: {why}" for model, why in night.record.failed_models.items())
        raise NightError(
            f"No model is left: {failed}.",
            f"{night.record.still_live} Mend the first of these and run again.",
        )
    streaks = win_streaks(night.runs.all(), night.record)
    choice = night.run(
        choose.call(
            judged,
            candidates,
            cold,
            held_out,
            streaks,
            settings.judge,
            similar_model=settings.recommend.similar_model,
            counterparts=judged_counterparts([each.model for each in judged]),
            seed=settings.run.seed,
        )
    )
    night.record.champion = choice.champion
    night.note(
        decision=choice.decision,
        learned_nothing=tuple(each.model for each in judged if not each.learned),
    )
    return choice


def judge_reranking(
    night: Night,
    before: Snapshot,
    fitted: tuple[FittedModel, ...],
    backfill: Backfill,
    held_out: HeldOut,
    champion: str,
) -> None:
    """Measure what diversity and genre caps cost the champion, where one of them is on.

    If this fails, only its figures are missing: the night goes on with the champion.
    """
    settings = night.settings
    if not held_out.n_select or not (settings.recommend.diversity or settings.recommend.max_per_genre):
        return
    model = next(each for each in fitted if each.model == champion)
    cost = night.start(
        trade_off.call(
            model, backfill, before, held_out, settings.recommend, settings.judge, seed=settings.run.seed
        )
    )
    if cost.succeeded():
        night.note(trade_off=cost.result())
        return
    why = night.take_error(champion)
    night.note(trade_off_failed=why)
    log.warning("The stage %s failed, and the night goes on without its figures: %s", trade_off.name, why)


# -- refit on everything ------------------------------------------------------------------------------


class Refits:
    """Models fitted on everything, each fitted once, when it is first asked for.

    Attributes:
        night: the night.
        snapshot: the matrices of everything before `as_of`.
        backfill: the backfill models, fitted on it.
    """

    def __init__(self, night: Night) -> None:
        self.night = night
        split = night.run(everything.call(as_of=night.as_of))
        self.snapshot = night.run(build_snapshot.call(split, night.settings.utility))
        prepare_warm_starts(night, split, self.snapshot, "refit")
        self.backfill = fit_backfill(night, self.snapshot)
        self._fitted: dict[str, FittedModel | None] = {each.model: each for each in self.backfill}
        self._started: dict[str, Promise[FittedModel]] = {}

    def start(self, names: Iterable[str]) -> None:
        """Start the fits of models that will be asked for, so that they may run beside each other."""
        for name in names:
            if name not in self._fitted and name not in self._started:
                self._started[name] = self.night.start(fit_call(self.night, self.snapshot, name))

    def get(self, name: str) -> FittedModel | None:
        """Return a model fitted on everything; None if that fails."""
        if name not in self._fitted:
            self.start([name])
            self._fitted[name] = result_or_go_on_without(self.night, self._started.pop(name), name)
        return self._fitted[name]

    def get_any(self, name: str, ensembles: tuple[LearnedEnsemble, ...]) -> FittedModel | None:
        """Return a model, or one of the ensembles that were learned, fitted on everything; None if that fails."""
        learned = {each.model: each for each in ensembles}
        if name in ENSEMBLES and name not in learned:
            return None
        return self.get_ensemble(learned[name]) if name in learned else self.get(name)

    def get_ensemble(self, ensemble: LearnedEnsemble) -> FittedModel | None:
        """Return an ensemble of models fitted on everything; None if one of them fails: its weights need all."""
        night, members = self.night, []
        self.start(ensemble.members)
        for name in ensemble.members:
            member = self.get(name)
            if member is None:
                night.go_on_without(ensemble.model, f"its member {name} could not be refitted")
                return None
            members.append(member)
        seed = night.settings.run.seed
        call = refit_ensemble.call(ensemble, tuple(members), self.snapshot, seed=seed)
        return or_go_on_without(night, call, ensemble.model)


def refit_challenger(
    refits: Refits, champion: FittedModel, ensembles: tuple[LearnedEnsemble, ...]
) -> FittedModel | None:
    """Return the trial's model fitted on everything; None without a trial, or if that fails: all get the champion's."""
    night = refits.night
    trial = night.settings.publish.trial
    if trial is None:
        return None
    found = champion if trial.model == champion.model else refits.get_any(trial.model, ensembles)
    if found is None:
        why = night.record.failed_models.get(trial.model, "it could not be learned tonight")
        night.note(trial_failed=f"{trial.model}: {why}")
        log.warning(
            "There is no trial tonight: everybody gets the lists of %s, because %s could not be fitted: %s",
            champion.model, trial.model, why,
        )  # fmt: skip
    elif found is champion:
        log.warning("The trial's model %s is tonight's champion: both arms get the same lists.", trial.model)
    return found


def refit_best(refits: Refits, choice: Choice, ensembles: tuple[LearnedEnsemble, ...]) -> FittedModel:
    """Return the champion fitted on everything or, if that fails, the next best model.

    Raises:
        NightError: no judged model can be refitted.
    """
    for name in choice.ranking:
        if name in refits.night.record.failed_models:
            continue  # it has failed as a member of an ensemble
        fitted = refits.get_any(name, ensembles)
        if fitted is not None:
            return fitted
    raise NightError("No judged model could be refitted on everything.", "Yesterday's lists stay live.")


# -- lists --------------------------------------------------------------------------------------------


def recommend_best(refits: Refits, champion: FittedModel, challenger: FittedModel | None = None) -> Lists:
    """Write everybody's lists by the champion, and similar items by their own model, or by the champion if that fails.

    If the model for new items fails, they are ranked as without `recommend.new_item_model`.

    Args:
        refits: the models fitted on everything.
        champion: one of them; not the chosen champion if that could not be refitted.
        challenger: makes the lists of the users in a trial; None without one.
    """
    night = refits.night
    settings, seed = night.settings.recommend, night.settings.run.seed
    night.record.champion = champion.model
    similar = refits.get(settings.similar_model) or champion
    new_items = None
    if settings.new_item_share and settings.new_item_model:
        new_items = refits.get(settings.new_item_model)
    call = recommend.call(
        refits.snapshot,
        champion,
        refits.backfill,
        (similar, *refits.backfill),
        settings,
        new_items=new_items,
        challenger=challenger,
        arms=None if challenger is None else night.take_arms(),
        rules=night.take_rules(),
        seed=seed,
    )
    return night.run(call)


def publish(night: Night, data: CleanData, lists: Lists, choice: Choice | None) -> None:
    """Check the lists, and publish them or hold them back. Without a choice, quality is not checked."""
    settings, record = night.settings, night.record
    on_purpose = night.requested_as_of is not None or night.force

    def records() -> CheckedNight:
        before = night.live()
        live = None if on_purpose else before
        return CheckedNight(
            data, record, live, choice, night.runs.all(), settings.judge.min_users, before=before
        )

    results = night.run(
        check.call(
            lists,
            records,
            as_of=night.as_of,
            settings=settings.check,
            recommend=settings.recommend,
            compare_lists=lambda: night.live_if_newer() is None,
            seen_before=lambda: read_seen(night.store, night.live()),
            rules=night.rules,
        )
    )
    night.note(checks=results)
    night.verdict, night.reason = night.run(
        publish_or_hold_back.call(
            lists,
            data,
            record,
            failure=first_failure(results, record.still_live),
            newer=night.live_if_newer,
            keep_runs=settings.publish.keep_runs,
            force=night.force,
        )
    )
