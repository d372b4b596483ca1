"""The command `recs replay`: past nights, and what users did after them."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Commands, ConfigOption, DatasetOption, SetOption, home_option
from flows.terminal.console import err, out
from tasks.config.load import load_settings, parse_model_names
from tasks.errors import UsageError
from tasks.ingestion.first_look import check_input
from tasks.storage.home import open_home
from tasks.storage.path_text import parse_path

commands = Commands()


@commands.command()
def replay(
    since: Annotated[
        str, typer.Option("--from", metavar="DATE", help="The first day (UTC), such as 2017-01-01.")
    ],
    until: Annotated[
        str, typer.Option("--to", metavar="DATE", help="The end of the days, which is not replayed itself.")
    ],
    every: Annotated[
        str, typer.Option("--every", metavar="TIME", help="The time between two nights: 1d, 7d or 4w.")
    ] = "7d",
    models: Annotated[
        str | None, typer.Option(metavar="NAMES", help="The models, such as: als,item_knn")
    ] = None,
    variants: Annotated[
        Path | None,
        typer.Option(
            parser=partial(parse_path, "--variants"),
            metavar="FILE",
            help="A TOML file: a table per variant, with `every` and settings of its own.",
        ),
    ] = None,
    horizon: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How long after each day lists are judged by what users did. Default: --every.",
        ),
    ] = None,
    dataset: DatasetOption = None,
    home: Annotated[Path | None, home_option(help="As for recs run.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="As for recs run.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Run the nights of past days on what was known then, and judge their lists by what users did next.

    Nothing is published. Every model of the shelf makes lists of its own, so that the table answers "is this model
    worth its minutes?"; a variant answers "what would weekly nights cost?" or "what would more factors gain?":

        recs replay --from 2017-01-01 --to 2018-01-01 --every 1d --variants variants.toml

    with variants.toml:

        [weekly]
        every = "7d"

        [als_big]
        models.als.factors = 512

        [always_cold]
        warm_start.enabled = false

    The table, replay.csv and replay.html lie in HOME/replays/. A replay that was stopped goes on with the same command,
    as long as data, settings and code are the same; a later --to adds days. A night may run meanwhile.

    Exit codes: 0 done; 1 failed; 2 usage or settings; 4 another replay or, at the beginning, a night is running.
    """
    from flows.terminal.replay import ReplayTerminal, show_replay
    from tasks.replay.plan import make_plan, parse_period, refuse_future
    from tasks.replay.replay import replay
    from tasks.replay.replay_page import write_page
    from tasks.replay.summary import summarise, write_csv
    from tasks.replay.variants import read_variants

    step = parse_period(every, "--every")
    window = step if horizon is None else parse_period(horizon, "--horizon")
    names = parse_model_names(models)
    overrides = (*(set_ or ()), *((f"models.shelf={','.join(names)}",) if names else ()))

    def settings_with(further: tuple[str, ...]):  # type: ignore[no-untyped-def]
        return load_settings(config, (*overrides, *further))

    found = read_variants(variants, step, settings_with)
    settings_with(()).resources.put_into_force()
    plan = make_plan(_date(since, "--from"), _date(until, "--to"), step, window, found)
    refuse_future(plan, datetime.now(UTC).replace(tzinfo=None, microsecond=0))
    where = open_home(dataset, home, name, check_input=partial(check_input, settings=found[0].settings))
    try:
        with ReplayTerminal(out) as terminal:
            terminal.headline(where.dataset, where.path)
            done = replay(where, plan, terminal)
    except KeyboardInterrupt:
        err.print("Finished days are kept; the same command continues where it stopped.")
        raise typer.Exit(130) from None
    outcome = summarise(done)
    show_replay(out, done, outcome, csv=write_csv(done), page=write_page(done, outcome))


def _date(text: str, option: str) -> datetime:
    """Return a date as a naive UTC datetime.

    Raises:
        UsageError: `text` is no date.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a date.", "Write it as 2017-01-31.") from None
    if found.time() != found.min.time() or found.tzinfo is not None:
        raise UsageError(f"{option} {text!r} has a time of day.", "Write a date alone, such as 2017-01-31.")
    return found
