"""The command `notify`: try whether messages arrive, and tell that the scheduler's command failed."""

# Commands import what they need: `recs --help` would otherwise take as long as a night's start.
# ruff: noqa: PLC0415

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Annotated

import typer

from flows.cli.options import DEFAULT_HOME, Commands, ConfigOption, HomeOption, SetOption
from flows.terminal.console import out
from tasks.config.load import load_settings
from tasks.config.settings import Settings
from tasks.errors import LockedError, NightError, UsageError
from tasks.storage.home import Home, existing_home, in_use

commands = Commands()

_JUST_NOW = timedelta(minutes=5)
_CODES = {
    "2": "the command, the settings or the data folder are wrong",
    "KILL": "it was killed, for instance for lack of memory",
}
"""Value of systemd's `MONITOR_EXIT_STATUS` → its meaning. Any other night has sent its own message."""


@commands.command()
def notify(
    test: Annotated[bool, typer.Option("--test", help="Send a test message to each address.")] = False,
    failed: Annotated[
        bool,
        typer.Option(
            "--failed", help="Tell that the scheduler's command failed, unless its night has told so itself."
        ),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Try whether messages about nights arrive, or tell that the scheduler's command failed.

    Nights tell themselves how they end, to the addresses in the environment variable RECS_NOTIFY__URL: those of
    apprise, separated by commas or spaces, such as mailto://user:password@host or slack://…. The settings `notify` say
    which endings are told. --failed is for OnFailure= of systemd: it tells what no night could, such as wrong settings,
    and sends again what has not arrived. A message that does not arrive is kept until it does.

    Exit codes: 0 the message has arrived, or needed none; 1 it has not arrived; 2 there is no address or no home.
    """
    from tasks.notification.message import check_message
    from tasks.notification.send import VARIABLE, send
    from tasks.storage.health import read_health, utc_now

    if test == failed:
        raise UsageError(
            "Nothing to send: name one of --test and --failed.", "To try the address: recs notify --test"
        )
    where, settings = existing_home(home), load_settings(config, tuple(set_ or ()))
    if not settings.notify.addresses:
        raise UsageError(
            f"Nobody is told: the environment variable {VARIABLE} is not set.",
            "Set it to an address of apprise, such as json://127.0.0.1:8080 or mailto://user:password@host.",
        )
    if failed:
        out.print(_tell_failure(where, settings), markup=False, soft_wrap=True)
        return
    sent = send(check_message(where.dataset, where.path, utc_now()), settings.notify)
    out.print(f"Arrived by: {', '.join(sent.reached)}.", markup=False, soft_wrap=True)
    if waiting := len(read_health(where).untold):
        out.print(
            f"Messages on nights that have not arrived yet: {waiting}. The next night sends them again.",
            markup=False,
            soft_wrap=True,
        )


def _tell_failure(home: Home, settings: Settings) -> str:
    """Tell that the scheduler's command failed; return a sentence on what was told.

    Raises:
        NightError: the message has not arrived; it is kept.
    """
    from tasks.notification.message import not_begun_message
    from tasks.notification.tell import Teller
    from tasks.storage.health import read_health, utc_now

    teller, now, before = Teller(home, settings), utc_now(), read_health(home).told_at
    fault = teller.catch_up(running=in_use(home))  # which can take longer than `_JUST_NOW`

    def is_tonights(at: datetime | None) -> bool:
        return at is not None and now - _JUST_NOW < at <= utc_now()

    health = read_health(home)
    if is_tonights(health.told_at):
        return "Told." if health.told_at != before else f"Told already, at {health.told_at} UTC."
    waiting = [each for each in health.untold if is_tonights(each.at)]
    if any(each.is_being_sent(utc_now()) for each in waiting):
        return "The night is telling itself just now."
    status = os.environ.get("MONITOR_EXIT_STATUS", "")
    if not waiting and status == str(LockedError.exit_code):
        return "Nobody was told: another night was running, and that night tells how it ends."
    if not waiting:
        why = _CODES.get(status, f"exit status {status}" if status else "its log says why")
        error = NightError(f"The command of the scheduler failed: {why}.", "Look at its log.")
        fault = teller.not_begun(not_begun_message(home.dataset, home.path, error))
    if fault:
        raise NightError(
            fault, "The message is kept; the next night sends it again. recs notify --test tries."
        )
    if "failed" not in settings.notify.endings:
        return "Nobody was told: notify.endings leaves failed nights out."
    return "Told that the command failed."
