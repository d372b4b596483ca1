"""Tell somebody how a night ended, and remember when the last good one did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.config.notify_settings import Ending
from tasks.config.settings import Settings
from tasks.errors import LockedError, as_night_error
from tasks.notification.message import killed_message, night_message, not_begun_message, recovered_message
from tasks.notification.send import try_to_send
from tasks.storage.health import killed_runs, read_health, utc_now, write_health
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
    """Tells how the nights of a home end.

    Attributes:
        home: the home.
        settings: name who is told.
        run: the record of tonight's run, once it has begun.
        nothing_new: why the night did not begin; empty if it did, or failed.
    """

    def __init__(self, home: Home, settings: Settings) -> None:
        self.home, self.settings = home, settings
        self.run: Run | None = None
        self.nothing_new = ""

    def killed(self) -> None:
        """Tell of nights that were killed, each once. To be called where no night is running: with the lock held."""
        health = read_health(self.home)
        found = [run for run in killed_runs(self.home) if run.run_id > health.killed_told]
        if not found:
            return
        try_to_send(killed_message(found[0], self.home.path), self.settings.notify)
        health.killed_told, health.bad, health.told_at = found[0].run_id, "killed", utc_now()
        write_health(self.home, health)

    def ended(self, *, hint: str = "", wait: bool = True) -> None:
        """Tell how tonight's night ended if it was bad, or the first good one after a bad one.

        Args:
            hint: what to do, if an error said so.
            wait: until the message has arrived; else it leaves while this process ends.
        """
        health = read_health(self.home)
        run = self.run
        ending = None if run is None else _BAD.get(run.status)
        if run is not None and ending is not None:
            message = night_message(
                ending, run, self.home.path, hint=hint, page=page_address(self.home, self.settings, run)
            )
            try_to_send(message, self.settings.notify, wait=wait)
            if ending != "not_switched":
                health.bad, health.told_at = ending, utc_now()
        elif self.nothing_new or (run is not None and run.status == "published"):
            why = self.nothing_new or (run.reason if run is not None else "")
            if health.bad:
                dataset = self.home.dataset
                message = recovered_message(dataset, self.home.path, before=health.bad, why=why)
                try_to_send(message, self.settings.notify, wait=wait)
            health.good_at, health.bad, health.overdue_told = utc_now(), "", False
        write_health(self.home, health)

    def failed(self, error: Exception) -> None:
        """Tell of an error that ended the night, whether it had begun or not."""
        clear = as_night_error(error)
        if self.run is not None and self.run.status in _BAD:
            self.ended(hint=clear.hint)
            return
        try_to_send(not_begun_message(self.home.dataset, self.home.path, clear), self.settings.notify)
        health = read_health(self.home)
        health.bad, health.told_at = "failed", utc_now()
        write_health(self.home, health)


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
