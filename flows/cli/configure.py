"""Commands about settings and SQL: write a settings file, show what is in force and why, print a query."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Commands, ConfigOption, JsonOption, SetOption, home_option
from flows.terminal.console import out
from tasks.storage.path_text import parse_path

commands = Commands()


@commands.command()
def init(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=partial(parse_path, "FOLDER"), metavar="FOLDER", help="Where nights are to be started."
        ),
    ] = Path(),
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            parser=partial(parse_path, "--data"),
            metavar="FOLDER",
            help="A folder of your CSV or Parquet files: their columns are looked at and written down.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a settings file that is there.")] = False,
) -> None:
    """Write pipeline.toml, the settings file, into a folder: every setting with its default and a comment.

    With --data the names of your files and columns are guessed and filled in: look them through before the first night.
    """
    from flows.terminal.settings import show_guesses
    from tasks.config.new_file import write_settings_file
    from tasks.ingestion.guess_columns import guess_files, values_of

    guesses = [] if data is None else guess_files(data)
    path = write_settings_file(folder, values_of(guesses), force=force)
    show_guesses(out, path, guesses, data)


@commands.command()
def settings(
    section: Annotated[
        str | None,
        typer.Argument(metavar="SECTION", help="Only these, such as split or models.als. Default: all."),
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only those that are not the defaults.")] = False,
    json_: JsonOption = False,
    home: Annotated[
        Path | None,
        home_option(help="A home, whose tuned settings count, too."),
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Show every setting in force, and where its value comes from: --set, the environment, a file, or the default.

    Addresses that may hold a password are hidden.
    """
    from flows.terminal.json_output import print_json
    from flows.terminal.settings import show_settings
    from tasks.config.origins import in_section, settings_with_origins
    from tasks.storage.home import existing_home

    tuned = None if home is None else existing_home(home).tuned
    found = settings_with_origins(config, tuple(set_ or ()), tuned=tuned)
    if section is not None:
        found = in_section(found, section)
    if changed:
        found = [each for each in found if each.is_changed]
    if json_:
        print_json(out, [{"name": each.name, "value": each.value, "origin": each.origin} for each in found])
    else:
        show_settings(out, found)


@commands.command()
def sql(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A query, such as login. Default: what there is."),
    ] = None,
) -> None:
    """Print the SQL of a query on the lists, for an application or for a client such as sqlite3 and psql.

    `recs sql` lists the queries. Words with a colon, such as :user, are parameters.
    """
    from flows.terminal.settings import show_queries
    from tasks.publication.shipped_queries import shipped_queries, shipped_query

    if name is None:
        show_queries(out, shipped_queries())
    else:
        out.print(shipped_query(name), markup=False, soft_wrap=True, end="")
