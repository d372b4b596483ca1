"""The command `recs try`: judge a setting of a model against the last night, without publishing anything."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from flows.cli.options import DEFAULT_HOME, Commands, HomeOption, JsonOption, parse_run_id
from flows.terminal.console import out
from tasks.config.load import load_settings
from tasks.storage.home import existing_home

commands = Commands()


class HalfName(StrEnum):
    """A half of the held-out users."""

    select = "select"
    report = "report"


@commands.command("try")
def try_(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model, on the shelf or not.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting of this model, such as factors=64."),
    ] = None,
    run_id: Annotated[
        int | None,
        typer.Option(
            "--run",
            parser=parse_run_id,
            metavar="RUN",
            help="The night to compare with. Default: the newest that judged.",
        ),
    ] = None,
    half: Annotated[
        HalfName,
        typer.Option(help="Which held-out users: those that models are chosen by, or those of the report."),
    ] = HalfName.select,
    json_: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Fit a model with other settings on what the last night trained on, and judge it beside that night's models.

    Settings that --set leaves out are those of that night. Differences are paired over the users, with intervals.
    Nothing is published, and no night is changed. Whoever tries much and keeps the best has chosen by the users of the
    select half: look at --half report once, at the end.
    """
    from flows.terminal.json_output import print_json
    from flows.terminal.tried import TryTerminal, show_tried
    from tasks.tuning.try_setting import judged_night, tried_config, try_setting

    load_settings().resources.put_into_force()
    night = judged_night(existing_home(home), run_id)
    config = tried_config(night, model, set_ or ())
    with TryTerminal(model) as progress:
        found = try_setting(night, model, config, half=half.value, progress=progress)
    if json_:
        print_json(out, found)
    else:
        show_tried(out, found, set_ or ())
