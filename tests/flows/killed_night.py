"""Run a night that signals itself right after a stage: python -m tests.flows.killed_night HOME STAGE NTH [SIGNAL].

The signal, by default SIGKILL, goes to the whole process group, as that of a terminal does. The stage hangs afterwards.
"""

import os
import signal
import sys
import time
from pathlib import Path

from flows.nightly import run_flow
from tasks.config.load import load_settings
from tasks.monitoring.events import SilentWatcher
from tasks.run.lifecycle import run_night
from tasks.storage.home import existing_home
from tests.flows.conftest import SETTINGS

ONE_MODEL = ("models.shelf=als",)


class Killer(SilentWatcher):
    """Send the signal when a stage ends for the n-th time."""

    def __init__(self, stage: str, nth: int, number: int) -> None:
        self.stage, self.left, self.number = stage, nth, number

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        if self.stage == (stage if model is None else f"{stage} {model}"):
            self.left -= 1
            if self.left == 0:
                os.killpg(0, self.number)
                time.sleep(300)

    def interrupted(self, what: str) -> None:
        print(what)  # noqa: T201


if __name__ == "__main__":
    home, stage, nth, *named = sys.argv[1:]
    number = signal.Signals[named[0]] if named else signal.SIGKILL
    settings = load_settings(None, (*SETTINGS, *ONE_MODEL))
    run_night(existing_home(Path(home)), settings, run_flow, Killer(stage, int(nth), number))
