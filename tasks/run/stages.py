"""The stages of a night: what each is made from, so that the store can tell whether it is done already.

Each function takes the night and the references of what it builds on, and returns a reference of its own.
`flows/nightly.py` strings them together.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime

from models.ensemble.blend import Blend
from models.registry import recommender_class
from tasks.artifacts import (
    Choice,
    CleanData,
    Evaluation,
    FittedModel,
    HeldOut,
    Intake,
    LearnedBlend,
    Lists,
    Snapshot,
    Split,
    TradeOff,
)
from tasks.errors import NightError
from tasks.evaluation import champion as choosing
from tasks.evaluation import evaluate as judging
from tasks.evaluation import reranking_cost as weighing
from tasks.evaluation.champion import win_streaks
from tasks.ingestion import clean as cleaning
from tasks.ingestion import land as landing
from tasks.preparation import holdout as holding_out
from tasks.preparation import interaction_matrices as building
from tasks.preparation import split as splitting
from tasks.publication import publish as publishing
from tasks.publication.targets.schema import IdTypes
from tasks.recommendation import recommend as recommending
from tasks.recommendation.genre_filter import check_genres
from tasks.reporting import run_report as reporting
from tasks.run.context import Night
from tasks.storage.artifact_store import to_json
from tasks.training import ensemble as blending
from tasks.training import fit as fitting
from tasks.validation import checks as checking
from tasks.validation.checks import CheckResult


def land(night: Night) -> Intake:
    """Take in the files that are new."""
    with night.stage("land") as stage:
        landed_at = night.run.started_at
        intake = landing.land(night.con.cursor(), night.home.input, night.settings.data, landed_at=landed_at)
        files = len(intake.files)
        stage.note = f"{files} file{'' if files == 1 else 's'}, {intake.new_files} new"
    return intake


def clean(night: Night, intake: Intake) -> CleanData:
    """Type, normalise and deduplicate; what cannot be is in quarantine with its reasons."""
    with night.stage("clean") as stage:
        fixed = night.home.id_types()
        data = cleaning.clean(night.con.cursor(), intake, night.settings.data, id_types=fixed)
        if fixed is None:
            night.home.fix_id_types(data.user_id_type, data.item_id_type)
        night.run.as_of = night.as_of or data.until
        night.run.data_until = min(night.run.as_of, data.until)
        night.run.summary["intake"] = [asdict(counts) for counts in data.counts]
        rejected = sum(counts.quarantined for counts in data.counts)
        stage.note = f"{sum(c.clean for c in data.counts):,} clean rows, {rejected:,} quarantined"
    cleaning.require_before(night.con.cursor(), as_of_of(night))
    check_genres(night.con.cursor(), night.settings.recommend)
    return data


def split(night: Night, data: CleanData) -> Split:
    """Decide who is cut when, to judge the models."""
    settings, as_of = night.settings, as_of_of(night)
    cut = night.stored(
        "split",
        Split,
        lambda key, folder: splitting.make_split(
            night.con.cursor(), settings.split, settings.utility, as_of=as_of, key=key, folder=folder
        ),
        made_from=[data.key, settings.split, settings.utility, as_of],
        source=("tasks.preparation.split",),
        note=lambda made: made.why,
    )
    night.run.summary["split"] = cut.kind
    return cut


def everything(night: Night, data: CleanData) -> Split:
    """The cut of the refit: nothing is held out."""
    as_of = as_of_of(night)
    return night.stored(
        "everything",
        Split,
        lambda key, folder: splitting.everything(night.con.cursor(), as_of=as_of, key=key, folder=folder),
        made_from=[data.key, as_of],
        source=("tasks.preparation.split",),
        note=lambda made: f"all before {made.as_of}",
    )


def utility(night: Night, cut: Split) -> Snapshot:
    """The utility matrices of what lies before a cut."""
    return night.stored(
        "utility",
        Snapshot,
        lambda key, folder: building.build_snapshot(
            night.con.cursor(), cut, night.settings.utility, key=key, folder=folder
        ),
        made_from=[cut.key, night.settings.utility],
        source=("tasks.preparation.interaction_matrices",),
        note=lambda s: (
            f"{s.n_users:,} users × {s.n_items - s.n_untouched:,} items, {s.n_seen:,} seen, "
            f"{s.n_positive:,} positive; {s.n_untouched:,} items that nobody touched"
        ),
    )


def hold_out(night: Night, cut: Split, snapshot: Snapshot) -> HeldOut:
    """What the models are judged on."""
    seed = night.settings.run.seed
    return night.stored(
        "held_out",
        HeldOut,
        lambda key, folder: holding_out.hold_out(
            night.con.cursor(), cut, snapshot, night.settings.utility, seed=seed, key=key, folder=folder
        ),
        made_from=[cut.key, snapshot.key, night.settings.utility, seed],
        source=("tasks.preparation.holdout",),
        note=lambda h: (
            f"{h.n_select:,} users to select by, {h.n_report:,} to report on, {h.n_cold:,} without history; "
            f"{h.unknown_item_share:.1%} of the positives are of items too new to know"
        ),
    )


def fit(night: Night, snapshot: Snapshot, name: str) -> FittedModel:
    """Fit one model on one snapshot."""
    config, seed = night.settings.models.config(name), night.settings.run.seed
    return night.stored(
        "fit",
        FittedModel,
        lambda key, folder: fitting.fit(
            snapshot, name, config, seed=seed, progress=night.progress("fit", name), key=key, folder=folder
        ),
        made_from=[snapshot.key, name, config, seed],
        source=("tasks.training.fit", recommender_class(name).__module__),
        model=name,
    )


def learn_blend(
    night: Night, members: tuple[FittedModel, ...], snapshot: Snapshot, held_out: HeldOut
) -> LearnedBlend:
    """A blend of the members, its weights learned on the select half."""
    settings, seed = night.settings.blend, night.settings.run.seed
    metric = night.settings.judge.champion_metric
    return night.stored(
        "fit",
        LearnedBlend,
        lambda key, folder: blending.learn_blend(
            members, snapshot, held_out, settings, metric, seed=seed, key=key, folder=folder
        ),
        made_from=["learn", [m.key for m in members], snapshot.key, held_out.key, settings, metric, seed],
        source=("tasks.training.ensemble",),
        model=Blend.name,
        note=lambda learned: learned.note,
    )


def refit_blend(
    night: Night, judged: LearnedBlend, members: tuple[FittedModel, ...], snapshot: Snapshot
) -> FittedModel:
    """The same blend, of members fitted on everything."""
    seed = night.settings.run.seed
    return night.stored(
        "fit",
        FittedModel,
        lambda key, folder: blending.refit_blend(
            judged, members, snapshot, seed=seed, key=key, folder=folder
        ),
        made_from=["refit", judged.key, [member.key for member in members], snapshot.key, seed],
        source=("tasks.training.ensemble",),
        model=Blend.name,
    )


def evaluate(
    night: Night, fitted: FittedModel, fillers: tuple[FittedModel, ...], snapshot: Snapshot, held_out: HeldOut
) -> Evaluation:
    """Judge one model, per user."""
    judge = night.settings.judge
    return night.stored(
        "evaluate",
        Evaluation,
        lambda key, folder: judging.evaluate(
            fitted,
            fillers,
            snapshot,
            held_out,
            judge,
            progress=night.progress("evaluate", fitted.model),
            key=key,
            folder=folder,
        ),
        made_from=[fitted.key, [filler.key for filler in fillers], held_out.key, judge.k],
        source=("tasks.evaluation.evaluate",),
        model=fitted.model,
    )


def evaluate_strangers(night: Night, popularity: FittedModel, held_out: HeldOut) -> Evaluation:
    """Judge the fallback list on users without history."""
    judge = night.settings.judge
    return night.stored(
        "evaluate",
        Evaluation,
        lambda key, folder: judging.evaluate_strangers(popularity, held_out, judge, key=key, folder=folder),
        made_from=[popularity.key, held_out.key, judge.k, "strangers"],
        source=("tasks.evaluation.evaluate",),
        model="fallback",
    )


def choose(
    night: Night, evaluations: tuple[Evaluation, ...], strangers: Evaluation, held_out: HeldOut
) -> Choice:
    """The champion, of the shelf and the blend. Who failed was not evaluated; with nobody left there are no lists."""
    judge, seed = night.settings.judge, night.settings.run.seed
    names = (*night.settings.models.shelf, Blend.name)
    candidates = [each.model for each in evaluations if each.model in names]
    if not candidates:
        raise NightError(
            f"No model is left: {'; '.join(f'{m}: {why}' for m, why in night.run.failed_models.items())}.",
            f"{night.run.instead} Mend the first of these and run again.",
        )
    judged = [[each.key for each in evaluations], candidates, strangers.key, held_out.key]
    before = win_streaks(night.runs.all(), night.run)
    choice = night.stored(
        "choose",
        Choice,
        lambda key, folder: choosing.choose(
            evaluations, candidates, strangers, held_out, before, judge, seed=seed, key=key, folder=folder
        ),
        made_from=[judged, before, judge, seed],
        source=("tasks.evaluation.champion",),
        note=lambda chosen: chosen.why,
    )
    night.run.champion = choice.champion
    night.run.summary["decision"] = {**to_json(choice.decision), "why": choice.why}
    night.run.summary["learned_nothing"] = [each.model for each in evaluations if not each.learned]
    return choice


def trade_off(
    night: Night,
    champion: FittedModel,
    fillers: tuple[FittedModel, ...],
    snapshot: Snapshot,
    held_out: HeldOut,
) -> None:
    """What diversity and caps cost in accuracy and gain in diversity; only where one of them is on."""
    judge, recommend, seed = night.settings.judge, night.settings.recommend, night.settings.run.seed
    found = night.stored(
        "trade_off",
        TradeOff,
        lambda key, folder: weighing.trade_off(
            champion, fillers, snapshot, held_out, recommend, judge, seed=seed, key=key, folder=folder
        ),
        made_from=[champion.key, [f.key for f in fillers], held_out.key, recommend, judge, seed],
        source=("tasks.evaluation.reranking_cost",),
        model=champion.model,
        note=lambda made: made.in_short,
    )
    night.run.summary["trade_off"] = to_json(found)


def recommend(
    night: Night,
    snapshot: Snapshot,
    champion: FittedModel,
    fillers: tuple[FittedModel, ...],
    similar: tuple[FittedModel, ...],
) -> Lists:
    """Write the lists of everybody."""
    night.run.champion = champion.model  # another than was chosen, if that one could not be refitted
    settings, seed, rules = night.settings.recommend, night.settings.run.seed, night.take_rules()
    night.run.summary["rules"] = [rule.in_words for rule in rules]
    models = [snapshot.key, champion.key, [filler.key for filler in fillers], [each.key for each in similar]]
    return night.stored(
        "recommend",
        Lists,
        lambda key, folder: recommending.recommend(
            night.con.cursor(),
            snapshot,
            champion,
            fillers,
            similar,
            settings,
            rules=rules,
            seed=seed,
            progress=night.progress("recommend", champion.model),
            key=key,
            folder=folder,
        ),
        made_from=[*models, settings, rules, seed],
        source=("tasks.recommendation.recommend",),
        model=champion.model,
        note=lambda made: made.in_short,
    )


def check(
    night: Night, data: CleanData, lists: Lists, choice: Choice | None = None
) -> tuple[CheckResult, ...]:
    """Verify the lists against the clean tables and the live lists, by SQL of its own. Always runs.

    Without a choice nobody was judged, and quality is no matter.
    """
    run, settings = night.run, night.settings
    with night.stage("check") as stage:
        older_on_purpose = night.as_of is not None or night.force
        figures = checking.night_figures(
            checking.CheckedNight(
                data,
                run,
                None if older_on_purpose else night.live(),
                choice,
                night.runs.all(),
                settings.judge.min_users,
            )
        )
        results = tuple(
            checking.check_lists(
                night.con.cursor(),
                lists,
                as_of=as_of_of(night),
                settings=settings.check,
                recommend=settings.recommend,
                figures=figures,
                live=None if night.newer_than_this() else night.target.live_tops(checking.TOP),
                rules=night.rules,
            )
        )
        run.summary["checks"] = [asdict(result) for result in results]
        failed = [result.check for result in results if not result.passed]
        stage.note = f"failed: {', '.join(failed)}" if failed else f"all {len(results)} passed"
    return results


def publish(night: Night, data: CleanData, lists: Lists, checks: tuple[CheckResult, ...]) -> None:
    """Load the lists and switch all readers to them, unless a check failed or newer lists are live. Always runs."""
    run, settings = night.run, night.settings
    with night.stage("publish") as stage:
        night.target.claim(IdTypes(data.user_id_type, data.item_id_type))
        failure = checking.first_failure(checks, run.instead)
        newer = night.newer_than_this()
        if failure is not None:
            night.verdict, night.reason = "check_failed", f"{failure} {failure.hint}".strip()
        elif newer is not None and not night.force:
            night.verdict = "not_switched"
            night.reason = (
                f"The live run {newer.run_id} is of newer data, until {newer.data_until} and not {run.data_until}; "
                "its lists stay. --force switches all the same."
            )
        else:
            published = publishing.publish(
                night.target,
                run.run_id,
                lists,
                expected_live=run.expected_live,
                keep_runs=settings.publish.keep_runs,
                force=night.force,
            )
            night.verdict = "published" if published.switched else "not_switched"
            night.reason, run.rows = published.why, published.rows
            run.switched = published.switched
            run.summary["example_user"] = publishing.first_user(lists)
        stage.note = night.reason


def report(night: Night, choice: Choice) -> None:
    """Write the night's figures and its page beside its record, and into the serving database. Always runs."""
    with night.stage("report"):
        metrics = reporting.write_report(night.runs.folder(night.run.run_id), choice)
        night.target.record_metrics(night.run.run_id, metrics)
        night.target.record_checks(night.run.run_id, night.run.summary["checks"])
        now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        ended = replace(night.run, status=night.verdict, reason=night.reason, finished_at=now)
        reporting.try_to_write_page(night.home, ended)


def as_of_of(night: Night) -> datetime:
    """The night's as_of, known once the data is clean."""
    if night.run.as_of is None:
        raise NightError("as_of is not known before the data is clean.")
    return night.run.as_of
