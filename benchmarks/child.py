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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.generated import ROOT
from benchmarks.last_line import from_text

LAST_CHARACTERS = 400
GRACE_S = 15.0


@dataclass(frozen=True)
class Measurement:
    """Outcome of one benchmark.

    Attributes:
        command: the command that was run, as one would type it.
        figures: name → value, as its last line says; empty after an error.
        wall_s: seconds that the process took.
        error: the end of what it printed, if it failed or printed no figures; else empty.
    """

    command: str
    figures: dict[str, float] = field(default_factory=dict)
    wall_s: float = 0.0
    error: str = ""


def measure(
    module: str, arguments: Sequence[str], *, limit_s: float, needs_figures: bool = True
) -> Measurement:
    """Run `python -m MODULE ARGUMENTS`; return its figures, or why there are none.

    Args:
        module: of benchmarks/, whose last line has figures.
        arguments: of its command line.
        limit_s: seconds after which it and its children are killed.
        needs_figures: a last line without figures is an error.
    """
    command = ["-m", module, *arguments]
    shown = shlex.join(["python", *command]).replace(f"{ROOT}{os.sep}", "")
    print(f"… {shown}", file=sys.stderr, flush=True)
    with (
        tempfile.TemporaryFile("w+") as output,
        tempfile.TemporaryDirectory(prefix="nightly-recs-", ignore_cleanup_errors=True) as scratch,
    ):
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603  (our own modules)
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | {"TMPDIR": scratch},  # so that nothing stays behind if it is killed
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        in_time, code = _wait(process, started + limit_s)
        wall_s = time.perf_counter() - started
        output.seek(0)
        printed = output.read()
    figures = from_text(printed)
    if code == 0 and (figures or not needs_figures):
        return Measurement(shown, figures, wall_s)
    why = f"exit code {code}" if in_time else f"killed after {limit_s:.0f} s"
    last = printed.strip()[-LAST_CHARACTERS:] or "nothing printed"
    return Measurement(shown, {}, wall_s, f"{why}: {last}")


def _wait(process: subprocess.Popen[bytes], until: float) -> tuple[bool, int]:
    """Wait for a process; end its session at `until`, or if this process is interrupted.

    Returns:
        Whether it ended in time, and its exit code.
    """
    in_time = True
    try:
        while process.poll() is None:
            if in_time and time.perf_counter() > until:
                in_time = False
                _end_session(process.pid)
            time.sleep(0.05)
    except KeyboardInterrupt:
        _end_session(process.pid)
        raise
    return in_time, process.returncode


def _end_session(leader: int) -> None:
    """Ask all processes of a session to end, so that a night ends its server; kill those left after `GRACE_S`."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGTERM)
        until = time.perf_counter() + GRACE_S
        while time.perf_counter() < until:
            time.sleep(0.1)
            if not _has_live_members(leader):
                return
        os.killpg(leader, signal.SIGKILL)


def _has_live_members(group: int) -> bool:
    """Return whether a process of the group has not ended. A process that ended and was not waited for has."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, found = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue  # it ended meanwhile
        if int(found) == group and state != "Z":
            return True
    return not Path("/proc/self/stat").exists()
