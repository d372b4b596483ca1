"""What the page of a night shows, gathered from its record and from the artifacts that are still kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.artifacts import CheckResult
from tasks.reporting.list_samples import Kept, Mover, UserList, exposure, kept_since, movers, sample_users
from tasks.reporting.page import metric_panels as figures
from tasks.reporting.page.histograms import Attention, Histogram, attention, popularity, value_histogram
from tasks.reporting.page.item_map import ItemMap, item_map
from tasks.reporting.page.metric_panels import Challenge, History, Panel
from tasks.reporting.run_artifacts import Made, find_lists, find_made
from tasks.storage.artifact_store import Store
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs
from tasks.validation.checks import CHECKS

_N_USERS = 10
_N_MOVERS = 8


@dataclass(frozen=True)
class Checked:
    """One check: what it means, what was seen, what was asked for."""

    name: str
    meaning: str
    bound: str
    value: float | None
    limit: float | None
    passed: bool
    advice: str


@dataclass(frozen=True)
class Churn:
    """What changed since the lists that were live when the night began."""

    since: int
    kept: Kept
    movers: tuple[Mover, ...]


@dataclass(frozen=True)
class Page:
    """Everything that the page shows. What a night did not come to is None or empty, and its section left out."""

    run: Run
    n_users: int | None
    n_items: int | None
    metrics: tuple[Panel, ...]
    slices: tuple[Panel, ...]
    against: tuple[Panel, ...]
    challenge: Challenge | None
    history: History | None
    checks: tuple[Checked, ...]
    ratings: Histogram | None
    utilities: Histogram | None
    attention: Attention | None
    churn: Churn | None
    users: tuple[UserList, ...]
    map: ItemMap | None


def gather(home: Home, run: Run) -> Page:
    """What the page of `run` shows. Nothing but files is read, so that it can be done at any time after the night."""
    runs, store = Runs(home.runs), Store(home.artifacts)
    found = figures.read_figures(runs.folder(run.run_id))
    metrics, differences = found["metrics"], found["differences"]
    made = find_made(store, run)
    snapshot, lists = made.snapshot, made.lists
    baselines = dict.fromkeys(("popularity", run.champion))
    against = (figures.difference_panel(differences, baseline) for baseline in baselines)
    return Page(
        run=run,
        n_users=None if lists is None else lists.n_users,
        n_items=None if snapshot is None else snapshot.n_items,
        metrics=figures.metric_panels(run, metrics),
        slices=figures.slice_panels(run, metrics, found.get("segments", [])),
        against=tuple(panel for panel in against if panel is not None),
        challenge=figures.challenge(run),
        history=figures.history(runs, run),
        checks=_checks(run.summary.checks),
        ratings=None if snapshot is None else value_histogram(snapshot.folder, "rating"),
        utilities=None if snapshot is None else value_histogram(snapshot.folder, "composite"),
        attention=_attention(made),
        churn=_churn(runs, store, run, made),
        users=()
        if lists is None or made.everything is None
        else sample_users(lists, made.everything, _N_USERS),
        map=item_map(made, seed=run.seed),
    )


def _checks(rows: Iterable[CheckResult]) -> tuple[Checked, ...]:
    """The failed ones first. A check that this version does not know keeps its name."""
    known = {check.name: check for check in CHECKS}
    shown = []
    for row in sorted(rows, key=lambda row: row.passed):
        check = known.get(row.check)
        meaning, bound, advice = (check.meaning, check.bound, check.advice) if check else ("", "", "")
        shown.append(Checked(row.check, meaning, bound, row.value, row.limit, row.passed, advice))
    return tuple(shown)


def _attention(made: Made) -> Attention | None:
    if made.lists is None or made.everything is None or not made.lists.n_rows:
        return None
    return attention(popularity(made.everything), exposure(made.lists, made.everything))


def _churn(runs: Runs, store: Store, run: Run, made: Made) -> Churn | None:
    before = None if run.expected_live is None else runs.find(run.expected_live)
    if before is None or made.lists is None:
        return None
    earlier = find_lists(store, before)
    if earlier is None:
        return None
    return Churn(before.run_id, kept_since(made.lists, earlier), movers(made.lists, earlier, _N_MOVERS))
