"""Option types that several commands share, and parsers of command-line values.

A parser raises UsageError: one sentence with the value given and what was expected.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tasks.errors import UsageError


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


HomeOption = Annotated[Path, typer.Option("--home", envvar="RECS_HOME", help="The home of a data set.")]
DEFAULT_HOME = Path("data/demo")
ConfigOption = Annotated[Path | None, typer.Option(help="A settings file. Default: ./pipeline.toml")]
Length = Annotated[
    int, typer.Option("-n", parser=whole_number("-n", 1), metavar="NUMBER", help="How many items.")
]
