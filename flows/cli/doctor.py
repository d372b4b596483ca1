"""The command `recs doctor`: would a night run here tonight?"""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from flows.cli.options import DEFAULT_HOME, Commands, ConfigOption, HomeOption
from flows.terminal.console import out
from tasks.errors import NightError
from tasks.storage.home import existing_home

if TYPE_CHECKING:
    from tasks.diagnosis.finding import Examination, Finding

commands = Commands()
_COLOURS = {"OK": "green", "look": "yellow", "bad": "bold red"}


@commands.command()
def doctor(context: typer.Context, home: HomeOption = DEFAULT_HOME, config: ConfigOption = None) -> None:
    """Examine whether a night would run here: packages, disk, memory, artifacts, database, locks, Prefect.

    One line each: OK, look (somebody should), or bad (a night would fail), with what was seen and what to do. Nothing
    is changed, and a night may run meanwhile. Run it as the user, and with the environment, of the nights. A home that
    --home or RECS_HOME names must exist; without either, data/demo need not exist yet.

    Exit codes: 0 nothing is bad, 1 something is.
    """
    from tasks.diagnosis.finding import examine_all
    from tasks.diagnosis.settings_file import read_settings

    settings, readable = read_settings(config)
    if settings is not None:
        settings.resources.put_into_force()
    findings = [readable]
    source = context.get_parameter_source("home")
    is_named = source is not None and source.name != "DEFAULT"
    for name, examination in _examinations(home, settings, is_named=is_named):
        (found,) = examine_all([(name, examination)])
        findings.append(found)
    for found in findings:
        _print(found)
    bad = sum(found.verdict == "bad" for found in findings)
    if bad:
        out.print(f"{bad} of {len(findings)} {'is' if bad == 1 else 'are'} bad.", markup=False)
    raise typer.Exit(1 if bad else 0)


def _examinations(home: Path, settings: object, *, is_named: bool) -> list[tuple[str, Examination]]:
    """Return all examinations; without a home, or without settings, those that need neither.

    Args:
        home: the folder.
        settings: the settings; None if they are wrong.
        is_named: whether the user named the home, which is bad then if it does not exist.
    """
    from flows.prefect_runtime.diagnosis import examine_prefect
    from tasks.config.settings import Settings
    from tasks.diagnosis import resources, software
    from tasks.diagnosis.artifacts import examine_artifacts
    from tasks.diagnosis.finding import Finding, Verdict
    from tasks.diagnosis.serving_database import examine_database
    from tasks.diagnosis.settings_file import examine_notify
    from tasks.storage.health import read_health
    from tasks.storage.run_records import Runs

    found: list[tuple[str, Examination]] = [
        ("Python", software.examine_python),
        ("Packages", software.examine_packages),
        ("Threads", software.examine_threads),
    ]
    try:
        where = existing_home(home)
        runs = Runs(where.runs).all()
    except NightError as error:
        verdict: Verdict = "bad" if is_named or (home / "home.json").exists() else "look"
        fault = Finding("Home", verdict, str(error), error.hint)
        return [*found, ("Messages", examine_notify), ("Home", lambda: fault)]
    nights = f"{where.path}: {len(runs):,} {'night' if len(runs) == 1 else 'nights'} of {where.dataset}"
    found += [
        ("Messages", lambda: examine_notify(untold=read_health(where).untold)),
        ("Home", lambda: Finding("Home", "OK", nights)),
        ("Disk", partial(resources.examine_disk, where, runs)),
        ("Space", partial(resources.examine_disk_use, where)),
        ("Memory", partial(resources.examine_memory, runs)),
        ("Locks", partial(resources.examine_locks, where)),
        ("Clock", partial(resources.examine_clock, where, runs)),
        ("Prefect", partial(examine_prefect, where.prefect)),
    ]
    if isinstance(settings, Settings):
        found.append(("Artifacts", partial(examine_artifacts, where, settings.engine)))
        found.append(("Database", partial(examine_database, where, settings)))
    else:
        skipped = Finding("Database", "look", "not examined: the settings name it", "Mend them first.")
        found.append(("Database", lambda: skipped))
    return found


def _print(found: Finding) -> None:
    seen = escape(found.seen)
    text = f"{seen.removesuffix('.')}. [dim]{escape(found.advice)}[/]" if found.advice else seen
    colour = _COLOURS[found.verdict]
    out.print(f"[{colour}]{found.verdict:<5}[/] {found.name:<9} {text}", soft_wrap=True)
