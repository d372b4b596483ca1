"""The command `recs`: the Typer app, `run` and `tune`, and how errors become exit codes (docs/night.md).

Each command imports what it needs when it is called, so that `recs --help` or a look at one list does not load what
trains models.
"""

from __future__ import annotations

import logging
import signal
import sys
import traceback
from enum import StrEnum
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from flows.cli import (
    browse,
    configure,
    datasets,
    deploy,
    doctor,
    export,
    forgetting,
    lookup,
    maintenance,
    notify,
    outcomes,
    replay,
    schedule,
    try_setting,
)
from flows.cli.options import (
    Commands,
    ConfigOption,
    DatasetOption,
    LayoutOption,
    SetOption,
    home_option,
    whole_number,
)
from flows.prefect_runtime.outage import end_at_once_after_outage
from flows.terminal.console import TIME_FORMAT, Terminal, err, out, print_error
from flows.terminal.json_log import JsonLog, asked_for, installed, json_log
from flows.terminal.streams import end_stderr_at_exit, flush_streams, prepare_streams
from tasks.config.load import load_settings, parse_model_names
from tasks.datasets.layouts import settings_file
from tasks.errors import as_night_error
from tasks.ingestion.first_look import check_input
from tasks.storage.home import open_home

if TYPE_CHECKING:
    from flows.night_parameters import NightParameters
    from tasks.run.context import Night

INTERRUPTED = 128 + signal.SIGINT


class LogFormat(StrEnum):
    """How `recs run` tells what it does."""

    text = "text"
    json = "json"


app = Commands(
    name="recs",
    help="Nightly recommendations: ratings, tags and events in, one SQL table of top-N lists out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_process: dict[str, Any] = {"debug": False, "logged": False, "command": "run"}


def show_version(asked: bool) -> None:
    """Print the version and end, if that is asked for."""
    if asked:
        out.print(f"recs {version('nightly-recs')}")
        raise typer.Exit


@app.callback()
def global_options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the full traceback of an error.")] = False,
    version_: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Apply the options that stand before the name of a command."""
    logging.getLogger().setLevel(logging.DEBUG if debug else logging.WARNING)
    logging.basicConfig(
        format="%(message)s" if sys.stderr.isatty() else "%(asctime)s  %(message)s",
        datefmt=TIME_FORMAT,
    )
    _process["debug"] = debug
    _process["command"] = context.invoked_subcommand or "run"


@app.command()
def run(
    dataset: DatasetOption = None,
    home: Annotated[
        Path | None, home_option(help="The folder of this data set's nights. Default: data/NAME.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="A name for a data set given as a path.")
    ] = None,
    models: Annotated[
        str | None, typer.Option(metavar="NAMES", help="The models to judge, such as: als,item_knn")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            metavar="DATE", help="Use only interactions before this date (UTC), such as 2026-01-31."
        ),
    ] = None,
    config: ConfigOption = None,
    layout: LayoutOption = None,
    set_: SetOption = None,
    force: Annotated[bool, typer.Option("--force", help="Run and publish even if nothing is new.")] = False,
    log: Annotated[
        LogFormat,
        typer.Option(
            help="json: one JSON object a line on stderr for each event and warning, and nothing else."
        ),
    ] = LogFormat.text,
) -> None:
    """Run one night: read the data, fit and judge the models, publish a list for every user.

    Exit codes: 0 done or nothing new, 1 failed, 2 usage or settings, 3 a check held the lists back, 4 another night
    is running.
    """
    from flows.night_parameters import NightParameters
    from flows.prefect_runtime.home import configure_prefect
    from flows.terminal.run_report import show_report
    from tasks.reporting.run_report import page_path, read_report
    from tasks.run.lifecycle import run_night

    _process["logged"] = True  # its output goes to a log, by the line of `recs schedule`
    parameters = NightParameters(
        dataset,
        _text(home),
        name,
        models,
        as_of,
        _text(settings_file(config, layout)),
        tuple(set_ or ()),
        force,
    )
    opened = parameters.open()
    where = opened.home
    configure_prefect(where.prefect, debug=_process["debug"])
    with json_log() if log is LogFormat.json else Terminal(out) as watcher:
        watcher.headline(where.dataset, where.path)
        for note in opened.notes:
            watcher.say(note)

        def flow(night: Night) -> None:
            watcher.run_id = night.record.run_id
            _run_flow(night, parameters)

        outcome = run_night(where, opened.settings, flow, watcher, as_of=opened.as_of, force=force)
    if isinstance(watcher, JsonLog):
        if outcome.nothing_new:
            watcher.say(outcome.nothing_new)
        else:
            watcher.ended(outcome.run, outcome.exit_code)
    if outcome.nothing_new and not isinstance(watcher, JsonLog):
        out.print(outcome.nothing_new, markup=False, soft_wrap=True)
    elif not outcome.nothing_new:
        page = page_path(where, outcome.run)
        found = read_report(where, outcome.run.run_id)
        show_report(out, found, place=outcome.place, live=outcome.live, page=page)
    raise typer.Exit(outcome.exit_code)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _run_flow(night: Night, parameters: NightParameters) -> None:
    """Import Prefect only now, when there is a night to run: it takes a second and reads its environment then."""
    from flows.prefect_runtime.home import import_prefect

    import_prefect()
    from flows.nightly import run_flow

    run_flow(night, parameters)


@app.command()
def tune(
    models: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="The models, such as: als,item_knn. Default: all of the shelf that can be tuned.",
        ),
    ] = None,
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="The time for all models together, such as 30m, 2h or 1h30m.")
    ] = "30m",
    trials: Annotated[
        int | None,
        typer.Option(
            parser=whole_number("--trials", 1),
            metavar="NUMBER",
            help="At most this many trials of each model; then the result repeats.",
        ),
    ] = None,
    dataset: DatasetOption = None,
    home: Annotated[Path | None, home_option(help="As for recs run.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="As for recs run.")] = None,
    config: ConfigOption = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting, which is not searched then."),
    ] = None,
) -> None:
    """Search for better hyperparameters for later nights.

    Trials begin with the default settings. They are judged on an earlier window than the night's, cut out of what the
    night trains on, by the select half of its users: nothing that the night reports on can influence them. Settings in
    pipeline.toml stay as they are; only the others are searched.

    Settings that beat the defaults beyond chance are written to HOME/tuned.toml. The next night takes them between the
    defaults and pipeline.toml. A night may run meanwhile. Ctrl-C keeps what was found; the same command continues
    where it stopped, also after a kill, as long as the data are the same.

    Exit codes: 0 done, better settings or not; 1 failed; 2 usage or settings; 4 a night or another tune is running.
    """
    from flows.terminal.tuning import TuneTerminal, show_tuning
    from tasks.tuning.tune import budget_seconds, spaces, tune

    seconds = budget_seconds(budget)
    settings = load_settings(config, tuple(set_ or ()))
    settings.resources.put_into_force()
    names = parse_model_names(models)
    spaces(names, settings)  # a model that cannot be tuned is refused before a home is made
    where = open_home(dataset, home, name, check_input=partial(check_input, settings=settings))
    with TuneTerminal(out) as terminal:
        terminal.headline(where.dataset, where.path)
        found = tune(where, settings, names, terminal, seconds=seconds, trials=trials)
    show_tuning(out, found, where.tuned)


_GROUPS = (
    try_setting,
    configure,
    lookup,
    browse,
    outcomes,
    replay,
    export,
    maintenance,
    forgetting,
    doctor,
    schedule,
    deploy,
    notify,
    datasets,
)
"""In the order of `recs --help`."""
for _group in _GROUPS:
    app.add_typer(_group.commands)


def main() -> None:
    """Run the command. An error becomes one sentence on stderr and the exit code of its kind."""
    code = 0
    _process.update(logged=False, command="run")
    prepare_streams()
    end_stderr_at_exit()
    if asked_for(sys.argv[1:]):
        json_log()  # before anything is parsed: errors of that are events, too
    try:
        app()
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            err.print("Interrupted.")
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception as error:  # noqa: BLE001 - whatever it is, a person reads one sentence
        if _process["debug"]:
            traceback.print_exc()
        clear = as_night_error(error, _process["command"])
        log = installed()
        if log is None:
            print_error(clear, dated=_process["logged"])
        else:
            log.error(clear)
        code = clear.exit_code
        _drop_tracebacks(error)
    finally:
        flush_streams()
    end_at_once_after_outage(code)
    sys.exit(code)


def _drop_tracebacks(error: BaseException) -> None:
    """Drop the tracebacks of an error, of its causes and of their contexts.

    Prefect keeps errors until the process ends, and so does pydantic those of validators; their frames keep DuckDB's
    objects, and DuckDB complains of those at exit.
    """
    known, found = set[int](), [error]
    while found:
        one = found.pop()
        known.add(id(one))
        one.__traceback__ = None
        inside = [
            each["ctx"]["error"]
            for each in (one.errors() if isinstance(one, ValidationError) else ())
            if isinstance(each.get("ctx", {}).get("error"), BaseException)
        ]
        around = (one.__cause__, one.__context__, *inside)
        found += [e for e in around if e is not None and id(e) not in known]
