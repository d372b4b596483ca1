"""Examines disk, memory, locks and clock against what the last nights of a home needed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tasks.diagnosis.finding import Finding, size
from tasks.storage.disk_use import disk_use
from tasks.storage.home import Home
from tasks.storage.run_records import Run

NIGHTS = 7
MIN_FREE_BYTES = 32 * 2**20
"""Least free space of a night (`tasks/run/lifecycle.py`)."""

_LEAST_NAMED = 2**20
"""Bytes from which a part of the home is named."""
_CLOCK_SLACK = timedelta(minutes=5)
_LONG_AGO = timedelta(days=7)
_MEMINFO, _LOCKS, _PROC = Path("/proc/meminfo"), Path("/proc/locks"), Path("/proc")
_ACTIVITIES = {
    "lock": "a night is running",
    "tune.lock": "recs tune is running",
    "replay.lock": "recs replay is running",
}
"""Lock file of a home → what it means that a process holds it."""
_CGROUP = Path("/sys/fs/cgroup")


def examine_disk(home: Home, runs: Sequence[Run], free: int | None = None) -> Finding:
    """Return whether the disk has room for another night like the last one, with its artifacts and lists.

    Args:
        home: the home.
        runs: its runs, newest first.
        free: bytes; None for those of the home's disk.
    """
    free = shutil.disk_usage(home.path).free if free is None else free
    last = next((run for run in runs if run.status == "published"), None)
    artifacts = 0 if last is None else sum(_bytes(home.artifacts / name) for name in last.artifacts)
    lists = (
        0
        if last is None
        else sum(_bytes(home.artifacts / n) for n in last.artifacts if n.startswith("recommend/"))
    )
    need = max(
        artifacts + 2 * lists, MIN_FREE_BYTES
    )  # the serving database holds them once more, with indexes
    night = "no night has been published yet" if last is None else f"the last night took {size(artifacts)}"
    seen = f"{size(free)} free, {night}"
    advice = (
        f"Free space on the disk of {home.path}, or keep fewer nights: publish.keep_runs, then recs prune."
    )
    verdict = "bad" if free < need else "look" if free < 3 * need else "OK"
    return Finding("Disk", verdict, seen, "" if verdict == "OK" else advice)  # type: ignore[arg-type]


def examine_disk_use(home: Home) -> Finding:
    """Return how much space each part of the home takes; this is never a fault."""
    parts = disk_use(home)
    each = ", ".join(f"{part} {size(n_bytes)}" for part, n_bytes in parts.items() if n_bytes >= _LEAST_NAMED)
    return Finding("Space", "OK", f"{size(sum(parts.values()))} in {home.path}{f': {each}' if each else ''}")


def examine_memory(runs: Sequence[Run], available: int | None = None) -> Finding:
    """Return whether the memory that is available now is enough for the peak of the last nights.

    Args:
        runs: of the home, newest first.
        available: bytes; None for what the kernel and the control group leave.
    """
    available = available_memory() if available is None else available
    peaks = [stage.peak_mb for run in runs[:NIGHTS] for stage in run.stages]
    peak = int(max(peaks, default=0) * 2**20)
    if available is None:
        return Finding(
            "Memory", "look", f"The available memory is not known here; the peak was {size(peak)}."
        )
    seen = f"{size(available)} available, at most {size(peak)} in the last nights"
    if available < peak:
        return Finding(
            "Memory", "bad", seen, "End other programs, or fit fewer models at a time: run.parallel_fits=1."
        )
    if available < 1.5 * peak:
        return Finding("Memory", "look", seen, "A third more data would not fit: plan for more memory.")
    return Finding("Memory", "OK", seen)


def available_memory() -> int | None:
    """Return the bytes that a new process could use; None where that is not known."""
    found = []
    if _MEMINFO.is_file():
        lines = [line.split() for line in _MEMINFO.read_text(encoding="ascii").splitlines()]
        found += [int(line[1]) * 1024 for line in lines if line[0] == "MemAvailable:"]
    limit, used = (_CGROUP / name for name in ("memory.max", "memory.current"))
    if limit.is_file() and used.is_file() and limit.read_text().strip().isdigit():
        found.append(int(limit.read_text()) - int(used.read_text()))
    return min(found, default=None)


def examine_locks(home: Home) -> Finding:
    """Return which processes hold the locks of the home and of its warehouse; no lock is taken for that.

    A running night holds both. A warehouse that something else has open would stop a night.
    """
    held = {name: holders(home.path / name) for name in _ACTIVITIES}
    warehouse = [pid for pid in holders(home.warehouse) if pid not in held["lock"]]
    if warehouse:
        return Finding(
            "Locks", "bad", f"{home.warehouse.name} is open in {_processes(warehouse)}",
            "Close it there: a night cannot open the file meanwhile.",
        )  # fmt: skip
    unwritable = [name for name in (".", "lock") if _is_unwritable(home.path / name)]
    if unwritable:
        return Finding(
            "Locks", "bad", f"{home.path / unwritable[0]} cannot be written by this user",
            "Run as the user of the nights, or mend the permissions.",
        )  # fmt: skip
    if any(held.values()):
        seen = "; ".join(f"{_ACTIVITIES[name]}: {_processes(pids)}" for name, pids in held.items() if pids)
        return Finding("Locks", "look", seen, "Another one would end at once with exit code 4: wait for it.")
    return Finding("Locks", "OK", "no night is running, and nothing has the warehouse open")


def holders(path: Path) -> list[int]:
    """Return the ids of the processes that hold a lock on a file, of either kind; none where that is not known."""
    if not path.exists() or not _LOCKS.is_file():
        return []
    about = path.stat()
    wanted = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    lines = [line.split() for line in _LOCKS.read_text(encoding="ascii").splitlines()]
    return sorted({int(line[4]) for line in lines if wanted in line and "->" not in line})


def _processes(pids: Sequence[int]) -> str:
    return ", ".join(f"process {pid}{_command(pid)}" for pid in pids)


def _command(pid: int) -> str:
    """Return the name of a process's program in parentheses; empty if it is not known."""
    try:
        return f" ({(_PROC / str(pid) / 'comm').read_text(encoding='utf-8').strip()})"
    except OSError:
        return ""


def _is_unwritable(path: Path) -> bool:
    return path.exists() and not os.access(path, os.W_OK)


def examine_clock(home: Home, runs: Sequence[Run], now: datetime | None = None) -> Finding:
    """Return whether the clock agrees with the input files and the earlier nights: none of them lies ahead of it.

    Args:
        home: the home.
        runs: its runs, newest first.
        now: naive, UTC; None for the time of the clock.
    """
    now = now or datetime.now(UTC).replace(tzinfo=None)
    known = {f"run {run.run_id}": run.finished_at or run.started_at for run in runs[:NIGHTS]}
    files = [path for path in home.input.rglob("*") if path.is_file()] if home.input.is_dir() else []
    known |= {
        str(path.relative_to(home.input)): datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(
            tzinfo=None
        )
        for path in files
    }
    seen = f"{now:%Y-%m-%d %H:%M} UTC"
    if not known:
        return Finding("Clock", "OK", f"{seen}; there is nothing to compare it with yet")
    newest = max(known, key=lambda name: known[name])
    if known[newest] > now + _CLOCK_SLACK:
        return Finding(
            "Clock", "bad", f"{seen}, but {newest} is of {known[newest]:%Y-%m-%d %H:%M}",
            "Set the clock (timedatectl), or wait until that time has passed: newer nights must have later ids.",
        )  # fmt: skip
    nights = [run.finished_at or run.started_at for run in runs[:1]]
    if nights and now - nights[0] > _LONG_AGO:
        return Finding(
            "Clock", "look", f"{seen}, {(now - nights[0]).days:,} days after the last night",
            "Is the clock ahead, or has no night run since? recs runs lists them.",
        )  # fmt: skip
    return Finding("Clock", "OK", f"{seen}, later than everything here; the newest is {newest}")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
