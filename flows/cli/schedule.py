"""What to paste into a scheduler, so that the night runs by itself."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from cronsim import CronSim, CronSimError

from tasks.errors import UsageError

_CRON_FIELDS = 5
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EXAMPLE = 'For two at night: --cron "0 2 * * *"'


def schedule_text(cron: str, arguments: list[str], folder: Path) -> str:
    """A crontab line and a pair of systemd units that run `recs run` from `folder`.

    Raises:
        UsageError: `cron` is no schedule that every cron understands.
    """
    calendar = "\n".join(f"OnCalendar={when}" for when in calendar_events(cron))
    command = shlex.join([str(Path(sys.executable).parent / "recs"), "run", *arguments])
    line = f"{cron} cd {shlex.quote(str(folder))} && {command} >> recs.log 2>&1".replace("%", r"\%")
    return f"""# cron: add with `crontab -e`
{line}

# or systemd: /etc/systemd/system/nightly-recs.service
[Unit]
Description=nightly-recs

[Service]
Type=oneshot
WorkingDirectory={_unit_value(str(folder))}
ExecStart={_unit_value(command)}

# and /etc/systemd/system/nightly-recs.timer, then: systemctl enable --now nightly-recs.timer
[Unit]
Description=nightly-recs, on its schedule

[Timer]
{calendar}
Persistent=true

[Install]
WantedBy=timers.target"""


def calendar_events(cron: str) -> list[str]:
    """The same schedule in systemd's words; see systemd.time(7), Calendar Events.

    Where cron means "this day of the month or this day of the week", these are two events.

    Raises:
        UsageError: see `schedule_text`.
    """
    parsed = _parse(cron)
    time = f"{_numbers(parsed.hours, range(24))}:{_numbers(parsed.minutes, range(60))}:00"
    month, day = _numbers(parsed.months, range(1, 13)), _numbers(parsed.days, range(1, 32))
    weekdays = {
        (number - 1) % 7 for number in parsed.weekdays if isinstance(number, int)
    }  # Sunday is 0 and 7
    names = ",".join(_DAYS[number] for number in sorted(weekdays))
    if len(weekdays) == len(_DAYS):
        return [f"*-{month}-{day} {time}"]
    if parsed.day_and:
        return [f"{names} *-{month}-{day} {time}"]
    return [f"*-{month}-{day} {time}", f"{names} *-{month}-* {time}"]


def _parse(cron: str) -> CronSim:
    fields = cron.split()
    if len(fields) != _CRON_FIELDS:
        raise UsageError(f"--cron {cron!r} has {len(fields)} fields, not five.", _EXAMPLE)
    try:
        parsed = CronSim(cron, datetime.now(UTC))
    except CronSimError as error:
        fault = str(error).removeprefix("Bad ")
        raise UsageError(f"--cron {cron!r} is no schedule: its {fault} is wrong.", _EXAMPLE) from None
    if min(parsed.days) < 0 or not all(isinstance(day, int) for day in parsed.weekdays):
        raise UsageError(f"--cron {cron!r} uses L, W or #, which most crons do not know.", _EXAMPLE)
    return parsed


def _numbers(chosen: Iterable[int], all_: range) -> str:
    """`*`, `start/step`, `first..last` or a list, whichever says it shortest."""
    numbers = sorted(chosen)
    if numbers == list(all_):
        return "*"
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    if len(numbers) > 2 and len(steps) == 1:
        (step,) = steps
        if numbers[-1] + step > all_[-1]:
            return f"{numbers[0]:02}/{step}"
        if step == 1:
            return f"{numbers[0]:02}..{numbers[-1]:02}"
    return ",".join(f"{number:02}" for number in numbers)


def _unit_value(text: str) -> str:
    """In a unit file `%` begins a specifier."""
    return text.replace("%", "%%")
