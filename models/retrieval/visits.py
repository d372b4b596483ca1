"""Users' events in time order, and those shortly before a moment, which are the context of a visit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.sequence.histories import Histories

_DAY_S = 86_400
_THURSDAY = 3  # 1970-01-01 was one; weeks begin on Monday
N_CLOCK = 6
"""Numbers that say how much happened lately, and at which hour of which weekday the user came last."""


class Context(NamedTuple):
    """The events of users before some moments, one for each.

    Attributes:
        events: (b, n_items) float32, 1 / n for each of the n latest events.
        clock: (b, 6) float32: logarithm of 1 + number of events in `events`, and of 1 + number of all events before the
            moment; sine and cosine of the hour of the last event, and of its day of the week. All 0 without any event.
    """

    events: sparse.csr_array
    clock: FloatArray


@dataclass(frozen=True)
class Visits:
    """Every user's events in time order.

    Attributes:
        events: of any kind, not only likes.
        window_s: seconds before a moment that are its context.
        most: events of a context, the latest.
        n_items: number of items.
    """

    events: Histories
    window_s: float
    most: int
    n_items: int

    @classmethod
    def of(cls, seen: sparse.csr_array, timestamp: sparse.csr_array, days: float, most: int) -> Visits:
        """Sort the events.

        Args:
            seen: (n_users, n_items), an entry for each event.
            timestamp: (n_users, n_items) int64, Unix seconds; holds every entry of `seen`.
            days: length of the window.
            most: events of a context.
        """
        return cls(Histories.of(seen, timestamp), days * _DAY_S, most, seen.shape[1])

    def before(self, users: NDArray[np.integer], moments: NDArray[np.int64]) -> Context:
        """Return the context of visits: what the users did before the moments, and not at them.

        Args:
            users: (b,) row indices.
            moments: (b,) Unix seconds.
        """
        first, end = self.events.starts[:-1][users], self._place(users, moments)
        begin = np.maximum(self._place(users, moments - int(self.window_s)), end - self.most)
        counts = end - begin
        indptr = np.concatenate([[0], np.cumsum(counts)])
        items = self.events.items[np.repeat(begin - indptr[:-1], counts) + np.arange(indptr[-1])]
        shares = np.repeat(1 / counts.clip(min=1), counts).astype(np.float32)
        events = sparse.csr_array((shares, items, indptr), shape=(len(users), self.n_items))
        clock = np.zeros((len(users), N_CLOCK), np.float32)
        clock[:, 0], clock[:, 1] = np.log1p(counts), np.log1p(end - first)
        came = end > first
        last = self.events.times[end[came] - 1] if came.any() else np.empty(0, np.int64)
        hour, day = last % _DAY_S / _DAY_S, ((last // _DAY_S + _THURSDAY) % 7) / 7
        for column, part in enumerate((hour, day)):
            clock[came, 2 + 2 * column] = np.sin(2 * np.pi * part)
            clock[came, 3 + 2 * column] = np.cos(2 * np.pi * part)
        return Context(events, clock)

    def _place(self, users: NDArray[np.integer], moments: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where in `events` each user's events from the moment on begin, (b,)."""
        low, span = self._low_and_span
        asked = users.astype(np.int64) * span + np.clip(moments - low, 0, span - 1)
        return np.searchsorted(self._keys, asked).astype(np.int64)

    @cached_property
    def _low_and_span(self) -> tuple[int, int]:
        times = self.events.times
        low = int(times.min(initial=0))
        return low, int(times.max(initial=0)) - low + 2

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        """One number for each event, rising by user and time."""
        low, span = self._low_and_span
        rows = np.repeat(np.arange(len(self.events.starts) - 1), self.events.lengths)
        return rows * span + (self.events.times - low)


def after_last_event(timestamp: sparse.csr_array) -> NDArray[np.int64]:
    """Return the second after each user's last event, (n_users,) int64: the moment that a list is made for.

    The days before the end of the data would be empty for most users, whose next visit is not tomorrow. If all events
    of a user are of one time, as in data without times, return that time: nobody was trained with a context then, so
    lists are made without one. For a user without events, return 0.

    Args:
        timestamp: (n_users, n_items) int64, Unix seconds of the pairs' latest events.
    """
    moments = np.zeros(timestamp.shape[0], np.int64)
    came = np.flatnonzero(np.diff(timestamp.indptr))
    starts = timestamp.indptr[:-1][came]
    if len(came):
        last, first = np.maximum.reduceat(timestamp.data, starts), np.minimum.reduceat(timestamp.data, starts)
        moments[came] = last + (last > first)
    return moments
