"""A night that ends by `os._exit` has recorded, told and measured that it was interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tasks.storage.health import read_health
from tasks.storage.home import open_home
from tasks.storage.run_records import Runs
from tests.tasks.inputs import RATINGS
from tests.tasks.notification.receivers import HttpReceiver, serving

NIGHT = """
import os, signal, sys, time
from functools import partial
from pathlib import Path
from flows.prefect_runtime.interruption import ending_at_once
from tasks.config.load import load_settings
from tasks.monitoring.events import SilentWatcher
from tasks.run.lifecycle import record_interruption, run_night
from tasks.storage.home import existing_home

def flow(night):
    with ending_at_once(partial(record_interruption, night)):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

run_night(existing_home(Path(sys.argv[1])), load_settings(), flow, SilentWatcher())
"""


def test_an_interrupted_night_is_measured_and_told_while_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "ratings.csv").write_text(RATINGS)
    home = open_home(str(folder), tmp_path / "home")
    with serving(HttpReceiver()) as server:
        environment = os.environ | {
            "RECS_NOTIFY__URL": server.address,
            "RECS_MONITORING__METRICS_FILE": "recs.prom",
        }
        ended = subprocess.run(
            [sys.executable, "-c", NIGHT, str(home.path)], env=environment, timeout=120, check=False
        )
        assert ended.returncode == 128 + signal.SIGTERM
        last = time.monotonic() + 30
        while read_health(home).untold and time.monotonic() < last:
            time.sleep(0.05)
    assert [run.status for run in Runs(home.runs).all()] == ["interrupted"]
    assert [body["title"] for body in server.bodies] == ["nightly-recs in: interrupted"]
    assert (read_health(home).bad, read_health(home).untold) == ("interrupted", [])
    lines = (home.path / "recs.prom").read_text(encoding="utf-8").splitlines()
    assert [line[-3:] for line in lines if 'status="interrupted"} ' in line] == ["1.0", "1.0"], (
        "newest, and total"
    )
