"""Messages on how nights end: what happened, why, which lists are live, what to do. Pure: from records to text."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from tasks.config.notify_settings import Ending
from tasks.errors import NightError
from tasks.storage.run_records import Run

Kind = Literal["failure", "warning", "success", "info"]
"""How apprise shows a message."""

_IN_TITLES: dict[Ending, tuple[str, Kind]] = {
    "failed": ("failed", "failure"),
    "held_back": ("held back by a check", "warning"),
    "interrupted": ("interrupted", "warning"),
    "overdue": ("overdue", "failure"),
    "recovered": ("good again", "success"),
    "not_switched": ("not switched", "warning"),
}
KILLED = "It ended without a result: it was killed, or the machine went down."


@dataclass(frozen=True)
class Message:
    """A message for people.

    Attributes:
        ending: that it tells; None for a test.
        title: one line.
        text: several lines, without markup.
        kind: how it is shown.
    """

    ending: Ending | None
    title: str
    text: str
    kind: Kind


def night_message(ending: Ending, run: Run, home: Path, *, hint: str = "", page: str = "") -> Message:
    """Return the message on a night that has begun.

    Args:
        ending: how it ended.
        run: its record, closed.
        home: its home.
        hint: what to do, if an error said so.
        page: the address of its page; empty if it has none.
    """
    live = f"Its own lists are live: run {run.run_id}." if run.switched else run.still_live
    lines = {
        "Run": f"{run.run_id} of {run.dataset} in {home}",
        "Cause": run.reason,
        "Live lists": "" if live in run.reason else live,
        "What to do": hint or _advice(ending, run, home),
        "Page": page,
    }
    return _message(ending, run.dataset, lines)


def killed_message(run: Run, home: Path) -> Message:
    """Return the message on a night that was killed, or whose machine went down."""
    stage = run.stages[-1] if run.stages else None
    after = (
        f" The last finished stage was {' '.join(filter(None, (stage.stage, stage.model)))}." if stage else ""
    )
    begun = f", begun {run.attempt} times," if run.attempt > 1 else ""
    lines = {
        "Run": f"{run.run_id}{begun} of {run.dataset} in {home}",
        "Cause": f"{KILLED}{after}",
        "Live lists": run.still_live,
        "What to do": f"Look in the system's log for the reason, such as too little memory. {_again(home)} "
        "continues after the last finished stage.",
    }
    return _message("failed", run.dataset, lines)


def not_begun_message(dataset: str, home: Path, error: NightError) -> Message:
    """Return the message on a night that could not begin because of an error."""
    lines = {
        "Run": f"none: the night of {dataset} in {home} could not begin",
        "Cause": str(error),
        "Live lists": "those that were live before",
        "What to do": error.hint or f"Mend the cause and run again: {_again(home)}",
    }
    return _message("failed", dataset, lines)


def recovered_message(dataset: str, home: Path, *, before: str, why: str) -> Message:
    """Return the message on the first good night after a bad one.

    Args:
        dataset, home: of the night.
        before: how the night before it ended.
        why: how this one ended, in a sentence.
    """
    lines = {"Night": f"of {dataset} in {home}", "Before": before.replace("_", " "), "Now": why}
    return _message("recovered", dataset, lines)


def overdue_message(dataset: str, home: Path, sentence: str) -> Message:
    """Return the message that no good night has come for too long; `sentence` says since when."""
    lines = {
        "Night": f"of {dataset} in {home}",
        "Cause": sentence,
        "What to do": f"Did the scheduler start it? `recs runs --home {shlex.quote(str(home))}` lists the nights.",
    }
    return _message("overdue", dataset, lines)


def check_message(dataset: str, home: Path, now: datetime) -> Message:
    """Return a message by which to find out whether messages arrive."""
    text = (
        f"This is a test, sent at {now:%Y-%m-%d %H:%M:%S} UTC. Nights of {dataset} in {home} are told here."
    )
    return Message(None, f"nightly-recs {dataset}: test", text, "info")


def _message(ending: Ending, dataset: str, lines: dict[str, str]) -> Message:
    words, kind = _IN_TITLES[ending]
    text = "\n".join(f"{name}: {value}" for name, value in lines.items() if value)
    return Message(ending, f"nightly-recs {dataset}: {words}", text, kind)


def _advice(ending: Ending, run: Run, home: Path) -> str:
    where = f"--home {shlex.quote(str(home))}"
    if ending == "held_back" and run.expected_live is not None:
        return (
            f"The cause says it; `recs compare {run.expected_live} {run.run_id} {where}` shows what changed."
        )
    if ending == "interrupted":
        return f"{_again(home)} continues where it stopped."
    if ending == "not_switched":
        return f"Nothing, unless these lists should be live: `recs run --force {where}`."
    return f"Mend the cause and run again: {_again(home)}"


def _again(home: Path) -> str:
    return f"`recs run --home {shlex.quote(str(home))}`"
