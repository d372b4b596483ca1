"""The composite utility by plain loops over a log: slow, obvious, and independent of the SQL."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict

from tasks.config.settings import UtilitySettings
from tests.tasks.logs import Log


def visible(rows, until, pair):
    """The latest row of each pair before `until`."""
    latest = {}
    for row in sorted(rows, key=lambda row: row[-1]):
        if row[-1] < until:
            latest[pair(row)] = row
    return list(latest.values())


def before(log: Log, cutoffs: dict) -> Log:
    """Return the rows of `log` that are visible at each user's cutoff (in days)."""
    cut = Log(items=log.items)
    for user, cutoff in cutoffs.items():
        for_user = [[row for row in rows if row[0] == user] for rows in (log.ratings, log.tags, log.events)]
        cut.ratings.extend(visible(for_user[0], cutoff, lambda row: row[:2]))
        cut.tags.extend(visible(for_user[1], cutoff, lambda row: row[:3]))
        cut.events.extend(row for row in for_user[2] if row[-1] < cutoff)
    return cut


def positive(log: Log, settings: UtilitySettings) -> set:
    """Pairs with a relevant rating, a tag, or enough of an event."""
    found = {row[:2] for row in log.ratings if row[2] >= settings.relevant_rating}
    if settings.positive_tags:
        found |= {row[:2] for row in log.tags}
    sums = defaultdict(float)
    for user, item, event, value, _ in sorted(log.events, key=lambda row: (row[-1], row[3])):
        sums[user, item, event] += value
    return found | {
        (user, item)
        for (user, item, event), total in sums.items()
        if event in settings.positive_events and total >= settings.positive_events[event]
    }


def composite(log: Log, now: float, settings: UtilitySettings) -> dict:
    """u of every pair with u > 0; `log` is already cut, ages count from `now` (in days)."""
    n_users = len({row[0] for row in log.interactions})
    total = defaultdict(float)
    for _, signal in sorted(settings.signals.items()):
        values = _aggregate(log, now, signal)
        for pair, term in _transform(values, signal.transform, n_users).items():
            total[pair] += signal.weight * term
    return {pair: u for pair, u in total.items() if u > 0}


def _aggregate(log, now, signal):
    if signal.source == "ratings":
        rows = log.ratings
    elif signal.source == "tags":
        rows = [(user, item, 1, when) for user, item, _, when in log.tags]
    else:
        rows = [(u, i, value, when) for u, i, event, value, when in log.events if event == signal.event]
    pairs = defaultdict(list)
    for user, item, value, when in rows:
        age = now - when
        decay = 2 ** (-age / signal.half_life_days) if signal.half_life_days else 1
        pairs[user, item].append((when, value, decay))
    return {pair: _one_value(sorted(history), signal.aggregate) for pair, history in pairs.items()}


def _one_value(history, aggregate):
    decayed = [value * decay for _, value, decay in history]
    return {
        "last": decayed[-1],
        "sum": sum(decayed),
        "max": max(decayed),
        "count": sum(decay for _, _, decay in history),
    }[aggregate]


def _transform(values, transform, n_users):
    of_user, users_of_item = defaultdict(list), defaultdict(int)
    for (user, item), v in values.items():
        of_user[user].append(v)
        users_of_item[item] += 1

    def one(user, item, v):
        mean = statistics.fmean(of_user[user])
        deviation = statistics.pstdev(of_user[user])
        magnitude = statistics.fmean(map(abs, of_user[user]))
        above_mean = v - mean if abs(v - mean) > 1e-9 * abs(mean) else 0
        return {
            "none": lambda: v,
            "binary": lambda: float(v > 0),
            "log1p": lambda: math.log(1 + max(v, 0)),
            "user_mean": lambda: above_mean,
            "user_ratio": lambda: v / magnitude if magnitude else 0,
            "user_zscore": lambda: above_mean / deviation if above_mean else 0,
            "item_idf": lambda: v * math.log(1 + n_users / users_of_item[item]),
        }[transform]()

    return {(user, item): one(user, item, v) for (user, item), v in values.items()}
