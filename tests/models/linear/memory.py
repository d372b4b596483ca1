"""How much memory something takes beyond what there was, as numpy reports it to Python."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable


def peak_mb(work: Callable[[], object]) -> float:
    """MB of arrays and objects that `work` held at its worst."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
