"""The last line of a benchmark: figures as `name=value`, with blanks between them."""

from __future__ import annotations

from collections.abc import Mapping


def to_line(figures: Mapping[str, float]) -> str:
    """Return figures as one line: seconds and ratios with two decimals, others (`_mb`, counts) without."""
    return " ".join(f"{name}={value:.{_decimals(name, value)}f}" for name, value in figures.items())


def from_text(printed: str) -> dict[str, float]:
    """Return the figures of the last line of what a benchmark printed. Words without a number are left out."""
    lines = printed.strip().splitlines()
    figures = {}
    for word in lines[-1].split() if lines else []:
        name, equals, text = word.partition("=")
        if equals:
            try:
                figures[name] = float(text)
            except ValueError:
                continue
    return figures


def _decimals(name: str, value: float) -> int:
    return 0 if name.endswith("_mb") or (float(value).is_integer() and not name.endswith("_s")) else 2
