"""Tell somebody how a night ended, and remember when the last good one did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.config.notify_settings import Ending
from tasks.config.settings import Settings
from tasks.errors import LockedError, as_night_error
from tasks.notification.message import (
    Message,
    killed_message,
    night_message,
    not_begun_message,
    overdue_message,
    recovered_message,
)
from tasks.notification.outbox import deliver, put, retry_untold
from tasks.reporting.after_night import write_metrics
from tasks.storage.health import Health, Kill, Untold, changing_health, killed_runs, utc_now
from tasks.storage.home import Home
from tasks.storage.run_records import Run, Runs, Status

_BAD: dict[Status, Ending] = {
    "failed": "failed",
    "check_failed": "held_back",
    "interrupted": "interrupted",
    "not_switched": "not_switched",
}
"""Status of a night that was not good → how it is told."""


class Teller:
    """Records how the nights of a home end, in its health and its metrics file, and tells somebody.

    Attributes:
        home: the home.
        settings: name who is told, and the metrics file.
        run: the record of tonight's run, once it has begun.
        nothing_new: why the night did not begin; empty if it did, or failed.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        self.home, self.settings = home, settings
        self.run: Run | None = None
        self.nothing_new = ""

    def catch_up(self, *, running: bool = False) -> str:
        """Tell what no night could tell: messages that did not arrive, and a night that was killed.

        Args:
            running: whether a night is running, so that an unfinished record is no sign of a kill.

        Returns:
            Why a message has not arrived this time either; empty if all have.
        """
        found = [] if running else killed_runs(self.home)  # at once: while messages leave, a night may begin
        tried, fault = retry_untold(self.home, self.settings.notify)
        untold, is_new = None, False
        if found:
            kill = Kill(found[0].run_id, found[0].attempt)
            with changing_health(self.home.path) as health:
                is_new = kill != health.kill_seen
                if is_new:
                    health.kill_seen, health.bad = kill, "killed"
                if kill != health.kill_told and self.settings.notify.addresses:
                    health.kill_told = kill
                    untold = put(health, killed_message(found[0], self.home.path), self.settings.notify)
        fault = self._deliver(untold) or fault
        if tried or is_new:
            write_metrics(self.home, self.settings)
        return fault

    def ended(self, *, hint: str = "", wait: bool = True) -> None:
        """Tell how tonight's night ended if it was bad, or the first good one after a bad one.

        Args:
            hint: what to do, if an error said so.
            wait: until the message has arrived; else it leaves while this process ends.
        """
        with changing_health(self.home.path) as health:
            message = self._news(health, hint)
            untold = None if message is None else put(health, message, self.settings.notify)
        self._deliver(untold, wait=wait)
        write_metrics(self.home, self.settings, self.run)

    def failed(self, error: Exception) -> None:
        """Tell of an error that ended the night, whether it had begun or not."""
        clear = as_night_error(error)
        if self.run is not None and self.run.status in _BAD:
            self.ended(hint=clear.hint)
        else:
            self.not_begun(not_begun_message(self.home.dataset, self.home.path, clear))

    def not_begun(self, message: Message) -> str:
        """Tell that no night has begun; return why the message has not arrived, empty if it has or need not."""
        with changing_health(self.home.path) as health:
            health.bad = "failed"
            untold = put(health, message, self.settings.notify)
        fault = self._deliver(untold)
        write_metrics(self.home, self.settings)
        return fault

    def overdue(self, sentence: str) -> None:
        """Tell, once until the next good night, that none has come for too long; `sentence` says since when."""
        with changing_health(self.home.path) as health:
            is_new, untold = not health.bad, None
            health.bad = health.bad or "overdue"
            if not health.overdue_told and self.settings.notify.addresses:
                health.overdue_told = True
                message = overdue_message(self.home.dataset, self.home.path, sentence)
                untold = put(health, message, self.settings.notify)
        self._deliver(untold)
        if is_new or untold is not None:
            write_metrics(self.home, self.settings)

    def _news(self, health: Health, hint: str) -> Message | None:
        """Record in the health how tonight's night ended; return what is to be told of it, if anything."""
        run = self.run
        ending = None if run is None else _BAD.get(run.status)
        if run is not None and ending is not None:
            if ending != "not_switched":
                health.bad = ending
            page = page_address(self.home, self.settings, run)
            return night_message(ending, run, self.home.path, hint=hint, page=page)
        if not self.nothing_new and (run is None or run.status != "published"):
            return None
        before, why = health.bad, self.nothing_new or (run.reason if run is not None else "")
        health.good_at, health.bad, health.overdue_told = utc_now(), "", False
        return (
            recovered_message(self.home.dataset, self.home.path, before=before, why=why) if before else None
        )

    def _deliver(self, untold: Untold | None, *, wait: bool = True) -> str:
        return "" if untold is None else deliver(self.home, untold, self.settings.notify, wait=wait)


def page_address(home: Home, settings: Settings, run: Run) -> str:
    """Return the address of a run's page: where `notify.pages_url` serves it, else that of its file."""
    path = Runs(home.runs).folder(run.run_id) / "report.html"
    served = settings.notify.pages_url
    return f"{served}/{run.run_id}/{path.name}" if served else path.resolve().as_uri()


@contextmanager
def telling(home: Home, settings: Settings) -> Iterator[Teller]:
    """Tell somebody how the night inside this context ends.

    A night that found another one running is told by nobody: the other one is, and if it hangs, no good night comes.

    Args:
        home: of the night.
        settings: of the night.

    Yields:
        The teller, which wants to know tonight's record, or that there is nothing new.
    """
    teller = Teller(home, settings)
    try:
        yield teller
    except Exception as error:
        if teller.run is not None or not isinstance(error, LockedError):
            teller.failed(error)
        raise
    teller.ended()


def tell_interruption(home: Home, settings: Settings, run: Run) -> None:
    """Tell of a night that is interrupted, by a process that outlives this one.

    Args:
        home, settings: of the night.
        run: its record, closed.
    """
    teller = Teller(home, settings)
    teller.run = run
    teller.ended(wait=False)
