"""A night that kills itself with SIGKILL right after a stage: python -m tests.flows.killed_night HOME STAGE NTH."""

import os
import signal
import sys
from pathlib import Path

from flows.nightly import run_flow
from tasks.configure import load_settings
from tasks.home import existing_home
from tasks.lifecycle import run_night
from tasks.progress import Nobody
from tests.flows.conftest import SETTINGS

ONE_MODEL = ("models.shelf=als",)


class Killer(Nobody):
    """Watches for the n-th end of a stage, and pulls the plug then."""

    def __init__(self, stage: str, nth: int) -> None:
        self.stage, self.left = stage, nth

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        if self.stage == (stage if model is None else f"{stage} {model}"):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    home, stage, nth = sys.argv[1:]
    settings = load_settings(None, (*SETTINGS, *ONE_MODEL))
    run_night(existing_home(Path(home)), settings, run_flow, Killer(stage, int(nth)))
