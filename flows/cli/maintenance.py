"""The commands that look after the serving database between nights."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.options import DEFAULT_HOME, HomeOption, run_number, whole
from flows.terminal.console import out
from tasks.config.load import load_settings
from tasks.storage.home import existing_home, locked


def verify(
    run_id: Annotated[
        int | None,
        typer.Argument(parser=run_number, metavar="[RUN]", help="A run's id. Default: the live one."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Read a run's lists back from the serving database and compare them with what was published.

    Exit codes: 0 they are the same; 3 they are not; 2 there is nothing to compare.
    """
    from tasks.publication.maintenance import verify
    from tasks.publication.queries import lists_of

    where = existing_home(home)
    with lists_of(where, load_settings()) as target:
        run = verify(target, run_id)
    out.print(
        f"Run {run.run_id}: all lists, {run.rows:,} rows of recommendations, are as they were published."
    )


def prune(
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            parser=whole("--keep", 1),
            metavar="NUMBER",
            help="How many runs to keep. Default: publish.keep_runs.",
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Remove old runs' lists from the serving database now, and whatever a killed night left there.

    Every night does so by itself when it ends. The live run always stays. PostgreSQL gives the space back; a SQLite
    file keeps it for the nights to come.
    """
    from tasks.publication.maintenance import prune
    from tasks.publication.queries import name_home_in_hints
    from tasks.publication.targets.connect import open_target, serving_url

    where, settings = existing_home(home), load_settings()
    with (
        name_home_in_hints(where),
        locked(where),
        open_target(serving_url(where, settings), owner=where.owner) as target,
    ):
        done = prune(target, keep or settings.publish.keep_runs)
        left = len(target.published_runs())
    gone = ", ".join(map(str, done.runs)) or "nothing"
    out.print(f"Removed {gone}, {done.bytes / 2**20:,.0f} MB; {left} kept.", soft_wrap=True)
