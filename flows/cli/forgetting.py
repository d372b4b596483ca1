"""Commands that forget users and items, and take them in again: docs/forgetting.md."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import DEFAULT_HOME, Commands, ConfigOption, HomeOption, SetOption
from flows.terminal.console import out
from tasks.config.load import load_settings
from tasks.errors import UsageError
from tasks.storage.home import existing_home

if TYPE_CHECKING:
    from tasks.forgetting.forget import Plan

commands = Commands()

UsersArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[USER]...", help="Ids of users, as the input files have them.")
]
ItemsOption = Annotated[
    list[str] | None,
    typer.Option("--items", metavar="ITEMS", help="Ids of items: 17,42. Repeat it for an id with a comma."),
]


@commands.command()
def forget(
    users: UsersArgument = None,
    items: ItemsOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    unseen: Annotated[
        bool,
        typer.Option("--unseen", help="Also take ids that no night has read, to refuse them in advance."),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Remove users from everything that a home holds, search for what is left, and refuse them from now on.

    They leave the lists of all kept runs at once; then the warehouse, the files in HOME/raw, the artifacts, records and
    pages of nights. Everybody else's lists stay as they are. Models and the like are removed, and the next night makes
    them anew. Files in an input folder of your own are not changed: those that still hold a user are named, and
    their rows refused. `recs remember` ends that.

    With `--items` items leave the catalogue, all lists and the input, too, and ranks close up.

    Examples: `recs forget 42`; `recs forget u-17 u-18 --home data/shop`; `recs forget --items 17,42 --dry-run`.
    After a kill, the same command finishes. docs/forgetting.md says what happens where.

    Exit codes: 0 nothing is left; 1 something is, or it was not confirmed; 2 usage, such as an unknown id; 4 a night
    is running.
    """
    from flows.terminal.forgetting import show_outcome, show_plan
    from tasks.forgetting.forget import forget

    chosen, where, settings = (
        _chosen("forget", users, items),
        existing_home(home),
        load_settings(config, tuple(set_ or ())),
    )

    def confirm(plan: Plan) -> bool:
        show_plan(out, plan, where)
        return not dry_run and (yes or _agreed())

    done = forget(where, settings, *chosen, confirm, unseen=unseen)
    if done is None:
        out.print("Nothing was changed.")
        raise typer.Exit(0 if dry_run else 1)
    show_outcome(out, done, where)
    if done.left.left or done.left.unread:
        raise typer.Exit(1)


@commands.command()
def remember(
    users: UsersArgument = None,
    items: ItemsOption = None,
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Take forgotten users or items in again, from the next night on.

    Only what the input folder still holds, or gets from now on, comes back. Files from which rows were refused are
    read again. Example: `recs remember 42`, `recs remember --items 17`.

    Exit codes: 0 done; 2 usage, such as an id that is not forgotten; 4 a night is running.
    """
    from tasks.forgetting.forget import remember

    chosen, where = _chosen("remember", users, items), existing_home(home)
    remember(where, load_settings(config, tuple(set_ or ())), *chosen)
    named = ", ".join([*chosen[0], *(f"item {each}" for each in chosen[1])])
    out.print(f"The next night takes in again: {named}.", markup=False, soft_wrap=True)


def _chosen(command: str, users: list[str] | None, items: list[str] | None) -> tuple[list[str], list[str]]:
    """Return the ids as typed; an option with one comma-separated value names several items."""
    values = items or []
    listed = values if len(values) != 1 else [part.strip() for part in values[0].split(",")]
    if not users and not listed:
        raise UsageError(
            "No user and no item is named.", f"Write recs {command} 42, or recs {command} --items 17,42."
        )
    return users or [], listed


def _agreed() -> bool:
    """Ask. No answer, as at the end of a pipe, is a no."""
    try:
        answer = typer.confirm("Forget them? This cannot be undone.", default=False)
    except typer.Abort:
        answer = False
    if not sys.stdin.isatty():
        out.print()  # nobody typed the line end
    return answer
