"""Say what to do about rejected rows, by their most frequent reason and by what their values look like."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import cast

import duckdb

from tasks.artifacts import SourceCounts
from tasks.config.data_settings import DataSettings
from tasks.config.usual_scales import usual_like, usual_scale
from tasks.ingestion.rejected_value import most_frequent_value
from tasks.ingestion.time_advice import FORMATS, WITHOUT_EXCEL, YEAR_FIRST, advise_on_times, fails_by_time
from tasks.storage.warehouse import run_file

_ADVICE = {
    "was rounded": WITHOUT_EXCEL,
    "year last": YEAR_FIRST,
    "is not a time": FORMATS,
    "is before 1970-01-02": f"{FORMATS}If such a time stands for none, leave the row out of the file. ",
    "is after 2199": FORMATS,
    "number of another unit": "Write all times of a file in one unit. ",
    "for decimals or for thousands": "Decimal commas are read if no number of the file has a point, and not every "
    "comma has three digits behind it. Write decimals with a point, and thousands without a separator. ",
    "and its file decimal commas": "Write all numbers of a file alike: with a decimal point, or with a comma. ",
    "rating is missing": 'If such a row says that the user met the item, write [data.ratings] not_rated = [""], which '
    "stands for NULL and the like, too; else leave it out of the file. ",
    "value is not a number": "Write values as numbers, such as 2 or 0.5. ",
    "weight is not": "Write weights as numbers above 0, such as 2 or 0.5, or into pipeline.toml, if all links weigh "
    'the same, [data.links] weight = "". ',
    "user and friend are the same": "Leave links of users with themselves out of the file. ",
    "is missing": "Leave such rows out of the file. ",
}
"""By a part of the reason."""
_TYPED_AS = {"friend": "user", "head": "item", "tail": "item"}
"""The ids that have the type of others."""


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
    if not fails_by_time(count):
        return _on_reason(con, count, reason, settings)
    times = advise_on_times(con, count)
    if reason.startswith("timestamp "):
        return times
    seen, advice = _on_reason(con, count, reason, settings)
    return seen + times[0], advice + times[1]


def _suggested_scale(least: float, greatest: float, different: int) -> str:
    """Return the lines of pipeline.toml for ratings of so many different values: a usual scale that holds them."""
    low, high = usual_scale(least, greatest)
    like = usual_like(least, greatest, two_values=different == 2)
    return (
        f"[data] rating_min = {low:.15g}, rating_max = {high:.15g} and [utility] relevant_rating = {like:.15g} (the "
        "least rating that is a like)"
    )


def _on_reason(
    con: duckdb.DuckDBPyConnection, count: SourceCounts, reason: str, settings: DataSettings
) -> tuple[str, str]:
    if reason == "rating is outside the scale":
        return _on_scale(con, settings)
    if reason == "rating is not a number":
        return _on_words(con, count, reason)
    if reason.endswith("is not an integer"):
        return _on_integer_ids(con, count, reason, settings)
    if reason == "timestamp lies in the future":
        return _on_future(con)
    return "", next((advice for part, advice in _ADVICE.items() if part in reason), "")


def _on_scale(con: duckdb.DuckDBPyConnection, settings: DataSettings) -> tuple[str, str]:
    found = run_file(
        con,
        "warehouse/clean/rating_range.sql",
        rating_min=settings.rating_min,
        rating_max=settings.rating_max,
    ).fetchone()
    least, greatest, lowest_share, above_lowest, outside, different = cast(
        tuple[float, float, float, float | None, int, int], found
    )
    seen = (
        f" The ratings reach from {least:g} to {greatest:g} ({lowest_share:.0%} are {least:g}), and the scale of the "
        f"settings from {settings.rating_min:g} to {settings.rating_max:g}."
    )
    scale = _suggested_scale(least, greatest, different)
    low, high = usual_scale(least, greatest)
    another = f"If their scale is {low:g} to {high:g}, write into pipeline.toml: {scale}. "
    if greatest <= 1:
        return seen, another
    if outside == 1 and least < settings.rating_min:
        return seen, (
            f"If {least:g} means that there is no rating, write [data.ratings] not_rated = [{least:g}]; if it is the "
            f"lowest, [data] rating_min = {least:g}. "
        )
    if outside == 1 and greatest > settings.rating_max and settings.rating_max < greatest / 2:
        return seen, (
            f"If {greatest:g} means that there is no rating, write [data.ratings] not_rated = [{greatest:g}]; else "
            f"{scale}. "
        )
    if least in (0, -1) and above_lowest is not None and greatest > 1 >= above_lowest:
        rated = _suggested_scale(above_lowest, greatest, different - 1)
        return seen, (
            f"Write into pipeline.toml: {rated}, and, if {least:g} means that there is no rating, [data.ratings] "
            f"not_rated = [{least:g}]. "
        )
    return seen, another


def _on_words(con: duckdb.DuckDBPyConnection, count: SourceCounts, reason: str) -> tuple[str, str]:
    value = most_frequent_value(con, count.source, reason, "rating") or ""
    advice = "Write ratings as numbers, such as 3.5, and thumbs as 1 and 0. "
    if not re.search(r"\d", value):
        word = json.dumps(value, ensure_ascii=False)
        advice += f"If that one means that there is no rating, write [data.ratings] not_rated = [{word}]. "
    return f" The most frequent such rating is {value!r}.", advice


def _on_integer_ids(
    con: duckdb.DuckDBPyConnection, count: SourceCounts, reason: str, settings: DataSettings
) -> tuple[str, str]:
    column = reason.split(maxsplit=1)[0]
    kind = _TYPED_AS.get(column, column)
    value = most_frequent_value(con, count.source, reason, column)
    seen = f" Such an id is {value!r}." if value is not None else ""
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
