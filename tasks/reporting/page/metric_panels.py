"""The panels of models' figures: of a night, and of the nights before it.

Panels are made from the figures that there are, so a metric or a slice of another version shows by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from models.evaluation.cold_start import LEAST_USERS, NEW_ITEMS, NEW_USERS, NEW_USERS_BY_SIDE_DATA
from models.evaluation.metrics import METRICS, PAIR_K, PAIR_METRICS, at_k, name_and_k
from models.evaluation.slices import COLD_BELOW, SIMILAR_COLD_ITEMS, SIMILAR_ITEMS
from tasks.evaluation.metric_rows import (
    DifferenceRow,
    MetricRow,
    NightMetrics,
    SegmentDifferenceRow,
    SegmentRow,
    read_metrics,
)
from tasks.reporting.page.axis import Scale, scale
from tasks.reporting.page.formats import readable
from tasks.storage.run_records import Run, Runs

_NIGHTS = 30
_COLD_STARTS = {*NEW_USERS.values(), NEW_USERS_BY_SIDE_DATA, NEW_ITEMS}

_SEGMENTS = {
    "all": "Everybody with a history",
    "cold": "Users without any history",
    "new": "Users with a short history",
    "light": "Light users",
    "medium": "Medium users",
    "heavy": "Heavy users",
    "head": "Popular items only",
    "middle": "Items in between only",
    "tail": "Rare items only",
}

_RELEVANT_ITEMS = {"all": "all items", "head": "popular", "middle": "in between", "tail": "rare"}


@dataclass(frozen=True)
class Figure:
    """A model's value with its interval, if it has one."""

    model: str
    value: float
    low: float | None
    high: float | None
    n_users: int | None


@dataclass(frozen=True)
class Panel:
    """One chart of dots and whiskers: a metric, a slice, or differences."""

    name: str
    meaning: str
    scale: Scale
    rows: tuple[Figure, ...]


@dataclass(frozen=True)
class ChallengePanel:
    """The other models against the incumbent on the select half, which the champion is chosen by.

    Attributes:
        panel: the differences to the incumbent.
        incumbent: the model behind the lists that were live.
        least: what an interval must lie above to win a night.
        n_users: how many users were judged.
        wins_needed: on how many nights in a row a model must win.
        min_users: with fewer users no model wins.
        wins: the models that won tonight, and on how many nights in a row by now.
    """

    panel: Panel
    incumbent: str
    least: float
    n_users: int
    wins_needed: int
    min_users: int
    wins: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class PastNight:
    """One of the last nights, with its figures on the champion metric by model."""

    run_id: int
    started_at: datetime
    status: str
    champion: str | None
    figures: dict[str, Figure]


@dataclass(frozen=True)
class History:
    """The last nights, oldest first, and the models that any of them judged, best first."""

    metric: str
    nights: tuple[PastNight, ...]
    models: tuple[str, ...]
    scale: Scale

    def of(self, model: str) -> list[tuple[int, Figure]]:
        """Return the figures of `model`, each with the number of its night."""
        return [
            (number, night.figures[model])
            for number, night in enumerate(self.nights)
            if model in night.figures
        ]

    def of_champions(self) -> list[tuple[int, Figure]]:
        """Return the figures of each night's own champion, each with the number of its night."""
        crowned = [
            (number, night.figures.get(night.champion or "")) for number, night in enumerate(self.nights)
        ]
        return [(number, figure) for number, figure in crowned if figure is not None]


def metric_title(metric: str, k: int | None) -> str:
    """Return such as 'NDCG@10' for ndcg and 10; a metric without lists has no k."""
    return at_k(METRICS[metric].title if metric in METRICS else readable(metric), k or None)


def champion_metric(run: Run, rows: Sequence[MetricRow]) -> tuple[str, int | None]:
    """Return name and k of the metric that the night chose by; for records without one, the first of `rows`."""
    chosen: str = run.settings.get("judge", {}).get("champion_metric", "")
    if chosen:
        return name_and_k(chosen)
    return (rows[0].metric, rows[0].k) if rows else ("ndcg", 10)


def metric_panels(run: Run, rows: Sequence[MetricRow]) -> tuple[Panel, ...]:
    """Return one panel per metric, of all users with history on the report half; the champion metric first."""
    mine = [row for row in rows if row.half == "report" and row.segment == "all"]
    decisive = champion_metric(run, mine)
    names = dict.fromkeys((row.metric, row.k) for row in mine)
    return tuple(_metric_panel(name, mine) for name in sorted(names, key=lambda name: name != decisive))


def slice_panels(run: Run, rows: Sequence[MetricRow], segments: Sequence[SegmentRow]) -> tuple[Panel, ...]:
    """Return the champion metric in each slice, everybody first for comparison, all on one scale.

    Args:
        run: the record of the night.
        rows: its figures; where none is of a slice there are no panels.
        segments: what the slices hold, for those that are described.
    """
    mine = [row for row in rows if row.half == "report"]
    chosen = _of(mine, champion_metric(run, mine))
    chosen = [row for row in chosen if row.segment not in _COLD_STARTS]
    names = list(dict.fromkeys(row.segment for row in chosen))
    if names == ["all"]:
        return ()
    common = _scale(_figure(row) for row in chosen)
    panels = []
    described = {segment.segment: _extent(segment) for segment in segments}
    for name in sorted(names, key=lambda name: name != "all"):
        found = _best_first([row for row in chosen if row.segment == name])
        users = f"{found[0].n_users:,} users judged" if found[0].n_users else ""
        meaning = " · ".join(filter(None, (described.get(name), users)))
        panels.append(Panel(_SEGMENTS.get(name, readable(name)), meaning, common, _few(run, found)))
    return tuple(panels)


def new_user_panels(run: Run, rows: Sequence[MetricRow]) -> tuple[Panel, ...]:
    """Return the champion metric of every model for new users, by the number of likes given, all on one scale.

    Here and in `new_item_panel`, a panel of fewer than `LEAST_USERS` says how many they are and has no figures.
    """
    found = {given: _cold_start_rows(run, rows, segment) for given, segment in NEW_USERS.items()}
    common = _scale(figure for mine in found.values() if mine for figure in _enough(mine))
    return tuple(
        Panel(f"After {given} like{'' if given == 1 else 's'}", _judged(mine), common, _enough(mine))
        for given, mine in found.items()
        if mine
    )


def new_user_panels_by_side_data(
    run: Run, rows: Sequence[MetricRow], differences: Sequence[SegmentDifferenceRow]
) -> tuple[Panel, ...]:
    """Return the champion metric of the models that know new users before any like, and the difference to popularity.

    Args:
        run: the record of the night.
        rows: its figures; without any of such users there are no panels.
        differences: by side data; too few users have none.
    """
    mine = _cold_start_rows(run, rows, NEW_USERS_BY_SIDE_DATA)
    if not mine:
        return ()
    figures = _enough(mine)
    panels = [Panel("Nothing given", _judged(mine), _scale(figures), figures)]
    gains = [row for row in differences if row.segment == NEW_USERS_BY_SIDE_DATA]
    against = difference_panel(gains, gains[0].baseline) if figures and gains else None
    return (*panels, against) if against is not None else tuple(panels)


def new_item_panel(run: Run, rows: Sequence[MetricRow], segments: Sequence[SegmentRow]) -> Panel | None:
    """Return the champion metric of every model that ranks new items, and of random order where that has one.

    Args:
        run: the record of the night.
        rows: its figures; None is returned if none is of new items.
        segments: hold the number of new items.
    """
    mine = _cold_start_rows(run, rows, NEW_ITEMS)
    if not mine:
        return None
    n_items = next((f"{segment.n:,} items · " for segment in segments if segment.segment == NEW_ITEMS), "")
    figures = _enough(mine)
    return Panel("Items that nobody had met", f"{n_items}{_judged(mine)}", _scale(figures), figures)


def similar_panels(rows: Sequence[MetricRow]) -> tuple[Panel, ...]:
    """Return a panel for each metric of similar items, and one of the hits where only cold items are looked for.

    There are none without such rows. A panel of fewer than `LEAST_USERS` says how many they are and has no figures.
    """
    mine = [row for row in rows if row.half == "report"]
    panels = []
    for metric, segment in (
        *((each, SIMILAR_ITEMS) for each in PAIR_METRICS),
        (PAIR_METRICS[0], SIMILAR_COLD_ITEMS),
    ):
        name = metric.name, PAIR_K if metric.cut_at_k else None
        found = [row for row in _of(mine, name) if row.segment == segment]
        if found:
            cold = segment == SIMILAR_COLD_ITEMS
            title = f"{metric_title(*name)}, rare items only" if cold else metric_title(*name)
            meaning = f"Items that fewer than {COLD_BELOW} users had liked." if cold else metric.meaning
            figures = _enough(found)
            panels.append(Panel(title, f"{meaning} {_judged(found)}.", _scale(figures), figures))
    return tuple(panels)


def similar_difference_panels(rows: Sequence[SegmentDifferenceRow]) -> tuple[Panel, ...]:
    """Return the hits of each model's similar items minus those of the published ones, for all items and rare ones."""
    panels = []
    for segment, which in ((SIMILAR_ITEMS, ""), (SIMILAR_COLD_ITEMS, ", rare items only")):
        mine = [row for row in rows if row.segment == segment and row.n_users >= LEAST_USERS]
        panel = difference_panel(mine, mine[0].baseline) if mine else None
        if panel is not None:
            panels.append(replace(panel, name=f"{panel.name}{which}"))
    return tuple(panels)


def difference_panel(rows: Sequence[DifferenceRow], baseline: str | None) -> Panel | None:
    """Return each model against `baseline`, paired over users, on the report half; None if there is no such row."""
    mine = [row for row in rows if row.half == "report" and row.baseline == baseline]
    if not mine:
        return None
    figures = [Figure(row.model, row.mean, row.low, row.high, row.n_users) for row in mine]
    figures.sort(key=lambda one: -one.value)
    title = metric_title(*name_and_k(mine[0].metric))
    return Panel(f"{title} against {baseline}", "", _scale(figures), tuple(figures))


def counterpart_panels(rows: Sequence[SegmentDifferenceRow]) -> tuple[Panel, ...]:
    """Return a panel for each model with side data: its difference to the same one without, by items, on one scale.

    The figures are named by the items that are relevant. Those of fewer than `LEAST_USERS` are left out.
    """
    mine = [
        row
        for row in rows
        if row.half == "report" and row.segment in _RELEVANT_ITEMS and row.n_users >= LEAST_USERS
    ]
    figures: dict[tuple[str, str, str], list[Figure]] = {}
    for row in mine:
        figure = Figure(_RELEVANT_ITEMS[row.segment], row.mean, row.low, row.high, row.n_users)
        figures.setdefault((row.model, row.baseline, row.metric), []).append(figure)
    common = _scale(figure for found in figures.values() for figure in found)
    return tuple(
        Panel(f"{metric_title(*name_and_k(metric))} of {model} against {baseline}", "", common, tuple(found))
        for (model, baseline, metric), found in figures.items()
    )


def challenge_panel(run: Run) -> ChallengePanel | None:
    """Return how the night's champion was decided; None if it had no incumbent to beat."""
    decision = run.summary.decision
    if decision is None or decision.incumbent is None or decision.least is None or not decision.challenges:
        return None
    rows = decision.challenges
    figures = tuple(Figure(row.model, row.mean, row.low, row.high, None) for row in rows)
    title = metric_title(*name_and_k(decision.metric))
    panel = Panel(f"{title} against {decision.incumbent}", "", _scale(figures), figures)
    return ChallengePanel(
        panel,
        decision.incumbent,
        decision.least,
        decision.n_users,
        decision.wins_needed,
        decision.min_users,
        tuple((row.model, row.wins) for row in rows if row.wins),
    )


def history(runs: Runs, run: Run) -> History | None:
    """Return the last nights up to `run`, as many as fit a chart; None unless at least two of them were judged."""
    decisive = champion_metric(run, _metrics(runs, run).metrics)
    until = [one for one in runs.all() if one.run_id < run.run_id][: _NIGHTS - 1]
    nights = tuple(_past_night(runs, one, decisive) for one in (*reversed(until), run))
    if sum(bool(night.figures) for night in nights) < 2:
        return None
    latest = next(night for night in reversed(nights) if night.figures)
    models = sorted(
        {model for night in nights for model in night.figures},
        key=lambda model: -latest.figures[model].value if model in latest.figures else 0.0,
    )
    everything = [figure for night in nights for figure in night.figures.values()]
    return History(metric_title(*decisive), nights, tuple(models), _scale(everything))


def _metrics(runs: Runs, run: Run) -> NightMetrics:
    return read_metrics(runs.folder(run.run_id))


def _past_night(runs: Runs, run: Run, decisive: tuple[str, int | None]) -> PastNight:
    mine = [row for row in _metrics(runs, run).metrics if row.half == "report" and row.segment == "all"]
    figures = {row.model: _figure(row) for row in _of(mine, decisive)}
    return PastNight(run.run_id, run.started_at, run.status, run.champion, figures)


def _of(rows: Sequence[MetricRow], name: tuple[str, int | None]) -> list[MetricRow]:
    return [row for row in rows if (row.metric, row.k) == name]


def _figure(row: MetricRow) -> Figure:
    return Figure(row.model, row.value, row.ci_low, row.ci_high, row.n_users)


def _best_first(rows: Sequence[MetricRow], *, lower_is_better: bool = False) -> list[Figure]:
    return sorted(map(_figure, rows), key=lambda one: one.value if lower_is_better else -one.value)


def _metric_panel(name: tuple[str, int | None], rows: Sequence[MetricRow]) -> Panel:
    metric = METRICS.get(name[0])
    lower = metric is not None and metric.better == "lower"
    figures = _best_first(_of(rows, name), lower_is_better=lower)
    meaning = "" if metric is None else metric.meaning
    note = f"{meaning} Less is better.".strip() if lower else meaning
    return Panel(metric_title(*name), note, _scale(figures), tuple(figures))


def _cold_start_rows(run: Run, rows: Sequence[MetricRow], segment: str) -> list[MetricRow]:
    """Return the champion metric in a cold-start segment on the report half."""
    mine = [row for row in rows if row.half == "report"]
    return [row for row in _of(mine, champion_metric(run, mine)) if row.segment == segment]


def _judged(rows: Sequence[MetricRow]) -> str:
    """Return the number of users of a cold-start segment in words."""
    n_users = rows[0].n_users
    users = f"{n_users:,} user{'' if n_users == 1 else 's'}"
    return f"{users} judged" if n_users >= LEAST_USERS else f"{users}, too few for figures"


def _enough(rows: Sequence[MetricRow]) -> tuple[Figure, ...]:
    """Return the figures of a cold-start segment, best first; none of too few users."""
    return tuple(_best_first(rows)) if rows[0].n_users >= LEAST_USERS else ()


def _extent(segment: SegmentRow) -> str:
    """Return how large the members of a slice are, such as '10 to 46 items met'."""
    least, greatest = f"{segment.least:,}", f"{segment.greatest:,}"
    extent = least if least == greatest else f"{least} to {greatest}"
    return f"{extent} items met" if segment.of == "users" else f"met by {extent} users"


def _few(run: Run, figures: Sequence[Figure]) -> tuple[Figure, ...]:
    """Return only the champion, popularity and the best model of a slice: more would hide what slices are for."""
    shown = {run.champion, "popularity", figures[0].model}
    return tuple(figure for figure in figures if figure.model in shown or len(figures) <= 3)


def _scale(figures: Iterable[Figure]) -> Scale:
    return scale(value for one in figures for value in (one.value, one.low, one.high))
