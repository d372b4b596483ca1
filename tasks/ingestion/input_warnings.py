"""Warn of clean data that the settings do not fit: another scale, texts that are no genres, ids of another kind."""

from __future__ import annotations

import json
import logging
import re

import duckdb

from tasks.config.data_settings import DataSettings
from tasks.config.settings import Settings, UtilitySettings
from tasks.config.usual_scales import usual_like, usual_scale
from tasks.errors import UsageError
from tasks.storage.warehouse import run_file

log = logging.getLogger(__name__)

EXTREME_SHARE = 0.95
MANY_LIKES = 0.8
"""Share of likes that is warned of where they begin in the lower half of the scale."""
MANY_EARLY = 0.01
"""Share of the times of a source before 1973: numbers of hours or minutes, read as seconds, lie there."""
MANY_ZEROS = 0.25
MANY_GENRES = 200
LONG_GENRE = 60
"""Characters."""
SEVERAL_COMPOSED = 2
"""Different genres that consist of other genres: a single one, such as Sci-Fi/Fantasy, may be meant."""
MANY_JOINED = 0.1
"""Share of the items with a genre that holds a comma or the like."""
FEW_KNOWN = 0.5
"""Share of the items with an interaction."""


def warn_of_input(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Log one sentence on each thing in the clean tables that the settings probably do not fit.

    Args:
        con: the warehouse, with the clean tables.
        settings: those of the night.

    Raises:
        UsageError: nothing in the data can be positive, so that nothing could be recommended.
    """
    _require_positives(con, settings.utility)
    _warn_of_times(con, settings.data)
    _warn_of_ratings(con, settings)
    _warn_of_genres(con)
    _warn_of_catalogue(con)
    _warn_of_other_ids(con)


def _require_positives(con: duckdb.DuckDBPyConnection, utility: UtilitySettings) -> None:
    found = run_file(con, "warehouse/clean/event_kinds.sql").fetchall()
    kinds = {kind for kind, _, _ in found}
    events = {name: n for kind, name, n in found if kind == "event"}
    if "rating" in kinds or not events:
        return
    counted = ", ".join(f"{name} ({n:,})" for name, n in list(events.items())[:5])
    if not events.keys() & utility.positive_events.keys() and not ("tag" in kinds and utility.positive_tags):
        raise nothing_is_liked(next(iter(events)), counted, utility)
    has_no_signal = not events.keys() & {each.event for each in utility.signals.values()}
    if has_no_signal and "tag" not in kinds:
        log.warning(
            "None of the events has a signal: %s. Models of the utility have nothing to learn; write into "
            "pipeline.toml, for example, %s.",
            counted, _signal_of(next(iter(events))),
        )  # fmt: skip


def nothing_is_liked(event: str, counted: str, utility: UtilitySettings) -> UsageError:
    """Return the error for data without ratings in which no event has a threshold.

    Args:
        event: an event of the data, for the suggestion.
        counted: the events of the data, in words.
        utility: the settings.
    """
    has_signal = event in {each.event for each in utility.signals.values()}
    return UsageError(
        f"There are no ratings, and none of the events has a threshold: {counted}. So no item counts as liked.",
        f"Write into pipeline.toml what a like is, such as [utility.positive_events] with {_toml_key(event)} = 1"
        + ("." if has_signal else f", and what weighs, such as {_signal_of(event)}."),
    )


def _signal_of(event: str) -> str:
    return f'[utility.signals.{_toml_key(event)}] with source = "events" and event = {json.dumps(event)}'


def _warn_of_times(con: duckdb.DuckDBPyConnection, settings: DataSettings) -> None:
    for source, n, early, newest in run_file(con, "warehouse/clean/early_times.sql").fetchall():
        if early >= MANY_EARLY * n and source not in settings.without_times:
            log.warning(
                "%s of %s times of %s lie before 1973, the newest of these is %s: are they hours, minutes or a counter?"
                " Write seconds since 1970 or 2026-01-31T20:00:00, or, to do without times, [data.%s] timestamp = "
                "\"\" into pipeline.toml.",
                f"{early:,}", f"{n:,}", source, newest, source,
            )  # fmt: skip


def _warn_of_ratings(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    relevant, scale = settings.utility.relevant_rating, settings.data
    found = run_file(con, "warehouse/clean/rating_shares.sql", relevant_rating=relevant).fetchone()
    if found is None or not found[0]:
        return
    n, least, greatest, liked, lowest, different = found
    in_lower_half = relevant < (scale.rating_min + scale.rating_max) / 2
    all_alike = least == greatest and liked == 1  # as where every row says 1, and a 1 is a like
    extreme = liked >= EXTREME_SHARE or liked <= 1 - EXTREME_SHARE or (in_lower_half and liked > MANY_LIKES)
    if extreme and not all_alike:
        low, high = (scale.rating_min, scale.rating_max) if in_lower_half else (least, greatest)
        like = usual_like(low, high, two_values=different == 2 and not in_lower_half)
        fits = in_lower_half or usual_scale(least, greatest) == (scale.rating_min, scale.rating_max)
        log.warning(
            "%s of %s ratings are likes: they reach from %g to %g, and utility.relevant_rating is %g. Set it to the "
            "least rating that is a like, such as %g%s.",
            f"{liked:.1%}", f"{n:,}", least, greatest, relevant, like,
            "" if fits else ", and data.rating_min and data.rating_max to the scale",
        )  # fmt: skip
    if least in (0, -1) and greatest > 1 and lowest >= MANY_ZEROS:
        log.warning(
            "%s of %s ratings are %g: if that means that there is no rating, write [data.ratings] not_rated = [%g].",
            f"{lowest:.1%}", f"{n:,}", least, least,
        )  # fmt: skip


def _warn_of_genres(con: duckdb.DuckDBPyConnection) -> None:
    found = run_file(con, "warehouse/clean/genre_habits.sql").fetchone()
    if found is None or not found[0]:
        return
    n, longest, most_per_item, joined_share, joined, composed, separator, example, bracketed = found
    if bracketed is not None:
        log.warning(
            "The genre %r looks like a part of a list that was not read: lists such as [\"Drama\", \"Noir\"], "
            "('Drama', 'Noir') and {Drama,Noir} are, else set data.items.genre_separator.",
            bracketed[:100],
        )  # fmt: skip
    elif composed >= SEVERAL_COMPOSED:
        log.warning(
            "%s genres are like %r, whose parts are genres of other items: if these are several, write [data.items] "
            "genre_separator = %s.",
            f"{composed:,}", example[:100], json.dumps(separator),
        )  # fmt: skip
    elif joined_share > MANY_JOINED and most_per_item == 1:
        between = re.search(r"[,;/|]", joined)
        log.warning(
            "No item has more than one genre, and %.0f%% of the items have one like %r: if these are several, write "
            "[data.items] genre_separator = %s.",
            100 * joined_share, joined[:100], json.dumps(between[0] if between else ","),
        )  # fmt: skip
    elif n > MANY_GENRES or len(longest) > LONG_GENRE:
        log.warning(
            "The catalogue has %s different genres, such as %r: are they genres, and is data.items.genre_separator "
            "right? Each gets a fallback list.",
            f"{n:,}", longest[:100],
        )  # fmt: skip


def _warn_of_catalogue(con: duckdb.DuckDBPyConnection) -> None:
    found = run_file(con, "warehouse/clean/catalogue_match.sql").fetchone()
    if found is None or not found[0]:
        return
    _, touched, known, unknown_id, untouched_id = found
    if touched and known < FEW_KNOWN * touched:
        other = f", and {untouched_id!r} in the catalogue has no interaction" if untouched_id else ""
        log.warning(
            "The catalogue has %s of the %s items with an interaction (%s): %r is not in it%s. Are these the same ids?",
            f"{known:,}", f"{touched:,}", f"{known / touched:.1%}", unknown_id, other,
        )  # fmt: skip


def _warn_of_other_ids(con: duckdb.DuckDBPyConnection) -> None:
    for source, what, n, example in run_file(con, "warehouse/clean/further_match.sql").fetchall():
        log.warning(
            "None of the %s %s that the %s name has an interaction, such as %r. Are these the same ids?",
            f"{n:,}", what, source, example,
        )  # fmt: skip


def _toml_key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name)
