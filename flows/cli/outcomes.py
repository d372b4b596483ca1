"""The command `outcomes`: what users did after lists were made, and the trial."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.options import DEFAULT_HOME, Commands, HomeOption, parse_run_id
from flows.terminal.console import out
from tasks.errors import UsageError
from tasks.storage.home import existing_home

commands = Commands()


@commands.command()
def outcomes(
    run_id: Annotated[
        int | None,
        typer.Argument(
            parser=parse_run_id,
            metavar="RUN",
            help="A run's id, for its lists in detail. Default: all kept runs.",
        ),
    ] = None,
    trial: Annotated[
        bool,
        typer.Option(
            "--trial", help="Compare the arms of the newest trial, and say which lists were better."
        ),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show what users did after their lists were made: which share took something up, and from which rows.

    Every night judges the lists of the kept runs by the interactions that came after them. `recs outcomes` shows a line
    per run, `recs outcomes 20261129020000` one run by model and class of users, and `recs outcomes --trial` compares
    the lists of the challenger with those of the champion, if `publish.trial` is set. See docs/outcomes.md.
    """
    if trial and run_id is not None:
        raise UsageError(
            f"--trial pools the nights of a trial, and takes no run (given: {run_id}).",
            "Write recs outcomes --trial, or recs outcomes RUN.",
        )
    from flows.terminal import outcomes as terminal

    where = existing_home(home)
    if trial:
        from tasks.config.settings import JudgeSettings
        from tasks.outcomes.trial import compare_arms, read_trial
        from tasks.storage.run_records import Runs

        about, windows, settings = read_trial(Runs(where.runs))
        judge = JudgeSettings.model_validate(settings.get("judge", {}))
        terminal.show_trial(
            out, compare_arms(about, windows, judge, seed=settings["run"]["seed"]), judge.confidence
        )
        return
    from tasks.outcomes.find_outcomes import find_outcomes

    found = find_outcomes(where, run_id)
    if run_id is None:
        terminal.show_outcomes(out, found)
    else:
        terminal.show_outcomes_of_run(out, found)
