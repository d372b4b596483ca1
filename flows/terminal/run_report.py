"""A night's figures as tables for the terminal, and the verdict on the night."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.terminal.intake import show_intake
from models.evaluation.cold_start import (
    LEAST_USERS,
    NEW_ITEMS,
    NEW_USERS,
    NEW_USERS_BY_SIDE_DATA,
    RANDOM_ORDER,
)
from models.evaluation.metrics import METRICS, PAIR_K, PAIR_METRICS
from models.evaluation.slices import COLD_BELOW, ITEM_CLASSES, SIMILAR_COLD_ITEMS, SIMILAR_ITEMS
from models.registry import ENSEMBLES
from tasks.evaluation.metric_rows import DifferenceRow, MetricRow
from tasks.monitoring.drift_figures import warning
from tasks.reporting.run_report import Report
from tasks.storage.run_records import ENDINGS, Run

_SHOWN = ("ndcg", "recall", "hit_rate", "mrr", "map")  # as many as fit the window, in this order
_OF_NEW_ITEMS = ("ndcg", "recall")
_FIXED_WIDTH, _METRIC_WIDTH = 24, 20  # characters: of model and users, of each metric
_MODEL_WIDTH, _BEYOND_WIDTH = 14, 10  # characters
_WITH_DIFFERENCES = 104  # characters that the table of similar items takes with its last column
_INTERVALS_BESIDE = 126  # characters that the table of side data takes with intervals beside the differences

_BEYOND = [metric for metric in METRICS.values() if metric.column]


def show_report(
    console: Console, report: Report, *, place: str, live: int | None, page: Path | None = None
) -> None:
    """Print a night's figures table by table, the verdict last.

    Args:
        console: where to print.
        report: the night.
        place: the serving database: a path, or an address without password.
        live: the run whose lists readers see now; None if there are none.
        page: the path of the night's page, which need not exist.
    """
    show_intake(console, report)
    if report.metrics:
        show_metrics(console, report)
        show_differences(console, report)
        show_side_data(console, report)
        show_new_users(console, report)
        show_new_users_by_side_data(console, report)
        show_new_items(console, report)
        show_similar_items(console, report)
        show_beyond_accuracy(console, report)
        show_trade_off(console, report)
    show_verdict(console, report, place=place, live=live, page=page)


def show_metrics(console: Console, report: Report) -> None:
    """Print models × metrics with their intervals on the report half, and the protocol of the evaluation."""
    k = _smallest_k(report)
    mine = [
        row
        for row in report.metrics
        if row.half == "report" and row.k == k and row.segment in ("all", "cold")
    ]
    if not mine:
        console.print("\nNo user fell into the report half, so there are no figures of the models to show.")
        return
    table = Table(title=f"Models on the report half (at {k})", title_justify="left", box=None, pad_edge=False)
    table.add_column("model")
    table.add_column("users", justify="right")
    shown = _SHOWN[: max(1, (console.width - _FIXED_WIDTH) // _METRIC_WIDTH)]
    for metric in shown:
        table.add_column(f"{metric}@{k}", justify="right")
    ranked = sorted(
        {row.model: row for row in mine if row.metric == _SHOWN[0]}.values(),
        key=lambda row: (row.segment == "cold", -row.value),
    )
    for first in ranked:
        cells = [_cell(report, first.model, metric, k, first.segment) for metric in shown]
        crowned = first.model == report.run.champion
        name = f"{first.model} [dim](cold)[/]" if first.segment == "cold" else first.model
        table.add_row(name, f"{first.n_users:,}", *cells, style="bold" if crowned else "")
    console.print()
    console.print(table)
    if empty := report.run.learned_nothing:
        console.print(f"[yellow]{escape(empty)}[/]", soft_wrap=True)
    split = report.run.summary.split_why
    chosen = report.run.settings.get("recommend", {}).get("backfill", "content")  # absent in earlier runs
    before = "" if chosen == "content" else f"{escape(chosen)}, "
    console.print(
        f"[dim]Protocol: {escape(split)}. All items of the training part are ranked, except those that the user has "
        f"seen; short lists are backfilled by {before}content and popularity, as published. Intervals: bootstrap over "
        f"users, {report.run.settings['judge']['confidence']:.0%}. "
        "Cold: users without history, judged on the fallback list.[/]",
        soft_wrap=True,
    )


def show_differences(console: Console, report: Report) -> None:
    """Print the difference of each model to popularity, paired over users."""
    rows = [r for r in report.differences if r.half == "report" and r.baseline == "popularity"]
    if not rows:
        return
    table = Table(
        title=f"Against popularity, paired over users ({rows[0].metric})",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("model")
    table.add_column("difference", justify="right")
    table.add_column("detectable", justify="right")
    for row in sorted(rows, key=lambda row: -row.mean):
        interval = f"{row.mean:+.4f} [dim]\\[{row.low:+.4f}, {row.high:+.4f}][/]"
        table.add_row(row.model, interval, f"{row.detectable:.4f}")
    console.print()
    console.print(table)


def show_side_data(console: Console, report: Report) -> None:
    """Print the difference of each model with side data to the same one without, for all items and by class of items.

    Differences on fewer than `LEAST_USERS` users are left out.
    """
    segments = ("all", *ITEM_CLASSES)
    rows = [
        row
        for row in report.side_data_differences
        if row.half == "report" and row.segment in segments and row.n_users >= LEAST_USERS
    ]
    found = {(row.model, row.baseline, row.segment): row for row in rows}
    pairs = dict.fromkeys((row.model, row.baseline) for row in rows)
    if not pairs:
        return
    table = Table(box=None, pad_edge=False)
    for column in ("model", "without"):
        table.add_column(column)
    for segment in segments:
        table.add_column(segment, justify="right")
    wide = console.width >= _INTERVALS_BESIDE
    for pair in pairs:
        gains = (found.get((*pair, segment)) for segment in segments)
        table.add_row(*pair, *("" if gain is None else _gain_cell(gain, wide=wide) for gain in gains))
    title = f"With and without side data, paired over users ({rows[0].metric})"
    console.print(f"\n[italic]{title}[/]", soft_wrap=True)
    console.print(table)
    console.print(
        "[dim]Side data are links between users and facts about items. head, middle, tail: only the most popular, the "
        "other, the least popular items are relevant.[/]",
        soft_wrap=True,
    )


def show_new_users(console: Console, report: Report) -> None:
    """Print how good each model's lists are for new users, by how many of their likes it is given."""
    k = _smallest_k(report)
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    shown, few = [], []
    for given, segment in NEW_USERS.items():
        n_users = _users_of(report, segment, k)
        likes = f"{given} like{'' if given == 1 else 's'}"
        if n_users >= LEAST_USERS:
            shown.append(segment)
            table.add_column(f"{likes}, {n_users:,} users", justify="right")
        elif n_users:
            few.append(f"{n_users} after {likes}")
    if shown or few:
        console.print()
    if shown:
        for model in _best_first(report, shown[0], k):
            crowned = "bold" if model == report.run.champion else ""
            cells = [_cell(report, model, "ndcg", k, segment) for segment in shown]
            table.add_row(model, *cells, style=crowned)
        title = f"New users, by the number of likes that the model is given (ndcg@{k})"
        console.print(f"[italic]{title}[/]", soft_wrap=True)
        console.print(table)
        console.print(
            "[dim]Users without history: the first items that they came to like are given to the model, the others are "
            "looked for. popularity is what they get until the next night.[/]",
            soft_wrap=True,
        )
    if few:
        console.print(f"[dim]Too few new users for figures: {', '.join(few)}.[/]", soft_wrap=True)


def show_new_users_by_side_data(console: Console, report: Report) -> None:
    """Print how good the lists of new users are before any like, by the models that know them, beside popularity."""
    k = _smallest_k(report)
    n_users = _users_of(report, NEW_USERS_BY_SIDE_DATA, k)
    if not n_users:
        return
    users = f"{n_users:,} user{'' if n_users == 1 else 's'} known by links or features"
    if n_users < LEAST_USERS:
        console.print(f"\n[dim]New users, nothing given: {users}, too few for figures.[/]")
        return
    gains = {
        row.model: row
        for row in report.side_data_differences
        if (row.half, row.segment) == ("report", NEW_USERS_BY_SIDE_DATA)
    }
    table = Table(box=None, pad_edge=False)
    for column in ("model", f"ndcg@{k}"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for row in [*gains.values()][:1]:
        table.add_column(f"{row.metric} against {row.baseline}", justify="right")
    for model in _best_first(report, NEW_USERS_BY_SIDE_DATA, k):
        cells = [_cell(report, model, "ndcg", k, NEW_USERS_BY_SIDE_DATA)]
        cells += [_gain_cell(gains[model])] if model in gains else []
        table.add_row(model, *cells, style="bold" if model == report.run.champion else "")
    console.print(f"\n[italic]New users, nothing given: {users}[/]", soft_wrap=True)
    console.print(table)
    console.print(
        "[dim]Users without any interaction whom at least one of these models knows; their lists as they would be "
        "published. Of a user whom a model does not know, that is the list of the models that complete short ones.[/]",
        soft_wrap=True,
    )


def show_new_items(console: Console, report: Report) -> None:
    """Print how well each model that knows items without interactions orders them, beside random order."""
    k = _smallest_k(report)
    n_users = _users_of(report, NEW_ITEMS, k)
    n_items = next((segment.n for segment in report.segments if segment.segment == NEW_ITEMS), 0)
    if not n_users:
        return
    users = f"{n_users:,} user{'' if n_users == 1 else 's'} who liked one"
    if n_users < LEAST_USERS:
        console.print(f"\n[dim]New items: {users}, too few for figures.[/]")
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    for metric in _OF_NEW_ITEMS:
        table.add_column(f"{metric}@{k}", justify="right")
    for model in _best_first(report, NEW_ITEMS, k):
        cells = [_cell(report, model, metric, k, NEW_ITEMS) for metric in _OF_NEW_ITEMS]
        table.add_row(model, *cells, style="dim" if model == RANDOM_ORDER else "")
    title = f"New items: only the {n_items:,} that nobody had met are ranked, for the {users}"
    console.print(f"\n[italic]{title}[/]", soft_wrap=True)
    console.print(table)


def show_similar_items(console: Console, report: Report) -> None:
    """Print how well each model's similar items foresee what users like next, all targets and cold ones."""
    hits, mrr, auc = (metric.name for metric in PAIR_METRICS)
    found = sorted(_rows_of(report, SIMILAR_ITEMS, hits, PAIR_K), key=lambda row: -row.value)
    if not found:
        return
    users = f"{found[0].n_users:,} user{'' if found[0].n_users == 1 else 's'}"
    if found[0].n_users < LEAST_USERS:
        console.print(f"\n[dim]Similar items: {users} with a later like, too few for figures.[/]")
        return
    gains = {
        row.model: row
        for row in report.similar_differences
        if (row.half, row.segment) == ("report", SIMILAR_ITEMS) and console.width >= _WITH_DIFFERENCES
    }
    cold = _rows_of(report, SIMILAR_COLD_ITEMS, hits, PAIR_K)
    with_cold = bool(cold) and cold[0].n_users >= LEAST_USERS
    table = Table(box=None, pad_edge=False)
    table.add_column("model")
    columns = [f"hits@{PAIR_K}", "mrr", "auc"]
    columns += [f"cold hits@{PAIR_K}"] * with_cold
    columns += [f"hits@{PAIR_K} against {row.baseline}" for row in [*gains.values()][:1]]
    for column in columns:
        table.add_column(column, justify="right")
    for row in found:
        cells = [_cell(report, row.model, hits, PAIR_K, SIMILAR_ITEMS)]
        for metric in (mrr, auc):
            figure = report.figure(row.model, metric, None, segment=SIMILAR_ITEMS)
            cells.append("" if figure is None else f"{figure.value:.4f}")
        cells += [_cell(report, row.model, hits, PAIR_K, SIMILAR_COLD_ITEMS)] * with_cold
        if row.model in gains:
            gain = gains[row.model]
            cells.append(f"{gain.mean:+.4f} [dim]\\[{gain.low:+.4f}, {gain.high:+.4f}][/]")
        table.add_row(row.model, *cells, style="bold" if row.model == report.run.champion else "")
    about_cold = f" Cold: only items that fewer than {COLD_BELOW} users had liked." if with_cold else ""
    console.print(
        f"\n[italic]Similar items, by what the {users} of the report half liked next[/]", soft_wrap=True
    )
    console.print(table)
    console.print(
        "[dim]What users came to like is looked up among the items most similar to the last one that they liked before "
        "the cutoff; every such pair counts once."
        f"{about_cold}{_copies(row.model for row in found)}[/]",
        soft_wrap=True,
    )


def _copies(models: Iterable[str]) -> str:
    """Return a sentence on the ensembles among models, whose similar items are those of a member; empty without one."""
    names = ", ".join(name for name in models if name in ENSEMBLES)
    return names and f" {names}: the list of its first member that has one for the item."


def show_beyond_accuracy(console: Console, report: Report) -> None:
    """Print metrics beyond accuracy for each model; columns without figures or room are left out."""
    k = _smallest_k(report)
    half = [row for row in report.metrics if row.half == "report" and row.segment == "all"]
    models = dict.fromkeys(row.model for row in half)
    found = {
        metric.name: {
            model: report.figure(model, metric.name, k if metric.cut_at_k else None) for model in models
        }
        for metric in _BEYOND
    }
    columns = [metric for metric in _BEYOND if any(found[metric.name].values())]
    columns = columns[: max(1, (console.width - _MODEL_WIDTH) // _BEYOND_WIDTH)]
    if not columns:
        return
    table = Table(title=f"Lists beyond accuracy (at {k})", title_justify="left", box=None, pad_edge=False)
    table.add_column("model")
    for metric in columns:
        table.add_column(metric.column, justify="right")
    for model in models:
        cells = [(found[metric.name][model], metric.form) for metric in columns]
        crowned = "bold" if model == report.run.champion else ""
        table.add_row(
            model, *("" if row is None else f"{row.value:{form}}" for row, form in cells), style=crowned
        )
    console.print()
    console.print(table)
    for metric in columns:
        console.print(f"[dim]{metric.column}: {metric.meaning}[/]", soft_wrap=True)


def show_trade_off(console: Console, report: Report) -> None:
    """Print what diversity and caps cost and gain on the select half, by which settings may be chosen."""
    if failed := report.run.summary.trade_off_failed:
        console.print(
            f"\n[red]What diversity and caps cost is not known:[/] {escape(failed)}", soft_wrap=True
        )
    found = report.run.summary.trade_off
    if found is None:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("metric")
    for name in ("without", "with", "difference"):
        table.add_column(name, justify="right")
    for row in found.figures:
        interval = f"{row.difference:+.4f} [dim]\\[{row.low:+.4f}, {row.high:+.4f}][/]"
        table.add_row(f"{row.metric}@{row.k}", f"{row.as_said:.4f}", f"{row.arranged:.4f}", interval)
    console.print(
        f"\n[italic]Diversity and caps: lists of {escape(found.model)} without and with them, "
        f"on the {found.n_users:,} users of the select half[/]",
        soft_wrap=True,
    )
    console.print(table)


def show_verdict(
    console: Console, report: Report, *, place: str, live: int | None, page: Path | None = None
) -> None:
    """Print what became of the night and how to read its lists. The arguments are those of `show_report`."""
    run = report.run
    _show_models(console, run)
    colour = {"published": "green", "not_switched": "yellow", "interrupted": "yellow"}.get(run.status, "red")
    reason = run.reason
    if run.status == "published" and live != run.run_id:
        reason += " It is not live any more: " + (f"run {live} is." if live else "there are no lists.")
    console.print(f"[bold {colour}]{ENDINGS[run.status]:<10}[/] {escape(reason)}", soft_wrap=True)
    if run.status != "published":
        console.print(f"[bold]Live[/]       {f'Run {live} is.' if live else 'There are no lists.'}")
    if shifted := warning(run.summary.drift):
        console.print(f"[bold yellow]Drift[/]      {escape(shifted)}", soft_wrap=True)
    if rules := run.summary.rules:
        console.print(f"[bold]Rules[/]      {escape(', '.join(rules))}", soft_wrap=True)
    if run.status == "published" and live == run.run_id:
        console.print(f"[bold]Lists[/]      {run.rows:,} rows in {escape(_relative(place))}", soft_wrap=True)
        if run.summary.example_user is not None:
            query = _login_query(place, run.summary.example_user)
            console.print(f"[bold]Read them[/]  {escape(query)}", soft_wrap=True)
    if page is not None and page.exists():
        console.print(f"[bold]Report[/]     {escape(_relative(str(page)))}", soft_wrap=True)
    total = sum(stage.seconds for stage in run.stages)
    peak = max((stage.peak_mb for stage in run.stages), default=0)
    console.print(
        f"[dim]Run {run.run_id}: {_duration(run)}{total:.1f} s in its stages, at most {peak:,.0f} MB[/]"
    )


def _show_models(console: Console, run: Run) -> None:
    """Print which models failed, which one is champion, and how earlier lists fared."""
    console.print()
    for model, cause in run.failed_models.items():
        console.print(f"[red]{model} failed:[/] {escape(cause)}", soft_wrap=True)
    decision = run.summary.decision
    if run.champion:
        why = run.champion if decision is None else decision.why
        console.print(f"[bold]Champion[/]   {escape(why)}", soft_wrap=True)
    if run.summary.outcome:
        console.print(f"[bold]Outcome[/]    {escape(run.summary.outcome)}", soft_wrap=True)


def _duration(run: Run) -> str:
    """Return the time from start to end by the clock; for a night that was killed and resumed, with the pause."""
    return "" if run.finished_at is None else f"{(run.finished_at - run.started_at).total_seconds():,.0f} s, "


def show_stages(console: Console, report: Report) -> None:
    """Print the time and memory of each stage."""
    table = Table(title=f"Run {report.run.run_id}", title_justify="left", box=None, pad_edge=False)
    for name in ("stage", "model"):
        table.add_column(name)
    for name in ("seconds", "peak MB"):
        table.add_column(name, justify="right")
    table.add_column("")
    for stage in report.run.stages:
        note = "from the store" if stage.stored else ""
        table.add_row(stage.stage, stage.model or "", f"{stage.seconds:.2f}", f"{stage.peak_mb:,.0f}", note)
    console.print(table)


def _relative(place: str) -> str:
    """Return a path inside the current folder as a relative one; anything else as it is."""
    path = Path(place)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else place


def _login_query(place: str, user: int | str) -> str:
    """Return a shell command to paste that reads the list of `user`."""
    literal = str(user) if isinstance(user, int) else "'" + user.replace("'", "''") + "'"
    query = (
        "select rank, item_id, title, score from recommendations join items using (item_id) where user_id = "
    )
    query += f"{literal} order by rank limit 10"
    # Double quotes around SQL's single ones are easier to read than what shlex makes of them.
    quoted = shlex.quote(query) if set(query) & set('"$`\\!') else f'"{query}"'
    if place.startswith("postgresql:"):
        return f'psql "$RECS_PUBLISH__URL" -c {quoted}'
    return f"sqlite3 {shlex.quote(_relative(place))} {quoted}"


def _smallest_k(report: Report) -> int:
    """Return the smallest k of lists for users; metrics of ratings have none."""
    pairs = {metric.name for metric in PAIR_METRICS}
    return min(row.k for row in report.metrics if row.k is not None and row.metric not in pairs)


def _users_of(report: Report, segment: str, k: int) -> int:
    """Return the number of users of a segment of the report half."""
    return max((row.n_users for row in _rows_of(report, segment, "ndcg", k)), default=0)


def _best_first(report: Report, segment: str, k: int) -> list[str]:
    """Return the models that have figures in a segment of the report half."""
    return [row.model for row in sorted(_rows_of(report, segment, "ndcg", k), key=lambda row: -row.value)]


def _rows_of(report: Report, segment: str, metric: str, k: int) -> list[MetricRow]:
    wanted = ("report", segment, metric, k)
    return [row for row in report.metrics if (row.half, row.segment, row.metric, row.k) == wanted]


def _cell(report: Report, model: str, metric: str, k: int, segment: str) -> str:
    """Return a metric with its interval; empty if the model was not judged by it."""
    row = report.figure(model, metric, k, segment=segment)
    if row is None:
        return ""
    if row.ci_low is None or row.ci_high is None:
        return f"{row.value:.4f}"
    low, high = (f"{end:.3f}".lstrip("0") for end in (row.ci_low, row.ci_high))
    return f"{row.value:.4f} [dim]\\[{low}, {high}][/]"


def _gain_cell(row: DifferenceRow, *, wide: bool = True) -> str:
    """Return a difference with its interval, which is shorter and stands below it unless the cell may be wide."""
    low, high = (f"{end:+.{4 if wide else 3}f}".replace("0.", ".", 1) for end in (row.low, row.high))
    return f"{row.mean:+.4f}{' ' if wide else chr(10)}[dim]\\[{low}, {high}][/]"
