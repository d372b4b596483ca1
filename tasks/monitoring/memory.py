"""Peak memory of the process, stage by stage."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Reset the high-water mark of memory, where the kernel allows it (Linux)."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return  # elsewhere it counts from the start of the process


def peak_mb() -> float:
    """Return the largest resident size in MB since `reset_peak`, or since the process began where that does nothing."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM"):
                return round(int(line.split()[1]) / 1024, 1)
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)
