"""What is typed after a command, read: a mistake is one sentence on what was given and what is meant to be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tasks.errors import UsageError

HomeOption = Annotated[Path, typer.Option("--home", envvar="RECS_HOME", help="The home of a data set.")]
DEFAULT_HOME = Path("data/demo")


def run_number(text: str) -> int:
    """The id of a run."""
    if not text.isdecimal():
        raise UsageError(
            f"{text!r} is no run.", "A run is named by a number such as 20261121213234: recs runs lists them."
        )
    return int(text)


def whole(name: str, least: int) -> Callable[[int | str], int]:
    """What reads the option `name`, a whole number of at least `least`."""

    def parse(text: int | str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise UsageError(f"{name} takes a whole number of at least {least} (given: {text}).")
        return number

    return parse


def moment(text: str | None) -> datetime | None:
    """A moment in UTC, such as `--as-of` asks for."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--as-of {text!r} is no date.", "Write it as 2026-01-31 or 2026-01-31T04:00:00."
        ) from None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
