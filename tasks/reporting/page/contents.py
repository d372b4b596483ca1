"""Gather what the page of a night shows, from the night's record and the artifacts that are still kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from models.registry import ENSEMBLES
from tasks.artifacts import CheckResult
from tasks.config.settings import RecommendSettings
from tasks.evaluation.metric_rows import read_metrics
from tasks.reporting.list_samples import (
    TOP,
    Id,
    Kept,
    Mover,
    UserList,
    exposure,
    kept_since,
    movers,
    sample_users,
)
from tasks.reporting.model_lists import ModelList, ModelLists, settings_of_lists
from tasks.reporting.page.all_nights import page_before
from tasks.reporting.page.drift import DriftPanel, drift_panel
from tasks.reporting.page.histograms import Attention, Histogram, attention, popularity, value_histogram
from tasks.reporting.page.item_map import item_map
from tasks.reporting.page.metric_panels import (
    ChallengePanel,
    History,
    Panel,
    challenge_panel,
    counterpart_panels,
    difference_panel,
    history,
    metric_panels,
    new_item_panel,
    new_user_panels,
    new_user_panels_by_side_data,
    similar_difference_panels,
    similar_panels,
    slice_panels,
)
from tasks.reporting.page.user_map import UserMap, user_map
from tasks.reporting.page.vector_map import VectorMap, model_of_maps
from tasks.reporting.run_artifacts import RunArtifacts, find_artifacts, find_lists
from tasks.storage.artifact_store import Store
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs
from tasks.validation.checks import CHECKS

_N_USERS = 10
_N_MOVERS = 8
_N_MODELS = 5
"""Models, by rank, whose lists stand beside the published ones of the sample users."""


@dataclass(frozen=True)
class Checked:
    """One check: its meaning, the value, the limit, what to do if it failed, and where the fault is."""

    name: str
    meaning: str
    bound: str
    value: float | None
    limit: float | None
    passed: bool
    advice: str
    detail: str = ""


@dataclass(frozen=True)
class Churn:
    """Changes from the lists of run `since`, which were live when the night began."""

    since: int
    kept: Kept
    movers: tuple[Mover, ...]


@dataclass(frozen=True)
class Page:
    """Everything that the page shows. What a night did not reach is None or empty, and its section is left out."""

    run: Run
    n_users: int | None
    n_items: int | None
    metrics: tuple[Panel, ...]
    slices: tuple[Panel, ...]
    new_users: tuple[Panel, ...]
    new_users_by_side_data: tuple[Panel, ...]
    new_items: Panel | None
    similar: tuple[Panel, ...]
    similar_against: tuple[Panel, ...]
    against: tuple[Panel, ...]
    with_side_data: tuple[Panel, ...]
    challenge: ChallengePanel | None
    history: History | None
    checks: tuple[Checked, ...]
    ratings: Histogram | None
    utilities: Histogram | None
    attention: Attention | None
    churn: Churn | None
    users: tuple[UserList, ...]
    item_map: VectorMap | None
    user_map: UserMap | None
    drift: DriftPanel | None = None
    before: int | None = None
    list_models: tuple[str, ...] = ()
    by_model: Mapping[Id, tuple[ModelList, ...]] = field(default_factory=dict)


def gather(home: Home, run: Run) -> Page:
    """Return what the page of `run` shows. Only files are read, so this works at any time after the night."""
    runs, store = Runs(home.runs), home.artifact_store
    figures = read_metrics(runs.folder(run.run_id))
    artifacts = find_artifacts(store, run)
    snapshot, lists = artifacts.snapshot, artifacts.lists
    mapped = model_of_maps(artifacts)
    baselines = dict.fromkeys(("popularity", run.champion))
    against = (difference_panel(figures.differences, baseline) for baseline in baselines)
    with ThreadPoolExecutor(1, thread_name_prefix="user-map") as worker:  # it takes as long as all else
        users = (
            ()
            if lists is None or artifacts.everything is None
            else sample_users(lists, artifacts.everything, _N_USERS)
        )
        list_models, by_model = _lists_by_models(run, artifacts, users)
        of_users = None if mapped is None else worker.submit(user_map, mapped, seed=run.seed)
        return Page(
            run=run,
            n_users=None if lists is None else lists.n_users,
            n_items=None if snapshot is None else snapshot.n_items,
            metrics=metric_panels(run, figures.metrics),
            slices=slice_panels(run, figures.metrics, figures.segments),
            new_users=new_user_panels(run, figures.metrics),
            new_users_by_side_data=new_user_panels_by_side_data(
                run, figures.metrics, figures.side_data_differences
            ),
            new_items=new_item_panel(run, figures.metrics, figures.segments),
            similar=similar_panels(figures.metrics),
            similar_against=similar_difference_panels(figures.similar_differences),
            against=tuple(panel for panel in against if panel is not None),
            with_side_data=counterpart_panels(figures.side_data_differences),
            challenge=challenge_panel(run),
            history=history(runs, run),
            checks=_checks(run.summary.checks),
            ratings=None if snapshot is None else value_histogram(snapshot.folder, "rating"),
            utilities=None if snapshot is None else value_histogram(snapshot.folder, "composite"),
            attention=_attention(artifacts),
            churn=_churn(runs, store, run, artifacts),
            users=users,
            item_map=None if mapped is None or lists is None else item_map(mapped, lists, seed=run.seed),
            user_map=None if of_users is None else of_users.result(),
            drift=drift_panel(run, runs.all()),
            before=page_before(runs, run),
            list_models=list_models,
            by_model=by_model,
        )


def _lists_by_models(
    run: Run, artifacts: RunArtifacts, users: tuple[UserList, ...]
) -> tuple[tuple[str, ...], dict[Id, tuple[ModelList, ...]]]:
    """Return the best single models, but not the champion, and the lists that they would give the users."""
    found = ModelLists(artifacts, settings_of_lists(run, RecommendSettings()))
    names = tuple(name for name in found.names if name not in ENSEMBLES and name != run.champion)[:_N_MODELS]
    return names, {user.user_id: tuple(found.of(name, user.user_id, TOP) for name in names) for user in users}


def _checks(rows: Iterable[CheckResult]) -> tuple[Checked, ...]:
    """Return the checks of a run, failed ones first. One that this version does not know has only its name."""
    known = {check.name: check for check in CHECKS}
    shown = []
    for row in sorted(rows, key=lambda row: row.passed):
        check = known.get(row.check)
        meaning, bound, advice = (check.meaning, check.bound, check.advice) if check else ("", "", "")
        shown.append(Checked(row.check, meaning, bound, row.value, row.limit, row.passed, advice, row.detail))
    return tuple(shown)


def _attention(artifacts: RunArtifacts) -> Attention | None:
    if artifacts.lists is None or artifacts.everything is None or not artifacts.lists.n_rows:
        return None
    return attention(popularity(artifacts.everything), exposure(artifacts.lists, artifacts.everything))


def _churn(runs: Runs, store: Store, run: Run, artifacts: RunArtifacts) -> Churn | None:
    before = None if run.expected_live is None else runs.find(run.expected_live)
    if before is None or artifacts.lists is None:
        return None
    earlier = find_lists(store, before)
    if earlier is None:
        return None
    return Churn(
        before.run_id, kept_since(artifacts.lists, earlier), movers(artifacts.lists, earlier, _N_MOVERS)
    )
