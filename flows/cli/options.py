"""Commands, option types that several of them share, and parsers of command-line values.

A parser raises UsageError: one sentence with the value given and what was expected.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandFunctionType

from tasks.datasets.layouts import layout_names
from tasks.errors import UsageError
from tasks.storage.home import BUILT_IN
from tasks.storage.path_text import parse_path

HOME_VARIABLE = "RECS_HOME"


class Command(TyperCommand):
    """A command that takes ids below zero as arguments, and whose help shows no superfluous types."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments. Of those that look like options, numbers are ids: `recs show -1`."""
        try:
            return super().parse_args(ctx, list(args))
        except Exception as error:
            unknown = getattr(error, "option_name", "")
            if not unknown or not any(each.param_type_name == "argument" for each in self.params):
                raise
            if not unknown[1:2].isdigit():  # click names the first character of what it does not know
                error.message += f". If it is an id: recs {self.name} -- ID"  # type: ignore[attr-defined]
                raise
        ctx.ignore_unknown_options = True
        return super().parse_args(ctx, list(args))

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, `--help` too."""
        return _without_superfluous_types(super().get_params(ctx))


class Group(TyperGroup):
    """A group whose help shows no superfluous types."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, `--help` too."""
        return _without_superfluous_types(super().get_params(ctx))


def _without_superfluous_types(parameters: list[Any]) -> list[Any]:
    """Drop the types that typer shows after flags, which take no value, and after named arguments."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.param_type_name == "argument":
            parameter.display_type_rich = lambda ctx: None  # noqa: ARG005
    return parameters


class Commands(typer.Typer):
    """A collection of commands: `Command` each."""

    def __init__(self, **options: Any) -> None:
        ours: dict[str, Any] = {"cls": Group, "rich_markup_mode": "markdown", "add_completion": False}
        super().__init__(**ours | options)

    def command(
        self, name: str | None = None, **options: Any
    ) -> Callable[[CommandFunctionType], CommandFunctionType]:
        """Return a decorator that makes a function a command."""
        return super().command(name, **{"cls": Command} | options)


def parse_dataset(text: str) -> str:
    """Return the value of `--dataset`: a name as it is, a path with `~` expanded. Raises as `parse_path`."""
    path = parse_path("--dataset", text)
    return str(path) if text.startswith("~") else text


def parse_home(text: str | Path) -> Path:
    """Return the value of `--home` or, without that option, of RECS_HOME. Raises as `parse_path`."""
    given = str(text) != os.environ.get(HOME_VARIABLE)
    return parse_path("--home" if given else HOME_VARIABLE, text)


def parse_run_id(text: str) -> int:
    """Return the run id in `text`.

    Raises:
        UsageError: `text` is no number.
    """
    if not text.isdecimal():
        raise UsageError(
            f"{text!r} is not a run id.",
            "A run id is a number such as 20261121213234; `recs runs` lists them.",
        )
    return int(text)


def whole_number(option: str, minimum: int) -> Callable[[int | str], int]:
    """Return a parser for `option`, whose value must be a whole number of at least `minimum`."""

    def parse(text: int | str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise UsageError(f"{option} takes a whole number of at least {minimum} (given: {text}).")
        return number

    return parse


def parse_as_of(text: str | None) -> datetime | None:
    """Return the value of `--as-of` as a naive UTC datetime; None without it.

    Raises:
        UsageError: `text` is no ISO date.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--as-of {text!r} is not a date.", "Write it as 2026-01-31 or 2026-01-31T04:00:00."
        ) from None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found


home_option = partial(typer.Option, "--home", parser=parse_home, metavar="FOLDER", envvar=HOME_VARIABLE)
HomeOption = Annotated[Path, home_option(help="The home of a data set.")]
DEFAULT_HOME = Path("data/demo")
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        parser=parse_dataset,
        metavar="NAME|FOLDER",
        help=f"{', '.join(BUILT_IN)}, or the path of a folder, which wins over a name. Default: demo.",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        parser=partial(parse_path, "--config"),
        metavar="FILE",
        help="A settings file. Default: ./pipeline.toml",
    ),
]
LayoutOption = Annotated[
    str | None,
    typer.Option(
        "--layout",
        metavar="NAME",
        help="The settings of a public data set as it is published, in place of a file: "
        f"{', '.join(layout_names())}. See `recs layouts`.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, such as models.als.factors=64."),
]
Length = Annotated[
    int, typer.Option("-n", parser=whole_number("-n", 1), metavar="NUMBER", help="How many items.")
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document in place of tables, for other programs.")
]
