"""Say what to do about a time column that holds no times, or none that can be read."""

from __future__ import annotations

from math import inf

import duckdb

from tasks.artifacts import SourceCounts
from tasks.ingestion.rejected_value import most_frequent_value

NEARLY_ALL = 0.9
FORMATS = (
    "Times are seconds, milliseconds, microseconds or nanoseconds since 1970, 2026-01-31T20:00:00+01:00, 2026-01-31, "
    "20260131 or 20260131200000. "
)
WITHOUT_EXCEL = (
    "Export the file again without Excel, or format the column as text before you save it: the digits behind E+ are "
    "lost. "
)
YEAR_FIRST = "Write times as 2026-01-31 or 2026-01-31T20:00:00. "
_NUMBERS = (
    (1900, 2101, "a year, which is no time: write dates"),
    (10_000, 25_000, "days since 1970: multiply them by 86400"),
    (
        25_000,
        80_000,
        "a day number of Excel: format the column as yyyy-mm-dd hh:mm:ss before you save the file",
    ),
    (-inf, 10_000, "a counter, or stands for no time"),
)
"""From, below, and what such a number looks like; the first that fits counts."""
_FUTURE = "timestamp lies in the future"


def fails_by_time(count: SourceCounts) -> bool:
    """Return whether nearly all rows of a source were rejected for their times, other than for future ones."""
    failed = sum(n for reason, n in count.reasons.items() if _is_of_time(reason))
    return failed >= NEARLY_ALL * count.rows_in


def advise_on_times(con: duckdb.DuckDBPyConnection, count: SourceCounts) -> tuple[str, str]:
    """Return a sentence on the times of such a source, with a blank before it, and what to do, with a blank behind it.

    Args:
        con: the warehouse, with the quarantine.
        count: the counts of the source, with a row that was rejected for its time.
    """
    reason = next(reason for reason in count.reasons if _is_of_time(reason))
    value = most_frequent_value(con, count.source, reason, "timestamp")
    effect = (
        "Then all links count at any moment. "
        if count.source == "links"
        else "Then a row happened when its file was landed, the later row is the newer one, models are judged on "
        "interactions drawn at random, and half-lives are refused. "
    )
    without = f'[data.{count.source}] timestamp = "" into pipeline.toml. {effect}'
    if reason.startswith("timestamp is missing"):
        return (
            "",
            f"If the column holds no times, write {without}Else leave rows without a time out of the file. ",
        )
    seen = f" The most frequent such time is {value!r}." if value else ""
    return seen, f"{_looks_like(value or '', reason)}To do without times, write {without}"


def _is_of_time(reason: str) -> bool:
    return reason.startswith("timestamp ") and reason != _FUTURE


def _looks_like(value: str, reason: str) -> str:
    if "was rounded" in reason:
        return WITHOUT_EXCEL
    if "year last" in reason:
        return YEAR_FIRST
    return _looks_like_number(value) + FORMATS


def _looks_like_number(value: str) -> str:
    try:
        number = float(value.replace(",", "."))
    except ValueError:
        return ""
    likeness = next((likeness for least, below, likeness in _NUMBERS if least <= number < below), None)
    return f"{value} looks like {likeness}. " if likeness else ""
