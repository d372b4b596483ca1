"""Choice of the items that users view, by rejection.

One item from the sampler of a taste, or of general popularity, is kept if it is in fashion at that moment, if it
appeals to that user, and if the user has not watched it yet. Numpy draws all random numbers of a round; the kernels
take a view at a time, because array operations wrote and read a dozen arrays as long as the views.

The kernels call nothing outside this module: numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from tasks.datasets.synthetic.catalogue import Items
from tasks.datasets.synthetic.exact_numbers import Ints
from tasks.datasets.synthetic.taste_model import DAY, DAYS, START, START_WEIGHTS, ItemSamplers
from tasks.datasets.synthetic.users import Users

REJECTION_ROUNDS = 60


def choose_items(
    users: Users, items: Items, samplers: ItemSamplers, user: Ints, time: Ints, *, rng: np.random.Generator
) -> Ints:
    """Choose an item per view, none twice for a user.

    After `REJECTION_ROUNDS` without one it is any item that is released.

    Args:
        users, items: all of the data set.
        samplers: of the items.
        user: (n,) the user of each view, sorted.
        time: (n,) Unix seconds.
        rng: the source of randomness.

    Returns:
        (n,) item indices.
    """
    n_items = len(items.popularity)
    row = user - user[0]
    taken = np.zeros((int(row[-1]) + 1, n_items), bool)
    chosen = np.full(len(user), -1, np.int64)
    waiting = np.arange(len(user))
    stay = START, DAYS * DAY, START_WEIGHTS
    tastes = users.tastes, users.end_weights, users.trait_liking
    tickets = samplers.tickets, samplers.first, samplers.size
    # A line of the cache has all that is read of an item.
    qualities = np.column_stack([items.released, items.lasting, items.half_life, items.traits])
    rounds = 0
    while len(waiting):
        if rounds < REJECTION_ROUNDS:
            of_sampler, of_ticket, of_keeping = (rng.random(len(waiting)) for _ in range(3))
            item = _draw(waiting, user, time, of_sampler, of_ticket, stay, tastes, tickets)
            _keep(waiting, user, time, item, of_keeping, DAY, tastes[2], qualities, row, taken, chosen)
        else:
            item = rng.integers(0, n_items, len(waiting))
            _keep_released(waiting, time, item, items.released, row, taken, chosen)
        waiting = waiting[chosen[waiting] < 0]
        rounds += 1
    return chosen


@numba.njit(cache=True, nogil=True)
def _draw(
    waiting: Any, user: Any, time: Any, of_sampler: Any, of_ticket: Any, stay: Any, tastes: Any, tickets: Any
) -> Any:
    """Return an item for each view of `waiting`, from a sampler of the user's."""
    all_tickets, first, size = tickets
    place = np.empty(len(waiting), np.int64)
    for at in range(len(waiting)):
        view = waiting[at]
        sampler = _sampler(user[view], time[view], of_sampler[at], stay, tastes)
        place[at] = first[sampler] + np.int64(np.floor(of_ticket[at] * size[sampler]))
    for at in range(len(waiting)):  # alone, so that the cache misses overlap
        place[at] = all_tickets[place[at]]
    return place


@numba.njit(cache=True, nogil=True)
def _keep(
    waiting: Any, user: Any, time: Any, items: Any, of_keeping: Any, day: int, liking: Any, qualities: Any,
    row: Any, taken: Any, chosen: Any,
) -> None:  # fmt: skip
    """Write the items that are kept into `chosen`; of two views of a user with one item the first gets it."""
    for at in range(len(waiting)):
        view, item = waiting[at], items[at]
        of_item = qualities[item]
        chance = _fashion(time[view], day, of_item) * _appeal(liking[user[view]], of_item)
        if of_keeping[at] < chance and not taken[row[view], item]:
            taken[row[view], item] = True
            chosen[view] = item


@numba.njit(cache=True, nogil=True)
def _sampler(user: int, time: int, left: float, stay: Any, tastes: Any) -> Any:
    """Return a sampler: of one of the user's tastes, by its weight at that time; −1, general popularity, if none is."""
    start, length, start_weights = stay
    own_tastes, end_weights, _ = tastes
    progress = (time - start) / length
    for place in range(len(start_weights)):
        left = left - ((1 - progress) * start_weights[place] + progress * end_weights[user, place])
        if left < 0:
            return own_tastes[user, place]
    return -1


@numba.njit(cache=True, nogil=True)
def _fashion(time: int, day: int, of_item: Any) -> Any:
    """Popularity at that time, 0 to 1: 0 before release, up within a month, then down to the lasting share."""
    released, lasting, half_life = of_item[0], of_item[1], of_item[2]
    age = (time - released) / day
    faded = lasting + (1 - lasting) / (1 + max(age, 0.0) / half_life)
    return min(max(0.3 + age / 40, 0.0), 1.0) * faded * (age >= 0)


@numba.njit(cache=True, nogil=True)
def _appeal(liking: Any, of_item: Any) -> Any:
    """Return the match of the item's traits with the user's taste, 0.03 to 1; added trait by trait."""
    match = 0.0
    for trait in range(len(liking)):
        match += liking[trait] * of_item[3 + trait]
    return min(max(0.35 + 0.45 * match, 0.03), 1.0)


@numba.njit(cache=True, nogil=True)
def _keep_released(
    waiting: Any, time: Any, items: Any, released: Any, row: Any, taken: Any, chosen: Any
) -> None:
    """Write the items that are released into `chosen`, in the same way."""
    for at in range(len(waiting)):
        view, item = waiting[at], items[at]
        if released[item] <= time[view] and not taken[row[view], item]:
            taken[row[view], item] = True
            chosen[view] = item
