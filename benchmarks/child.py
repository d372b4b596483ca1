"""Run a benchmark in a process of its own, and keep the figures of its last line."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.generated import ROOT
from benchmarks.last_line import from_text

LAST_CHARACTERS = 400


@dataclass(frozen=True)
class Measurement:
    """Outcome of one benchmark.

    Attributes:
        command: the command that was run, as one would type it.
        figures: name → value, as its last line says; empty after an error.
        wall_s: seconds that the process took.
        rss_mb: the largest resident memory of the process and of those that it waited for.
        error: the end of what it printed, if it failed or printed no figures; else empty.
    """

    command: str
    figures: dict[str, float] = field(default_factory=dict)
    wall_s: float = 0.0
    rss_mb: float = 0.0
    error: str = ""


def measure(module: str, arguments: Sequence[str], *, limit_s: float) -> Measurement:
    """Run `python -m MODULE ARGUMENTS`; return its figures, or why there are none.

    Args:
        module: of benchmarks/, whose last line has figures.
        arguments: of its command line.
        limit_s: seconds after which it and its children are killed.
    """
    command = ["-m", module, *arguments]
    shown = shlex.join(["python", *command]).replace(f"{ROOT}{os.sep}", "")
    print(f"… {shown}", file=sys.stderr, flush=True)
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  (our own modules)
            [sys.executable, *command],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        in_time, code, rss_mb = _wait(process, started + limit_s)
        wall_s = time.perf_counter() - started
        output.seek(0)
        printed = output.read()
    figures = from_text(printed)
    if code == 0 and figures:
        return Measurement(shown, figures, wall_s, rss_mb)
    why = f"exit code {code}" if in_time else f"killed after {limit_s:.0f} s"
    return Measurement(shown, {}, wall_s, rss_mb, f"{why}: {printed.strip()[-LAST_CHARACTERS:]}")


def _wait(process: subprocess.Popen[bytes], until: float) -> tuple[bool, int, float]:
    """Wait for a process; kill its session at `until`, or if this process is interrupted.

    Returns:
        Whether it ended in time, its exit code, and its largest resident memory in MB.
    """
    in_time = True
    try:
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if in_time and time.perf_counter() > until:
                in_time = False
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.05)
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return in_time, process.returncode, usage.ru_maxrss / unit
