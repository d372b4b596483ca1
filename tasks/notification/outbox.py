"""Messages wait in the home's `health.json` until they have arrived, and are tried again at the next occasion.

A message is kept before it is sent, so that neither a service that is down nor a kill loses it.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from tasks.config.notify_settings import NotifySettings
from tasks.errors import NightError
from tasks.notification.message import Message
from tasks.notification.program import Settling
from tasks.notification.send import exchange, fault_of, start
from tasks.storage.health import Health, Untold, changing_health, settle, utc_now
from tasks.storage.home import Home

_AGAIN = "It is tried again by the next night, `recs runs --overdue` or `recs notify --failed`."
log = logging.getLogger(__name__)


def put(health: Health, message: Message, settings: NotifySettings) -> Untold | None:
    """Add a message to those that have not arrived, as being sent by this process.

    Args:
        health: of the home, inside `changing_health`.
        message: on a night.
        settings: hold the addresses and the endings that are told.

    Returns:
        What to send; None without an address, or if `notify.endings` leaves the ending out, which counts as told.
    """
    if not settings.addresses or message.ending is None:
        return None
    now = utc_now()
    if message.ending not in settings.endings:
        health.note_told(message.ending, now)
        return None
    until = now + timedelta(seconds=2 * settings.max_seconds)
    untold = Untold(message.ending, message.title, message.text, message.kind, now, until)
    health.add_untold(untold)
    return untold


def deliver(home: Home, untold: Untold, settings: NotifySettings, *, wait: bool = True) -> str:
    """Send a message that `put` returned, and note whether it has arrived.

    Args:
        home: where it waits.
        untold: the message.
        settings: hold the addresses, and for how long to wait.
        wait: for the outcome; else the message leaves, and the outcome is noted, while this process ends.

    Returns:
        Why it has not arrived; empty if it has, at one address at least, or if that is not waited for.
    """
    message = Message(None, untold.title, untold.text, untold.kind)
    try:
        if not wait:
            start(message, settings, settling=Settling(str(home.path.resolve()), untold.number))
            return ""
        sent = exchange(message, settings)
        fault, arrived = fault_of(sent), bool(sent.reached)
    except (NightError, OSError) as error:
        fault, arrived = str(error), False
    settle(home.path, untold.number, arrived=arrived)
    if fault:
        missed = "Not everybody was told" if arrived else "Nobody was told"
        log.warning("%s how the night ended. %s%s", missed, fault, "" if arrived else f" {_AGAIN}")
    return "" if arrived else fault


def retry_untold(home: Home, settings: NotifySettings) -> tuple[int, str]:
    """Send the messages that did not arrive before, each once, oldest first.

    After `notify.max_seconds` in all, the rest waits for the next occasion.

    Args:
        home: where they wait.
        settings: hold the addresses.

    Returns:
        How many were tried, and why the last of those that did not arrive did not; empty if all did.
    """
    if not settings.addresses:
        return 0, ""
    with changing_health(home.path) as health:
        now = utc_now()
        due = [each for each in health.untold if not each.is_being_sent(now)]
        for each in due:
            each.sending_until = now + timedelta(seconds=2 * settings.max_seconds)
    begun, tried, fault = time.monotonic(), 0, ""
    for each in due:
        if time.monotonic() - begun < settings.max_seconds:
            tried += 1
            each.text += f"\nLate: this is of {each.at} UTC, and could not be sent then."
            fault = deliver(home, each, settings) or fault
        else:
            settle(home.path, each.number, arrived=False)
    return tried, fault
