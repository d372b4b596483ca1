"""Commands that look after the serving database between nights: roll back, verify, prune, move, take over."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import DEFAULT_HOME, Commands, HomeOption, JsonOption, parse_run_id, whole_number
from flows.terminal.console import out
from tasks.config.load import load_settings
from tasks.storage.home import existing_home, locked, make_home

if TYPE_CHECKING:
    from tasks.publication.adoption import Adopted

commands = Commands()


@commands.command()
def rollback(
    run_id: Annotated[
        int | None,
        typer.Argument(parser=parse_run_id, metavar="RUN", help="Default: the one before the live one."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make an earlier run's lists live again, at once. The run left is not made live again without --force."""
    from tasks.publication.queries import name_home_in_hints
    from tasks.run.lifecycle import roll_back

    where = existing_home(home)
    with name_home_in_hints(where):
        live = roll_back(where, load_settings(), run_id)
    out.print(f"Run {live} is live.")


@commands.command()
def verify(
    run_id: Annotated[
        int | None,
        typer.Argument(parser=parse_run_id, metavar="RUN", help="A run's id. Default: the live one."),
    ] = None,
    json_: JsonOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Read a run's lists back from the serving database and compare them with what was published.

    Exit codes: 0 they are the same; 3 they are not; 2 there is nothing to compare.
    """
    from flows.terminal.json_output import print_json
    from tasks.publication.maintenance import verify
    from tasks.publication.queries import lists_of

    where = existing_home(home)
    with lists_of(where, load_settings()) as target:
        run = verify(target, run_id)
    if json_:
        print_json(out, {"run_id": run.run_id, "rows": run.rows, "as_published": True})
    else:
        out.print(
            f"Run {run.run_id}: all lists, {run.rows:,} rows of recommendations, are as they were published."
        )


@commands.command()
def prune(
    keep: Annotated[
        int | None,
        typer.Option(
            "--keep",
            parser=whole_number("--keep", 1),
            metavar="NUMBER",
            help="How many runs to keep. Default: publish.keep_runs.",
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Remove old runs' lists from the serving database now, and whatever a killed night left there.

    Every night does this when it ends. The live run always stays. PostgreSQL gives the space back; a SQLite file keeps
    it for later nights.
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
    removed = ", ".join(map(str, done.runs)) or "nothing"
    out.print(f"Removed {removed}, {done.bytes / 2**20:,.0f} MB; {left} kept.", soft_wrap=True)


@commands.command()
def target(
    move: Annotated[
        bool,
        typer.Option("--move", help="Publish from now on to the database that RECS_PUBLISH__URL names."),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show which database a home publishes to, or move the home to another one.

    A home remembers its database, without user and password, and refuses another one: a forgotten variable must not
    send the lists elsewhere. The lists in the old database stay as they are; the next night publishes to the new one.
    """
    from tasks.publication.adoption import move_target
    from tasks.publication.targets.connect import serving_url

    where, settings = existing_home(home), load_settings()
    if not move:
        serving_url(where, settings)  # refuses another database than the home's
        none_yet = "The home has published to no database yet: the first night decides."
        out.print(where.target or none_yet, markup=False, soft_wrap=True)
        return
    before, now = move_target(where, settings)
    moved = f"The next night publishes to {now}."
    stay = f" The lists in {before} stay as they are." if before not in (None, now) else ""
    out.print(f"{moved}{stay}", markup=False, soft_wrap=True)


@commands.command()
def adopt(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take over the serving database of a home that was lost, with its lists.

    The database that RECS_PUBLISH__URL names then belongs to this home, which is made if there is none. Its lists stay
    live until the next night. The home that it belonged to can publish there no longer.
    """
    from tasks.publication.adoption import adopt, database_to_adopt

    settings = load_settings()
    if (home / "home.json").exists():
        where = existing_home(home)
        new_owner = f"{where.owner} ({where.path})"
        done = adopt(where, settings, lambda found: yes or _agreed(found, new_owner))
    else:
        done = database_to_adopt(settings)
        path = Path("data") / done.dataset if home == DEFAULT_HOME else home
        if yes or _agreed(done, f"a new home, {path}, of the data set {done.dataset}"):
            where = make_home(path, done.dataset)
            done = adopt(where, settings, lambda _: True)
        else:
            done = None
    if done is None:
        out.print("Nothing was changed.")
        raise typer.Exit(1)
    out.print(f"{done.place} belongs to {where.path} now.", markup=False, soft_wrap=True)


def _agreed(found: Adopted, new_owner: str) -> bool:
    """Say what would be taken over, and ask. No answer, as at the end of a pipe, is a no."""
    live = "no lists are live" if found.live is None else f"run {found.live} is live and stays so"
    kept = "1 run is kept" if found.runs == 1 else f"{found.runs} runs are kept"
    out.print(
        f"{found.place} belongs to the home {found.owner}; {live}, {kept}. It will belong to {new_owner}, and the "
        "other home can publish there no longer.",
        markup=False,
        soft_wrap=True,
    )
    try:
        answer = typer.confirm("Take it over?", default=False)
    except typer.Abort:
        answer = False
    if not sys.stdin.isatty():
        out.print()  # nobody typed the line end
    return answer
