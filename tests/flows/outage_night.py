"""Run a night that kills a Prefect server right after a stage: python -m tests.flows.outage_night HOME STAGE PID."""

import os
import signal
import sys
from pathlib import Path

from flows.prefect_runtime.home import configure_prefect, import_prefect
from tasks.config.load import load_settings
from tasks.monitoring.events import SilentWatcher
from tasks.run.context import Night
from tasks.run.lifecycle import run_night
from tasks.storage.home import existing_home
from tests.flows.killed_night import ONE_MODEL

SETTINGS = ("recommend.n=20", "judge.bootstrap_samples=200", "models.als.factors=8", "blend.enabled=false")


class Killer(SilentWatcher):
    """Kill a process when a stage ends."""

    def __init__(self, stage: str, process: int) -> None:
        self.stage, self.process = stage, process

    def finished(self, stage: str, model: str | None, seconds: float, note: str) -> None:
        if self.stage == (stage if model is None else f"{stage} {model}"):
            os.kill(self.process, signal.SIGKILL)
            self.stage = ""


def through_prefect(night: Night) -> None:
    """Run the stages of a night as `recs run` does."""
    configure_prefect(night.home.prefect, debug=False)
    import_prefect()
    from flows.nightly import run_flow  # noqa: PLC0415  (after Prefect's settings)

    run_flow(night)


if __name__ == "__main__":
    home, stage, process = sys.argv[1:]
    outcome = run_night(
        existing_home(Path(home)), load_settings(None, (*SETTINGS, *ONE_MODEL)), through_prefect,
        Killer(stage, int(process)),
    )  # fmt: skip
    sys.stdout.write(f"{outcome.run.status} {[each.stage for each in outcome.run.stages].count('publish')}\n")
    sys.stdout.flush()
    os._exit(outcome.exit_code)
