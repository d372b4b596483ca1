"""Commands that only read: lists, similar items, nights, a night's report, two nights compared."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import (
    DEFAULT_HOME,
    Commands,
    ConfigOption,
    HomeOption,
    JsonOption,
    Length,
    parse_run_id,
    whole_number,
)
from flows.cli.overdue import say_whether_overdue
from flows.terminal.console import err, out
from tasks.config.load import load_settings
from tasks.errors import TransientError, UsageError
from tasks.storage.home import existing_home, in_use

commands = Commands()


@commands.command()
def show(
    user: Annotated[str | None, typer.Argument(metavar="USER", help="A user's id.")] = None,
    items: Annotated[
        str | None,
        typer.Option(
            metavar="ITEMS",
            help="In place of USER, the items that somebody likes who is in no data: ids or whole titles with commas "
            "between them, the latest last, such as 1,2,3.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="With USER, the lists of these models of the live run side by side: als,bpr,lightgcn. With --items, "
            "the model that makes the list; default: the one that made the published lists.",
        ),
    ] = None,
    n: Length = 10,
    json_: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show a user's list beside what that user liked before, to judge the list by eye.

    With --model it shows side by side what each of some models would list, made now: `recs show 42 --model als,bpr`.
    With --items it shows the list of a user who came after the night, made now from these items alone by the models of
    the live run: `recs show --items 1,2,3`.
    """
    if items is not None and user is None:
        _show_for_items(items, model, n, home, as_json=json_)
        return
    if user is None or items is not None:
        given = "neither is given" if user is None else f"given: {user} and --items {items}"
        raise UsageError(
            f"`recs show` takes either a user's id or --items ({given}).",
            "Write recs show 42, or recs show --items 1,2,3.",
        )
    if model is not None:
        _show_by_models(user, model, n, home, as_json=json_)
        return
    from flows.terminal.json_output import print_json
    from flows.terminal.lists import show_list
    from tasks.publication.queries import likes_of_live_run, lists_of, show

    where, settings = existing_home(home), load_settings()
    with lists_of(where, settings) as target:
        likes = likes_of_live_run(where, target, settings)
        found = show(target, user, n, warehouse=where.warehouse, utility=likes)
    if json_:
        print_json(out, found)
    else:
        show_list(out, found)


def _show_by_models(user: str, models: str, n: int, home: Path, *, as_json: bool) -> None:
    from flows.terminal.json_output import print_json
    from flows.terminal.lists import show_lists_by_models
    from tasks.config.load import parse_names
    from tasks.publication.queries import lists_of
    from tasks.reporting.model_lists import lists_of_models

    names = parse_names("--model", models)
    where, settings = existing_home(home), load_settings()
    with lists_of(where, settings) as target:
        found = lists_of_models(where, target, settings, names, user, n)
    if as_json:
        print_json(out, found)
    else:
        show_lists_by_models(out, found)


def _show_for_items(items: str, model: str | None, n: int, home: Path, *, as_json: bool) -> None:
    from flows.terminal.json_output import print_json
    from flows.terminal.lists import show_list_for_items
    from tasks.publication.queries import lists_of
    from tasks.reporting.list_for_items import list_for_items

    where, settings = existing_home(home), load_settings()
    with lists_of(where, settings) as target:
        found = list_for_items(where, target, settings, items, n, model=model)
    if as_json:
        print_json(out, found)
    else:
        show_list_for_items(out, found)


@commands.command()
def similar(
    item: Annotated[
        str | None, typer.Argument(metavar="ITEM", help="An item's id, its title, or a part of the title.")
    ] = None,
    other: Annotated[
        str | None,
        typer.Argument(metavar="OTHER", help="A second item: how similar are the two?"),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(metavar="USER", help="In place of ITEM, a user's id: which users are similar?"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A model of the live run. Default: the published similar items, or the model that made them; for "
            "users the best model that compares them.",
        ),
    ] = None,
    n: Annotated[
        int,
        typer.Option("-n", parser=whole_number("-n", 1), metavar="NUMBER", help="How many items or users."),
    ] = 10,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show the items most similar to one item, or compare two items, or show the users most similar to one user.

    `recs similar 17` shows the published list, `recs similar 17 --model als` that of any model of the live run.
    `recs similar 17 42` says how similar the two are, and at which place 42 stands among all items.
    `recs similar --user 42` shows users, and a few items that each of them and user 42 like.
    """
    if (item is None) == (user is None):
        given = "neither is given" if item is None else f"given: {item} and --user {user}"
        raise UsageError(
            f"`recs similar` takes either an item or --user ({given}).",
            "Write recs similar 17, or recs similar --user 42.",
        )
    from flows.terminal import lists
    from tasks.publication import queries

    where = existing_home(home)
    with queries.lists_of(where, load_settings()) as target:
        if item is not None and other is None and model is None:
            lists.show_similar(out, queries.similar(target, item, n))
            return
        from tasks.reporting import similarity

        if user is not None:
            lists.show_similar_users(out, similarity.similar_users(where, target, user, n, model))
        elif item is not None and other is not None:
            lists.show_pair(out, similarity.compare_items(where, target, item, other, model))
        elif item is not None and model is not None:
            lists.show_similar(out, *similarity.similar_items_by(where, target, item, n, model))


@commands.command()
def runs(
    overdue: Annotated[
        str | None,
        typer.Option(
            "--overdue",
            metavar="TIME",
            help="Only say whether the last good night ended within this time, such as 26h or 2d.",
        ),
    ] = None,
    json_: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = None,
) -> None:
    """List the nights: how each ended, which one is live, which can be rolled back to.

    With --overdue, for a monitor: exit code 1 and one sentence if no good night has ended within that time, 0 and one
    sentence otherwise. A night is good that published, or that found nothing new. Somebody is told once, too, if
    RECS_NOTIFY__URL is set; give the --config of the nights, which says what is told.
    """
    from flows.terminal.json_output import print_json, runs_document
    from flows.terminal.lists import show_runs
    from tasks.publication.queries import lists_of, runs
    from tasks.reporting.run_report import read_runs

    if overdue is not None:
        sentence, code = say_whether_overdue(overdue, home, config)
        out.print(sentence, markup=False, soft_wrap=True)
        raise typer.Exit(code)
    where = existing_home(home)
    recorded = []
    try:
        with lists_of(where, load_settings(config)) as target:
            recorded = runs(target)
    except TransientError as error:
        err.print(f"The live run is not known. {error}", markup=False, soft_wrap=True)
    found, running = read_runs(where), in_use(where)
    if json_:
        print_json(out, runs_document(found, recorded, running=running))
    else:
        show_runs(out, found, recorded, running=running)


@commands.command()
def report(
    run_id: Annotated[
        int | None,
        typer.Argument(parser=parse_run_id, metavar="RUN", help="A run's id. Default: the newest."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    open_: Annotated[bool, typer.Option("--open", help="Open its page in the browser.")] = False,
    json_: JsonOption = False,
) -> None:
    """Show a night's figures again, and the path of its page, which tells everything about the night.

    If the night has no page yet, it is written now, from the artifacts that are still kept.
    """
    from flows.terminal.json_output import print_json, report_document
    from flows.terminal.run_report import show_report, show_stages
    from tasks.publication.queries import lists_of
    from tasks.reporting.run_report import page_path, read_report, write_page

    where, settings = existing_home(home), load_settings()
    found = read_report(where, run_id, settings=settings)
    page = page_path(where, found.run)
    if not page.exists() and found.run.status != "running":
        write_page(where, found.run)
    with lists_of(where, settings) as target:
        place, live = target.place, target.live_run()
    if json_:
        print_json(out, report_document(found, place=place, live=live, page=page))
    else:
        if found.run.stages:
            show_stages(out, found)
        show_report(out, found, place=place, live=live, page=page)
    if open_ and not webbrowser.open(page.resolve().as_uri()):
        out.print(f"There is no browser here to open the page with: {page}", markup=False, soft_wrap=True)


@commands.command()
def compare(
    run_a: Annotated[
        int, typer.Argument(parser=parse_run_id, metavar="RUN_A", help="A run's id; recs runs lists them.")
    ],
    run_b: Annotated[
        int,
        typer.Argument(parser=parse_run_id, metavar="RUN_B", help="Another run's id, usually a later one."),
    ],
    n: Annotated[
        int,
        typer.Option(
            "-n", parser=whole_number("-n", 0), metavar="NUMBER", help="How many users to show both lists of."
        ),
    ] = 3,
    json_: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show what changed from one night to another: settings, data, figures, times, lists.

    A night that was held back can be compared too, as long as it is one of the newest.
    """
    from flows.terminal.comparison import show_comparison
    from flows.terminal.json_output import comparison_document, print_json
    from tasks.reporting.compare_runs import compare

    found = compare(existing_home(home), run_a, run_b, n_users=n, settings=load_settings())
    if json_:
        print_json(out, comparison_document(found))
    else:
        show_comparison(out, found)
