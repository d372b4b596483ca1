"""The plan of a replay: its days, how long lists are judged, and the variants that are compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.config.settings import Settings
from tasks.errors import UsageError

BASE = "base"
"""The first variant: the settings as they are."""

CHAMPION = "champion"
"""The column of a variant that holds the lists of each night's champion, which would have been live."""

_DAYS = {"d": 1, "w": 7}
_MOST_DAYS = 36_500


@dataclass(frozen=True)
class Variant:
    """Settings under which the days are replayed.

    Attributes:
        name: its name, a column of the table.
        settings: those of its nights.
        every: the time between two nights, a multiple of the plan's; lists are served in between.
    """

    name: str
    settings: Settings
    every: timedelta


@dataclass(frozen=True)
class Plan:
    """The days that are replayed.

    Attributes:
        since: the first day, UTC; it is the `as_of` of the first night.
        until: the end of the days, exclusive.
        every: the time between two days.
        horizon: the length of the window after each day in which its lists are judged.
        variants: at least one; differences are to the first.
    """

    since: datetime
    until: datetime
    every: timedelta
    horizon: timedelta
    variants: tuple[Variant, ...]

    @property
    def days(self) -> tuple[datetime, ...]:
        """All days, in order."""
        number = -((self.since - self.until) // self.every)
        return tuple(self.since + self.every * place for place in range(number))

    def has_night(self, variant: Variant, day: datetime) -> bool:
        """Return whether a night of the variant is due on a day."""
        return (day - self.since) % variant.every == timedelta(0)


def parse_period(text: str, name: str) -> timedelta:
    """Return a length of time such as `1d`, `7d` or `4w`.

    Args:
        text: as written.
        name: of the option or the setting, for messages.

    Raises:
        UsageError: it is no whole number of days or weeks above zero.
    """
    found = re.fullmatch(r"(\d{1,6})([dw])", str(text).strip().lower())
    days = int(found[1]) * _DAYS[found[2]] if found else 0
    if not 0 < days <= _MOST_DAYS:
        raise UsageError(
            f"{name} {text!r} is no length of time.", "Write a whole number of days or weeks: 1d, 7d or 4w."
        )
    return timedelta(days=days)


def make_plan(
    since: datetime, until: datetime, every: timedelta, horizon: timedelta, variants: tuple[Variant, ...]
) -> Plan:
    """Return the plan, after checks that need no data.

    Args:
        since, until: the first day, and the end of the days (exclusive), UTC.
        every: the time between two days.
        horizon: the length of the windows.
        variants: what is compared.

    Raises:
        UsageError: there is no day, a window ends beyond all dates, or a variant's nights do not fall on the days.
    """
    if since >= until:
        raise UsageError(
            f"--from {_date(since)} does not lie before --to {_date(until)}, so that there is no day to replay.",
            "Give an earlier --from, or a later --to.",
        )
    if horizon > datetime.max - until:
        raise UsageError(
            f"--horizon {horizon.days}d after --to {_date(until)} is beyond the year 9999.",
            "Give a shorter --horizon, or an earlier --to.",
        )
    for variant in variants:
        if variant.every % every != timedelta(0):
            raise UsageError(
                f"The variant {variant.name} runs every {variant.every.days}d, which is no multiple of "
                f"--every {every.days}d.",
                "Its nights must fall on days that are replayed: change one of the two.",
            )
    return Plan(since, until, every, horizon, variants)


def refuse_future(plan: Plan, now: datetime) -> None:
    """Raise if the first day lies in the future, before any file is read: times so late are rejected anyway.

    Args:
        plan: the days.
        now: the time, naive UTC.

    Raises:
        UsageError: there can be no data of the first day.
    """
    days = plan.variants[0].settings.data.max_future_days
    if plan.since > now + timedelta(days=days):
        raise UsageError(
            f"--from {_date(plan.since)} lies in the future: it is {_date(now.replace(hour=0, minute=0, second=0))}, "
            f"and data.max_future_days {days} rejects data so late.",
            "Choose days that lie within the data.",
        )


def _date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if moment.time() == moment.min.time() else moment.isoformat()
