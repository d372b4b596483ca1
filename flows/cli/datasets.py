"""Commands that bring a data set: generate a synthetic one, download one of MovieLens."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import Commands, whole_number
from flows.terminal.console import Terminal, out
from tasks.datasets.layouts import layout_file, layout_names, summary_of
from tasks.errors import UsageError
from tasks.storage.home import BUILT_IN, open_home
from tasks.storage.path_text import parse_path

commands = Commands()


@commands.command()
def layouts(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Print the settings of this layout, such as steam, as TOML."),
    ] = None,
) -> None:
    """List the public data sets that `recs run --dataset FOLDER --layout NAME` reads as they are published.

    To change one: `recs layouts steam > steam.toml`, edit it, and give it by `--config steam.toml`.
    """
    if name is not None:
        out.file.write(layout_file(name).read_text(encoding="utf-8"))
        return
    for each in layout_names():
        out.print(f"{each:<15} {summary_of(each)}", markup=False, soft_wrap=True, highlight=False)


@commands.command()
def generate(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=partial(parse_path, "FOLDER"),
            metavar="FOLDER",
            help="Where to write ratings.csv, tags.csv, movies.csv, events.csv, users.csv, links.csv and "
            "relations.csv.",
        ),
    ],
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            metavar="NAME",
            help="Size and habits of rating of a public data set: ml-1m, ml-25m or netflix. "
            "A size given beside it wins.",
        ),
    ] = None,
    users: Annotated[
        int | None,
        typer.Option(
            parser=whole_number("--users", 1),
            metavar="NUMBER",
            help="How many users who rate. Default: 2000.",
        ),
    ] = None,
    items: Annotated[
        int | None,
        typer.Option(
            parser=whole_number("--items", 1), metavar="NUMBER", help="How many items. Default: 3000."
        ),
    ] = None,
    ratings: Annotated[
        int | None,
        typer.Option(
            parser=whole_number("--ratings", 1),
            metavar="NUMBER",
            help="How many ratings. Default: 200000.",
        ),
    ] = None,
    tags: Annotated[
        int | None,
        typer.Option(
            parser=whole_number("--tags", 0),
            metavar="NUMBER",
            help="How many tags. 0: no tags.csv is written. Default: 20000.",
        ),
    ] = None,
    events: Annotated[
        bool,
        typer.Option(
            "--events/--no-events", help="Write events.csv. The other files are the same without it."
        ),
    ] = True,
    seed: Annotated[
        int,
        typer.Option(
            parser=whole_number("--seed", 0), metavar="NUMBER", help="The same seed gives the same bytes."
        ),
    ] = 7,
) -> None:
    """Make a realistic data set of any size, in little memory.

    Then: recs run --dataset FOLDER
    """
    from tasks.datasets.synthetic.generate import generate_demo
    from tasks.datasets.synthetic.public_sets import imitated

    size, habits = imitated(like, users=users, items=items, ratings=ratings, tags=tags)
    with Terminal(out) as terminal, terminal.bar("generate") as progress:
        written = generate_demo(
            folder, **asdict(size), seed=seed, events=events, habits=habits, progress=progress
        )
    rows = {"tags.csv": written.tags, "events.csv": written.events, "links.csv": written.links}
    without = " and no ".join(name for name, count in rows.items() if not count)
    out.print(f"{folder}: {written}{f', so no {without}' if without else ''}", markup=False, soft_wrap=True)


@commands.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="ml-latest-small, ml-25m or ml-32m.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            parser=partial(parse_path, "--folder"),
            metavar="FOLDER",
            help="Where to put it. Default: the raw/ folder of its home.",
        ),
    ] = None,
) -> None:
    """Download a MovieLens data set, verify it, unpack it. A download cut short goes on where it stopped."""
    from tasks.datasets.movielens import fetch

    if name == "demo" or name not in BUILT_IN:
        raise UsageError(f"There is no data set {name!r} to fetch.", f"Known: {', '.join(BUILT_IN[1:])}.")
    target = folder or _home_of(name)
    with Terminal(out) as terminal, terminal.bar("fetch") as progress:
        where = fetch(name, target, progress=progress)
    out.print(f"{name} is in {where}. Next: recs run --dataset {folder or name}", soft_wrap=True)


def _home_of(name: str) -> Path:
    """Return the raw/ folder of a built-in data set's home.

    Raises:
        UsageError: a folder in the current one has the name, and nights would read that folder.
    """
    if Path(name).is_dir():
        raise UsageError(
            f"There is a folder {name} here, which recs run --dataset {name} reads.",
            "Download into another folder with --folder, or move this one away.",
        )
    return open_home(name, None).path / "raw"
