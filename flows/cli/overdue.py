"""`recs runs --overdue`: one sentence and an exit code for monitors."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from tasks.config.load import load_settings
from tasks.errors import UsageError
from tasks.storage.home import existing_home, in_use

_UNITS = {"d": 86_400, "h": 3_600, "m": 60}
_TIME = re.compile(r"(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?")
_LONGEST = timedelta(days=3650)
_CLOCK_LEEWAY = timedelta(hours=1)


def parse_time(text: str) -> timedelta:
    """Return the value of `--overdue`.

    Raises:
        UsageError: it is not of the form 26h, 2d or 1d12h30m, is no time at all, or ten years or more.
    """
    found = _TIME.fullmatch(text.strip())
    seconds = 0
    if found is not None:
        seconds = sum(int(number) * _UNITS[unit] for unit, number in found.groupdict().items() if number)
    if not 0 < seconds < _LONGEST.total_seconds():
        raise UsageError(
            f"--overdue {text!r} is not a time.", "Write it as 26h, 2d or 1d12h30m; less than ten years."
        )
    return timedelta(seconds=seconds)


def say_whether_overdue(text: str, folder: Path, config: Path | None = None) -> tuple[str, int]:
    """Return whether a home's next good night is overdue, in a sentence, and the exit code. If so, somebody is told.

    Args:
        text: the greatest age of the last good night, such as 26h.
        folder: the home.
        config: the settings file of its nights; None for pipeline.toml in the current folder.

    Raises:
        UsageError: `text` is no time, there is no home, or the settings are wrong.
    """
    from tasks.notification.tell import Teller
    from tasks.storage.health import last_good, utc_now

    limit, home = parse_time(text), existing_home(folder)
    teller, running = Teller(home, load_settings(config)), in_use(home)
    teller.catch_up(running=running)
    good, now = last_good(home), utc_now()
    still = " A night is running." if running else ""
    if good is not None and good > now + _CLOCK_LEEWAY:
        return (
            f"The last good night of {home.dataset} ended in the future, at {good} UTC: was the clock wrong?",
            1,
        )
    if good is not None and now - good <= limit:
        return f"The last good night of {home.dataset} ended {_ago(now - good)} ago, at {good} UTC.{still}", 0
    since = "" if good is None else f" for {_ago(now - good)}, since {good} UTC"
    sentence = (
        f"There has been no good night of {home.dataset}{since}; one within {text} was expected.{still}"
    )
    teller.overdue(sentence)
    return sentence, 1


def _ago(time: timedelta) -> str:
    """Return a time in days, hours and minutes, such as `1 d 2 h 5 min`."""
    minutes = max(0, int(time.total_seconds() // 60))
    parts = ((minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "less than a minute"
