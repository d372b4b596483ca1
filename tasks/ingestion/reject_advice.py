"""Say what to do about rejected rows, by their most frequent reason and by what their values look like."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import duckdb

from tasks.artifacts import SourceCounts
from tasks.config.data_settings import DataSettings
from tasks.config.settings import usual_like
from tasks.storage.warehouse import run_file

_ADVICE = {
    "was rounded": "Export the file again without Excel, or format the column as text before you save it: the "
    "digits behind E+ are lost. ",
    "year last": "Write times as 2026-01-31 or 2026-01-31T20:00:00. ",
    "is not a time": "Times are seconds since 1970, 2026-01-31, or 2026-01-31T20:00:00+01:00. ",
    "is missing: it says": "Leave such rows out of the file. ",
}
"""By a part of the reason."""


def advise_on_rejects(
    con: duckdb.DuckDBPyConnection,
    count: SourceCounts,
    settings: DataSettings,
) -> tuple[str, str]:
    """Return a sentence on the rejected values, with a blank before it, and one on what to do, with a blank behind it.

    Args:
        con: the warehouse, with the quarantine.
        count: the counts of one source, with a rejected row.
        settings: how the source was read.

    Returns:
        Two texts; each is empty where there is nothing more to say than the reason.
    """
    reason = next(iter(count.reasons))
    if reason == "rating is outside the scale":
        return _on_scale(con, settings)
    if reason.endswith("is not an integer"):
        return _on_integer_ids(con, count, reason, settings)
    if reason == "timestamp lies in the future":
        return _on_future(con)
    return "", next((advice for part, advice in _ADVICE.items() if part in reason), "")


def suggested_scale(least: float, greatest: float) -> str:
    """Return the lines of pipeline.toml for a scale."""
    return (
        f"[data] rating_min = {least:g}, rating_max = {greatest:g} and [utility] relevant_rating = "
        f"{usual_like(least, greatest):g} (the least rating that is a like)"
    )


def _on_scale(con: duckdb.DuckDBPyConnection, settings: DataSettings) -> tuple[str, str]:
    found = run_file(
        con,
        "warehouse/clean/rating_range.sql",
        rating_min=settings.rating_min,
        rating_max=settings.rating_max,
    ).fetchone()
    least, greatest, lowest_share, above_lowest, outside = cast(
        tuple[float, float, float, float | None, int], found
    )
    seen = (
        f" The ratings reach from {least:g} to {greatest:g} ({lowest_share:.0%} are {least:g}), and the scale of the "
        f"settings from {settings.rating_min:g} to {settings.rating_max:g}."
    )
    if greatest <= 1:
        return seen, f"If that is their scale, write into pipeline.toml: {suggested_scale(least, greatest)}. "
    if outside == 1 and least < settings.rating_min:
        return seen, (
            f"If {least:g} means that there is no rating, write [data.ratings] not_rated = [{least:g}]; if it is the "
            f"lowest, [data] rating_min = {least:g}. "
        )
    if outside == 1 and greatest > settings.rating_max and settings.rating_max < greatest / 2:
        return seen, (
            f"If {greatest:g} means that there is no rating, write [data.ratings] not_rated = [{greatest:g}]; else "
            f"{suggested_scale(least, greatest)}. "
        )
    if least in (0, -1) and above_lowest is not None and greatest > 1 >= above_lowest:
        return seen, (
            f"Write into pipeline.toml: {suggested_scale(above_lowest, greatest)}, and, if {least:g} means that there "
            f"is no rating, [data.ratings] not_rated = [{least:g}]. "
        )
    return seen, f"If that is their scale, write into pipeline.toml: {suggested_scale(least, greatest)}. "


def _on_integer_ids(
    con: duckdb.DuckDBPyConnection, count: SourceCounts, reason: str, settings: DataSettings
) -> tuple[str, str]:
    kind = reason.split(maxsplit=1)[0]
    found = con.execute(
        "select raw ->> $kind from quarantine where source = $source and list_contains(reasons, $reason) limit 1",
        {"kind": kind, "source": count.source, "reason": reason},
    ).fetchone()
    seen = f" Such an id is {found[0]!r}." if found else ""
    if getattr(settings, f"{kind}_id") == "integer":
        return seen, f"Set data.{kind}_id to auto or text, or mend the ids. "
    return seen, (
        f"The first night fixed this home's {kind} ids to integers: deliver integers as before, or start a new home "
        "(--home) for the new ids, since lists of one kind of ids cannot be compared with the other. "
    )


def _on_future(con: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    [(landed_at,)] = cast(
        list[tuple[datetime]], con.execute("select max(landed_at) from landed_files").fetchall()
    )
    return (
        f" The files were landed at {landed_at:%Y-%m-%d %H:%M} by this machine's clock.",
        "Is the clock right? ",
    )
