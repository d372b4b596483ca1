"""The last line of a benchmark: figures as `name=value`, with blanks between them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?")


def to_line(figures: Mapping[str, float]) -> str:
    """Return figures as one line: seconds and ratios with two decimals, others (`_mb`, counts) without."""
    return " ".join(f"{name}={value:.{_decimals(name, value)}f}" for name, value in figures.items())


def from_text(printed: str) -> dict[str, float]:
    """Return the figures of the last line of what a benchmark printed. Words without a finite number are left out."""
    lines = printed.strip().splitlines()
    words = (word.partition("=") for word in (lines[-1].split() if lines else []))
    return {name: float(text) for name, _, text in words if _NUMBER.fullmatch(text)}


def _decimals(name: str, value: float) -> int:
    return 0 if name.endswith("_mb") or (float(value).is_integer() and not name.endswith("_s")) else 2
