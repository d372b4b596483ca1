"""Facts of the machine, the code and the moment that a measurement depends on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.generated import ROOT

PACKAGES = ("numpy", "scipy", "duckdb", "pyarrow", "numba", "torch", "implicit", "prefect", "sqlalchemy")


WRITTEN = ("docs/benchmarks.json", "docs/benchmarks.md")
"""Files that measurements write: they change no figure."""


def machine_facts() -> dict[str, Any]:
    """Return what a table of measurements must name: processor, cores, memory, load, versions, commit, and the time.

    `load` is the average number of running processes in the minute before: above 0.5, wall times are too long.
    """
    return {
        "began": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    """Return the short hash of the checked-out commit, with a + if files but `WRITTEN` differ; empty elsewhere."""
    git = shutil.which("git")
    if git is None:
        return ""

    def ask(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([git, *words], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603

    commit = ask("rev-parse", "--short", "HEAD").stdout.strip()
    others = ("--", ".", *(f":!{file}" for file in WRITTEN))
    return commit and commit + ("+" if ask("status", "--porcelain", "-uno", *others).stdout.strip() else "")
