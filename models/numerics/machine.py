"""The processors and the memory that this process may use: those of the machine, or of its control group (cgroup)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from math import floor
from pathlib import Path

_ROOT = Path("/")
_NO_LIMIT = 1 << 60  # bytes; version 1 writes a number near 2^63 for no limit


def usable_cores() -> int:
    """Return the number of processors that the scheduler may give to this process."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def allowed_cores(root: Path = _ROOT) -> int:
    """Return how many threads can run at once: the usable processors, or the quota of the control group if less.

    A container started with `--cpus=2` sees all processors of its machine and may use two of them. A thread for each
    would only make the others wait. Parts of a processor are rounded down, to at least 1.

    Args:
        root: the folder that holds `proc` and `sys`; another one for tests.
    """
    quotas = [quota for folder in _groups(root, "cpu") if (quota := _quota(folder)) is not None]
    return max(1, min([usable_cores(), *map(floor, quotas)]))


def allowed_memory(root: Path = _ROOT) -> int | None:
    """Return the bytes of memory of the machine, or of its control group if less; None where neither is known.

    Args:
        root: as for `allowed_cores`.
    """
    found = [_total_memory(root)]
    for folder in _groups(root, "memory"):
        found += [_number(folder / name) for name in ("memory.max", "memory.limit_in_bytes")]
    return min((n_bytes for n_bytes in found if n_bytes is not None and n_bytes < _NO_LIMIT), default=None)


def _total_memory(root: Path) -> int | None:
    """Return the bytes of the machine."""
    meminfo = root / "proc/meminfo"
    if meminfo.is_file():
        lines = (line.split() for line in meminfo.read_text(encoding="ascii").splitlines())
        return next((int(line[1]) * 1024 for line in lines if line[0] == "MemTotal:"), None)
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's control group and of those above it, in versions 1 and 2 of cgroup.

    Inside a container the paths of `/proc/self/cgroup` may be those outside it; then only the topmost folder exists.
    """
    groups = root / "proc/self/cgroup"
    if not groups.is_file():
        return
    mount = root / "sys/fs/cgroup"
    for line in groups.read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = mount / controller if controllers else mount
        parts = Path(path.lstrip("/")).parts
        yield from filter(Path.is_dir, (top.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)))


def _quota(folder: Path) -> float | None:
    """Return the number of processors that a control group may use; None without a limit."""
    limit = folder / "cpu.max"
    if limit.is_file():
        quota, period = limit.read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    quota_us, period_us = (_number(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    return quota_us / period_us if quota_us and period_us else None


def _number(file: Path) -> int | None:
    """Return the number in a file; None if it is absent or says `max` or, for no limit, −1."""
    text = file.read_text(encoding="ascii").strip() if file.is_file() else ""
    return int(text) if text.isdigit() else None
