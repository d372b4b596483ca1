"""The days of a replay, and what is refused before any data are read."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tasks.config.load import load_settings
from tasks.errors import UsageError
from tasks.replay.plan import BASE, Plan, Variant, make_plan, parse_period, refuse_future

WEEK = timedelta(days=7)
FIRST = datetime(2017, 1, 1)


def plan(until: datetime, *variants: tuple[str, int]) -> Plan:
    settings = load_settings(None, ())
    found = tuple(Variant(name, settings, timedelta(days=days)) for name, days in (variants or ((BASE, 7),)))
    return make_plan(FIRST, until, WEEK, WEEK, found)


@pytest.mark.parametrize(("text", "days"), [("1d", 1), ("7d", 7), (" 4W ", 28)])
def test_a_period_is_days_or_weeks(text: str, days: int) -> None:
    assert parse_period(text, "--every") == timedelta(days=days)


@pytest.mark.parametrize("text", ["0d", "7", "d", "-7d", "1.5d", "2h", "", "weekly", "999999d"])
def test_other_periods_are_refused_with_their_text(text: str) -> None:
    with pytest.raises(UsageError, match=r"--every .* is no length of time"):
        parse_period(text, "--every")


@pytest.mark.parametrize(("until", "n_days"), [(8, 1), (9, 2), (15, 2), (16, 3)])
def test_the_end_is_no_day_itself(until: int, n_days: int) -> None:
    found = plan(datetime(2017, 1, until)).days
    assert found == tuple(FIRST + place * WEEK for place in range(n_days))


@pytest.mark.parametrize("until", [FIRST, datetime(2016, 12, 31)])
def test_an_end_that_is_no_later_is_refused(until: datetime) -> None:
    with pytest.raises(UsageError, match="does not lie before --to"):
        plan(until)


def test_a_first_day_in_the_future_is_refused() -> None:
    """Unless data.max_future_days, 1 by default, lets data of that day in."""
    refuse_future(plan(datetime(2017, 2, 1)), FIRST - timedelta(days=1))
    with pytest.raises(UsageError, match=f"--from {FIRST:%Y-%m-%d} lies in the future"):
        refuse_future(plan(datetime(2017, 2, 1)), FIRST - timedelta(days=1, seconds=1))


def test_windows_beyond_all_dates_are_refused() -> None:
    with pytest.raises(UsageError, match="--horizon 7d after --to 9999-12-31 is beyond the year 9999"):
        plan(datetime(9999, 12, 31))


def test_a_variant_has_its_own_nights() -> None:
    found = plan(datetime(2017, 2, 5), (BASE, 7), ("fortnightly", 14))
    nights = [[found.has_night(each, day) for day in found.days] for each in found.variants]
    assert nights == [[True] * 5, [True, False, True, False, True]]


def test_nights_between_the_days_are_refused() -> None:
    with pytest.raises(UsageError, match="odd runs every 10d, which is no multiple of --every 7d"):
        plan(datetime(2017, 2, 5), (BASE, 7), ("odd", 10))
