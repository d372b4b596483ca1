"""Messages name the run, the cause, the live lists, and what to do."""

from pathlib import Path

import pytest

from tasks.errors import NightError
from tasks.notification.message import (
    killed_message,
    night_message,
    not_begun_message,
    overdue_message,
    recovered_message,
)
from tests.tasks.reporting.nights import night

HOME = Path("/srv/my home")
AGAIN = "`recs run --home '/srv/my home'`"


def test_a_failed_night_names_stage_live_lists_and_what_to_do() -> None:
    run = night(status="failed", reason="stage fit als: It broke.", expected_live=7)
    message = night_message("failed", run, HOME, hint="Mend it.", page="file:///p")
    assert (message.title, message.kind) == ("nightly-recs demo: failed", "failure")
    assert message.text.splitlines() == [
        f"Run: {run.run_id} of demo in /srv/my home",
        "Cause: stage fit als: It broke.",
        "Live lists: The lists of run 7 stay live.",
        "What to do: Mend it.",
        "Page: file:///p",
    ]


def test_a_held_back_night_says_nothing_twice() -> None:
    reason = "Check overlap failed: 0.1. The lists of run 7 stay live. Raise it."
    message = night_message("held_back", night(status="check_failed", reason=reason, expected_live=7), HOME)
    assert message.text.count("stay live") == 1
    assert "`recs compare 7 20261121050000 --home '/srv/my home'`" in message.text


@pytest.mark.parametrize(("ending", "advice"), [("failed", AGAIN), ("interrupted", f"{AGAIN} continues")])
def test_without_a_hint_the_command_is_named(ending, advice: str) -> None:
    assert advice in night_message(ending, night(status="failed"), HOME).text


def test_a_killed_night_names_its_last_stage() -> None:
    message = killed_message(night(status="running", reason=""), HOME)
    assert "was killed, or the machine went down. The last finished stage was fit als." in message.text
    assert "There are no earlier lists" in message.text
    assert "last finished stage was" not in killed_message(night(status="running", stages=[]), HOME).text


def test_a_night_that_could_not_begin_is_told() -> None:
    message = not_begun_message("demo", HOME, NightError("The database is out of reach."))
    assert "could not begin" in message.text
    assert "Cause: The database is out of reach.\n" in message.text
    assert AGAIN in message.text


def test_recovery_and_overdue_nights_are_told() -> None:
    good = recovered_message("demo", HOME, before="held_back", why="Run 8 is live.")
    assert (good.kind, "Before: held back\nNow: Run 8 is live." in good.text) == ("success", True)
    late = overdue_message("demo", HOME, "There has been no good night.")
    assert "Cause: There has been no good night.\n" in late.text
