"""The command `schedule`: a crontab line and systemd units that run the night, and tell somebody if it fails.

`CronSim` reads the schedule; systemd gets the same one in its own notation (systemd.time(7), Calendar Events).
"""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

import getpass
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from cronsim import CronSim, CronSimError

from flows.cli.options import (
    DEFAULT_HOME,
    HOME_VARIABLE,
    Commands,
    ConfigOption,
    DatasetOption,
    SetOption,
    home_option,
    parse_home,
)
from flows.terminal.console import out
from tasks.config.load import refuse_secrets
from tasks.errors import UsageError
from tasks.notification import send as notification
from tasks.storage.home import existing_home
from tasks.tracking import address as tracking

commands = Commands()

VARIABLE = "RECS_PUBLISH__URL"

_CRON_FIELDS = 5
_MAILED_LINES = 20
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EXAMPLE = 'For two at night: --cron "0 2 * * *"'


@commands.command()
def schedule(
    cron: Annotated[
        str, typer.Option(metavar="CRON", help="Minute, hour, day, month, weekday.")
    ] = "0 2 * * *",
    dataset: DatasetOption = None,
    home: Annotated[Path | None, home_option(envvar=None, help="As for recs run.")] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="As for recs run.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Print what to paste into cron or systemd, so that the night runs by itself."""
    refuse_secrets(tuple(set_ or ()))  # they would be printed
    settings = [("--set", setting) for setting in set_ or ()]
    chosen = (("--dataset", dataset), ("--home", home), ("--name", name), ("--config", config), *settings)
    arguments = [part for option, value in chosen if value is not None for part in (option, str(value))]
    environment = {variable: value for variable, value in os.environ.items() if variable != HOME_VARIABLE}
    if home is None and os.environ.get(HOME_VARIABLE):
        home = parse_home(os.environ[HOME_VARIABLE])
        environment[HOME_VARIABLE] = str(home)
    variables = needed_variables(environment, _target(home or _default_home(dataset, name)))
    told = [("--config", config), *(each for each in settings if _is_on_messages(each[1]))]
    text = schedule_text(
        cron,
        arguments,
        Path.cwd(),
        variables,
        home=home or _default_home(dataset, name),
        telling=[part for option, value in told if value is not None for part in (option, str(value))],
    )
    out.print(text, markup=False, soft_wrap=True)


def _is_on_messages(setting: str) -> bool:
    """Return whether a `--set` is about messages or the metrics file, which `recs notify --failed` needs, too."""
    return setting.strip().startswith(("notify.", "monitoring."))


class Variable(NamedTuple):
    """A variable that the night needs. A secret one is printed as a comment to be completed."""

    name: str
    value: str
    secret: bool = False


def needed_variables(environment: Mapping[str, str], target: str | None) -> list[Variable]:
    """Return the variables that the night needs and that cron and systemd do not have.

    Args:
        environment: of this command.
        target: the address that the home remembers, without user and password; None for its own file.
    """
    from tasks.publication.targets.connect import address_of

    found = [
        Variable(name, value)
        for name, value in sorted(environment.items())
        if name.startswith("RECS_")
        and value.strip()
        and name not in (VARIABLE, tracking.VARIABLE, notification.VARIABLE)
    ]
    if environment.get(notification.VARIABLE, "").strip():
        found.append(Variable(notification.VARIABLE, "…", secret=True))
    found += _tracking_variables(environment)
    address = environment.get(VARIABLE, "").strip()
    place = address_of(address) if address else target
    if place is None:
        return found
    if place.startswith("sqlite:"):
        return [*found, Variable(VARIABLE, place)]
    libpq = [name for name in sorted(environment) if re.fullmatch(r"PG[A-Z]+", name)]
    found += [
        Variable(name, "…" if name == "PGPASSWORD" else environment[name], name == "PGPASSWORD")
        for name in libpq
    ]
    return [*found, Variable(VARIABLE, place.replace("://", "://USER:PASSWORD@", 1), secret=True)]


def _tracking_variables(environment: Mapping[str, str]) -> list[Variable]:
    """Return the address of the tracker and its secrets, as far as they are set."""
    found = [Variable(name, "…", secret=True) for name in tracking.SECRET_VARIABLES if environment.get(name)]
    uri = environment.get(tracking.VARIABLE, "").strip()
    if uri:
        place = tracking.shown(uri)
        is_secret = place != uri
        place = place.replace("://", "://USER:PASSWORD@", 1) if is_secret else place
        found.append(Variable(tracking.VARIABLE, place, secret=is_secret))
    return found


def _target(home: Path) -> str | None:
    """Return the address that a home remembers; None for its own file, or if there is no such home."""
    if not (home / "home.json").is_file():
        return None
    found = existing_home(home)
    return None if found.target == found.default_url else found.target


def _default_home(dataset: str | None, name: str | None) -> Path:
    """Return where `recs run` finds the home without `--home` and RECS_HOME."""
    return Path("data") / (name or Path(dataset or "demo").resolve().name)


def _assignments(variables: Iterable[Variable], *, systemd: bool) -> str:
    """Return one line for each variable, for a crontab or for a unit."""
    lines = []
    for name, value, secret in variables:
        if systemd:
            escaped = _unit_value(value.replace("\\", r"\\").replace('"', r"\""))
            line = f'Environment="{name}={escaped}"'
        else:
            quote = '"' if "'" in value else "'"
            line = f"{name}={quote}{value}{quote}"
        lines.append(f"# complete this line, which is secret:\n# {line}" if secret else line)
    return "".join(f"{line}\n" for line in lines)


def schedule_text(
    cron: str,
    arguments: list[str],
    folder: Path,
    variables: Sequence[Variable] = (),
    *,
    home: Path = DEFAULT_HOME,
    telling: Sequence[str] = (),
) -> str:
    """Return a crontab line, and systemd units, that run `recs run` from `folder` and tell somebody if it fails.

    The crontab line prints the end of the log then, which cron mails to the user of the crontab, or to MAILTO.

    Args:
        cron: five fields that every cron understands.
        arguments: of `recs run`.
        folder: the working directory of the night.
        variables: that must be set.
        home: of the nights.
        telling: arguments of `recs notify --failed`, besides the home.

    Raises:
        UsageError: `cron` is not such a schedule.
    """
    calendar = "\n".join(f"OnCalendar={when}" for when in calendar_events(cron))
    recs = str(Path(sys.executable).parent / "recs")
    command = shlex.join([recs, "run", *arguments])
    tell = shlex.join([recs, "notify", "--failed", "--home", str(home), *telling])
    begin = f"{cron} cd {shlex.quote(str(folder))} && "
    line = f"{begin}{{ {command} >> recs.log 2>&1 || tail -n {_MAILED_LINES} recs.log; }}".replace("%", r"\%")
    return f"""# cron: add with `crontab -e`
{_assignments(variables, systemd=False)}{line}

# or systemd: /etc/systemd/system/nightly-recs.service
[Unit]
Description=nightly-recs
OnFailure=nightly-recs-failed.service

[Service]
Type=oneshot
User={_unit_value(getpass.getuser())}
WorkingDirectory={_unit_value(str(folder))}
{_assignments(variables, systemd=True)}ExecStart={_unit_value(command)}

# and /etc/systemd/system/nightly-recs-failed.service, which tells of failures that no night could tell itself
[Unit]
Description=nightly-recs, tell that a night failed

[Service]
Type=oneshot
User={_unit_value(getpass.getuser())}
WorkingDirectory={_unit_value(str(folder))}
{_assignments(variables, systemd=True)}ExecStart={_unit_value(tell)}

# and /etc/systemd/system/nightly-recs.timer, then: systemctl enable --now nightly-recs.timer
[Unit]
Description=nightly-recs, on its schedule

[Timer]
{calendar}
Persistent=true

[Install]
WantedBy=timers.target"""


def calendar_events(cron: str) -> list[str]:
    """Return the same schedule as systemd's calendar events.

    Where cron means "this day of the month or this day of the week", two events are needed.

    Raises:
        UsageError: as in `schedule_text`.
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
        raise UsageError(f"--cron {cron!r} is not a schedule: its {fault} is wrong.", _EXAMPLE) from None
    if min(parsed.days) < 0 or not all(isinstance(day, int) for day in parsed.weekdays):
        raise UsageError(f"--cron {cron!r} uses L, W or #, which most crons do not know.", _EXAMPLE)
    return parsed


def _numbers(chosen: Iterable[int], allowed: range) -> str:
    """Return the shortest of `*`, `start/step`, `first..last` and a list."""
    numbers = sorted(chosen)
    if numbers == list(allowed):
        return "*"
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    if len(numbers) > 2 and len(steps) == 1:
        (step,) = steps
        if numbers[-1] + step > allowed[-1]:
            return f"{numbers[0]:02}/{step}"
        if step == 1:
            return f"{numbers[0]:02}..{numbers[-1]:02}"
    return ",".join(f"{number:02}" for number in numbers)


def _unit_value(text: str) -> str:
    """Return `text` escaped for a unit file, where `%` begins a specifier."""
    return text.replace("%", "%%")
