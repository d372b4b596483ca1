"""The command line `recs`: what a person types and a scheduler calls. Exit codes: docs/night.md.

Each command imports what it needs: who asks for a list does not wait for what trains models.
"""

from __future__ import annotations

import logging
import signal
import sys
import traceback
import webbrowser
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flows.cli import maintenance as upkeep
from flows.cli.options import DEFAULT_HOME, HomeOption, moment, run_number, whole
from flows.terminal.console import Terminal, complain, err, out
from tasks.config.load import load_settings, models_asked, night_settings
from tasks.errors import TransientError, UsageError, as_night_error
from tasks.ingestion.input_files import check_input_folder
from tasks.storage.home import BUILT_IN, existing_home, in_use, open_home

app = typer.Typer(
    help="Nightly recommendations: ratings, tags and events in, one SQL table of top-N lists out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
Length = Annotated[int, typer.Option("-n", parser=whole("-n", 1), metavar="NUMBER", help="How many items.")]
INTERRUPTED = 128 + signal.SIGINT
_process = {"debug": False}


@app.callback()
def everywhere(
    debug: Annotated[bool, typer.Option("--debug", help="Show the full traceback of an error.")] = False,
) -> None:
    """What holds for all commands."""
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, format="%(message)s")
    _process["debug"] = debug


@app.command()
def run(
    dataset: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(BUILT_IN)}, or the path of a folder. Default: demo."),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(envvar="RECS_HOME", help="Where this data set's nights live. Default: data/NAME."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call a data set given as a path.")] = None,
    models: Annotated[str | None, typer.Option(help="Which models to judge, such as: als,item_knn")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Use only what lies before this date (UTC), such as 2026-01-31.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A settings file. Default: ./pipeline.toml")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as models.als.factors=64."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run and publish even if nothing is new.")] = False,
) -> None:
    """Run one night: take in data, fit and judge the models, publish everybody's list.

    Exit codes: 0 done or nothing new, 1 failed, 2 usage or settings, 3 a check held the lists back, 4 another night
    is running.
    """
    from flows.prefect_runtime.home import settle_in
    from flows.terminal.run_report import show_report
    from tasks.reporting.run_report import page_path, read_report
    from tasks.run.lifecycle import run_night

    names = models_asked(models)
    overrides = (*(set_ or ()), *((f"models.shelf={','.join(names)}",) if names else ()))
    settings = load_settings(config, overrides)
    until = moment(as_of)
    where = open_home(dataset, home, name, check_input=partial(check_input_folder, settings=settings.data))
    settings, notes = night_settings(config, overrides, tuned=where.tuned, as_of=until)
    settle_in(where.prefect, debug=_process["debug"])
    with Terminal(out) as terminal:
        terminal.headline(where.dataset, where.path)
        for note in notes:
            out.print(note, markup=False, soft_wrap=True)
        outcome = run_night(where, settings, _flow, terminal, as_of=until, force=force)
    if outcome.nothing_new:
        out.print(outcome.nothing_new, markup=False, soft_wrap=True)
    else:
        page = page_path(where, outcome.run)
        found = read_report(where, outcome.run.run_id)
        show_report(out, found, place=outcome.place, live=outcome.live, page=page)
    raise typer.Exit(outcome.exit_code)


def _flow(night: object) -> None:
    """Prefect is imported only when a night really runs: it takes a second, and reads its environment then."""
    from flows.nightly import run_flow

    run_flow(night)  # type: ignore[arg-type]


@app.command()
def tune(
    models: Annotated[
        str | None,
        typer.Option(
            help="Which models, such as: als,item_knn. Default: all of the shelf that can be tuned."
        ),
    ] = None,
    budget: Annotated[
        str, typer.Option(help="How long, such as 30m, 2h or 1h30m, for all models together.")
    ] = "30m",
    trials: Annotated[
        int | None,
        typer.Option(
            parser=whole("--trials", 1),
            metavar="NUMBER",
            help="At most so many trials of each model; then the result repeats.",
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="As for recs run.")] = None,
    home: Annotated[Path | None, typer.Option(envvar="RECS_HOME", help="As for recs run.")] = None,
    name: Annotated[str | None, typer.Option(help="As for recs run.")] = None,
    config: Annotated[Path | None, typer.Option(help="A settings file. Default: ./pipeline.toml")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting, which is not searched then."),
    ] = None,
) -> None:
    """Look for better hyperparameters, for the nights to come.

    Trials begin with the default settings. They are judged on an earlier window than the night's, cut out of what the
    night trains on, by the select half of its users: nothing that the night reports on can reach them. What you set in
    pipeline.toml stays as it is; the search is over the rest.

    What beats the defaults beyond chance is written to HOME/tuned.toml, which the next night takes between the defaults
    and pipeline.toml. A night may run meanwhile. Ctrl-C keeps what was found; the same command goes on where it
    stopped, also after a kill, as long as the data are the same.

    Exit codes: 0 done, better settings or not; 1 failed; 2 usage or settings; 4 a night or another tune is running.
    """
    from flows.terminal.tuning import TuneTerminal, show_tuning
    from tasks.tuning.tune import budget_seconds, spaces, tune

    seconds = budget_seconds(budget)
    settings = load_settings(config, tuple(set_ or ()))
    names = models_asked(models)
    spaces(names, settings)
    where = open_home(dataset, home, name, check_input=partial(check_input_folder, settings=settings.data))
    with TuneTerminal(out) as terminal:
        terminal.headline(where.dataset, where.path)
        found = tune(where, settings, names, terminal, seconds=seconds, trials=trials)
    show_tuning(out, found, where.tuned)


@app.command()
def show(
    user: Annotated[str, typer.Argument(help="A user's id.")],
    n: Length = 10,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show what a user gets at login beside what that user liked before, to judge the list by eye."""
    from flows.terminal.lists import show_list
    from tasks.publication.queries import lists_of, show

    where, settings = existing_home(home), load_settings()
    with lists_of(where, settings) as target:
        found = show(target, user, n, warehouse=where.warehouse, utility=settings.utility)
    show_list(out, found)


@app.command()
def similar(
    item: Annotated[str, typer.Argument(help="An item's id, its title, or a part of the title.")],
    n: Length = 10,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show the items most like one."""
    from flows.terminal.lists import show_similar
    from tasks.publication.queries import lists_of, similar

    where = existing_home(home)
    with lists_of(where, load_settings()) as target:
        show_similar(out, similar(target, item, n))


@app.command()
def runs(home: HomeOption = DEFAULT_HOME) -> None:
    """List the nights: how each ended, which one is live, which can be rolled back to."""
    from flows.terminal.lists import show_runs
    from tasks.publication.queries import lists_of, runs
    from tasks.reporting.run_report import read_runs

    where = existing_home(home)
    recorded = []
    try:
        with lists_of(where, load_settings()) as target:
            recorded = runs(target)
    except TransientError as error:
        err.print(f"Which run is live is not known. {error}", markup=False, soft_wrap=True)
    show_runs(out, read_runs(where), recorded, running=in_use(where))


@app.command()
def report(
    run_id: Annotated[
        int | None,
        typer.Argument(parser=run_number, metavar="[RUN]", help="A run's id. Default: the newest."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    open_: Annotated[bool, typer.Option("--open", help="Open its page in the browser.")] = False,
) -> None:
    """Show a night's figures again, and where its page is: everything about the night, to read on any screen.

    The page of a night that has none yet is drawn now, from what is still kept of it.
    """
    from flows.terminal.run_report import show_report, show_stages
    from tasks.publication.queries import lists_of
    from tasks.reporting.run_report import page_path, read_report, write_page

    where = existing_home(home)
    found = read_report(where, run_id)
    page = page_path(where, found.run)
    if not page.exists() and found.run.status != "running":
        write_page(where, found.run)
    show_stages(out, found)
    with lists_of(where, load_settings()) as target:
        show_report(out, found, place=target.place, live=target.live_run(), page=page)
    if open_ and not webbrowser.open(page.resolve().as_uri()):
        raise UsageError("There is no browser to open it with.", f"The page is {page}.")


@app.command()
def compare(
    run_a: Annotated[
        int, typer.Argument(parser=run_number, metavar="RUN_A", help="A run's id; recs runs lists them.")
    ],
    run_b: Annotated[
        int, typer.Argument(parser=run_number, metavar="RUN_B", help="Another run's id, usually a later one.")
    ],
    n: Annotated[
        int,
        typer.Option(
            "-n", parser=whole("-n", 0), metavar="NUMBER", help="How many users to show both lists of."
        ),
    ] = 3,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show what changed from one night to another: settings, data, figures, times, lists.

    A night that was held back can be compared too, as long as it is one of the newest.
    """
    from flows.terminal.comparison import show_comparison
    from tasks.reporting.compare_runs import compare

    show_comparison(out, compare(existing_home(home), run_a, run_b, n_users=n))


@app.command()
def rollback(
    run_id: Annotated[
        int | None,
        typer.Argument(parser=run_number, metavar="[RUN]", help="Default: the one before the live one."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show an earlier run's lists again, at once. The run left is not switched on again without --force."""
    from tasks.publication.queries import naming
    from tasks.run.lifecycle import roll_back

    where = existing_home(home)
    with naming(where):
        live = roll_back(where, load_settings(), run_id)
    out.print(f"Run {live} is live.")


app.command()(upkeep.verify)
app.command()(upkeep.prune)


@app.command()
def schedule(
    cron: Annotated[str, typer.Option(help="Minute, hour, day, month, weekday.")] = "0 2 * * *",
    dataset: Annotated[str | None, typer.Option(help="As for recs run.")] = None,
    home: Annotated[Path | None, typer.Option(help="As for recs run.")] = None,
    name: Annotated[str | None, typer.Option(help="As for recs run.")] = None,
    config: Annotated[Path | None, typer.Option(help="As for recs run.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="As for recs run.")
    ] = None,
) -> None:
    """Print what to paste into cron or systemd, so that the night runs by itself."""
    from flows.cli.schedule import schedule_text

    settings = (("--set", setting) for setting in set_ or ())
    chosen = (("--dataset", dataset), ("--home", home), ("--name", name), ("--config", config), *settings)
    arguments = [part for option, value in chosen if value is not None for part in (option, str(value))]
    out.print(schedule_text(cron, arguments, Path.cwd()), markup=False, soft_wrap=True)


@app.command()
def generate(
    folder: Annotated[
        Path, typer.Argument(help="Where to write ratings.csv, tags.csv, movies.csv and events.csv.")
    ],
    users: Annotated[int, typer.Option(parser=whole("--users", 1), metavar="NUMBER")] = 2000,
    items: Annotated[int, typer.Option(parser=whole("--items", 1), metavar="NUMBER")] = 3000,
    ratings: Annotated[int, typer.Option(parser=whole("--ratings", 1), metavar="NUMBER")] = 200_000,
    tags: Annotated[
        int, typer.Option(parser=whole("--tags", 0), metavar="NUMBER", help="0: no tags.csv is written.")
    ] = 20_000,
    seed: Annotated[
        int,
        typer.Option(parser=whole("--seed", 0), metavar="NUMBER", help="The same seed gives the same bytes."),
    ] = 7,
) -> None:
    """Make a data set that looks like life, of any size, in little memory.

    Then: recs run --dataset FOLDER
    """
    from tasks.datasets.synthetic.generate import generate_demo

    with Terminal(out) as terminal, terminal.bar("generate") as progress:
        made = generate_demo(
            folder, users=users, items=items, ratings=ratings, tags=tags, seed=seed, progress=progress
        )
    without = "" if made.tags else ", so no tags.csv"
    out.print(f"{folder}: {made}{without}", markup=False, soft_wrap=True)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="ml-latest-small, ml-25m or ml-32m.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to. Default: the raw/ folder of its home.")
    ] = None,
) -> None:
    """Download a MovieLens data set, verify it, unpack it. A download cut short goes on where it stopped."""
    from tasks.datasets.movielens import fetch

    if name == "demo" or name not in BUILT_IN:
        raise UsageError(f"There is nothing to fetch called {name!r}.", f"Known: {', '.join(BUILT_IN[1:])}.")
    target = folder or open_home(name, None).path / "raw"
    with Terminal(out) as terminal, terminal.bar("fetch") as progress:
        where = fetch(name, target, progress=progress)
    out.print(f"{name} is in {where}. Next: recs run --dataset {name}", soft_wrap=True)


def main() -> None:
    """Run a command; errors are one clear sentence, and the exit code says of what kind."""
    code = 0
    try:
        app()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            err.print("Interrupted.")
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, a person reads one sentence
        if _process["debug"]:
            traceback.print_exc()
        clear = as_night_error(error)
        complain(clear)
        code = clear.exit_code
        _forget_where(error)
    sys.exit(code)


def _forget_where(error: BaseException) -> None:
    """Drop the tracebacks of an error and of those it came from.

    Prefect keeps errors until the process ends, their frames keep what DuckDB made, and it complains of that at exit.
    """
    known, found = set[int](), [error]
    while found:
        one = found.pop()
        known.add(id(one))
        one.__traceback__ = None
        found += [e for e in (one.__cause__, one.__context__) if e is not None and id(e) not in known]
