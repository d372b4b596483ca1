"""What one block of the demo's users does: visits, choices by taste and fashion, ratings, tags, events.

A view is one row: a user who watched an item at a moment. Most views are rated. Choices are drawn by
rejection: a ticket from a drum (a taste, or what everybody watches) is kept when the item is in fashion at
that moment, when it appeals to that user, and when the user has not had it yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.datasets.synthetic.catalogue import (
    AXES,
    DAY,
    DAYS,
    EARLY,
    START,
    TAGS_PER_ITEM,
    TASTES_PER_USER,
    UNRATED_SHARE,
    Bools,
    Drums,
    Floats,
    Ints,
    Items,
    Users,
)

VIEWS_PER_VISIT = 5
FIRST_VISIT_SHARE = 0.15
PICKY_ROUNDS = 60
EVENTS = ("watch", "like", "share", "comment")


@dataclass(frozen=True)
class Views:
    """The views of a block of users, in order of user and visit; every array has one entry per view.

    Attributes:
        user: index of the user. item: index of the item. time: Unix seconds.
        half_stars: the rating in half stars, 1 to 10. rated: whether it was given.
    """

    user: Ints
    item: Ints
    time: Ints
    half_stars: Ints
    rated: Bools


@dataclass(frozen=True)
class Tags:
    """Tags that a block's users gave: user, item, index into TAGS, Unix seconds; one entry per tag."""

    user: Ints
    item: Ints
    tag: Ints
    time: Ints


@dataclass(frozen=True)
class Events:
    """Events of a block's users: user, item, index into EVENTS, value (hours, or 1), Unix seconds."""

    user: Ints
    item: Ints
    event: Ints
    value: Floats
    time: Ints


def make_views(users: Users, items: Items, drums: Drums, block: range, rng: np.random.Generator) -> Views:
    """Everything the users in `block` watch, and what they think of it."""
    given = users.ratings[block.start : block.stop]
    user = np.repeat(np.arange(block.start, block.stop), given + given // UNRATED_SHARE)
    time = _visit_times(users, user, rng)
    item = _choose(users, items, drums, user, time, rng=rng)
    rated = _random_rank(user, rng.random(len(user))) < users.ratings[user]
    return Views(user, item, time, _opinions(users, items, user, item, time, rng=rng), rated)


def _visit_times(users: Users, user: Ints, rng: np.random.Generator) -> Ints:
    """A moment per view, in order: a visit on joining, then visits spread over the stay, seconds apart."""
    first, counts = _groups(user)
    visits = 1 + counts // VIEWS_PER_VISIT
    drawn = 1 + np.floor(rng.random(len(user)) * (np.repeat(visits, counts) - 1)).astype(np.int64)
    visit = np.repeat(np.cumsum(visits) - visits, counts)
    visit += np.where(
        rng.random(len(user)) < FIRST_VISIT_SHARE, 0, np.minimum(drawn, np.repeat(visits, counts) - 1)
    )
    guest = np.repeat(user[first], visits)
    into_stay = rng.random(len(guest))
    into_stay[np.cumsum(visits) - visits] = 0.0
    day = (
        users.joined[guest] + np.floor(into_stay * (users.left - users.joined)[guest]).astype(np.int64)
    ) // DAY
    start = day * DAY + np.floor(rng.triangular(6, 19, 23, len(guest)) * 3600).astype(np.int64)
    begin = start[visit]
    order = np.lexsort((begin, user))
    _, length = _groups(visit[order])
    seconds = np.cumsum(rng.integers(12, 90, len(user)))
    times: Ints = begin[order] + seconds - np.repeat(seconds[np.cumsum(length) - length], length)
    return times


def _choose(
    users: Users, items: Items, drums: Drums, user: Ints, time: Ints, *, rng: np.random.Generator
) -> Ints:
    """An item per view, none twice for a user. Who finds none in many rounds takes anything that is out."""
    n_items = len(items.weight)
    row = user - user[0]
    taken = np.zeros((int(row[-1]) + 1) * n_items, bool)
    chosen = np.full(len(user), -1, np.int64)
    waiting = np.arange(len(user))
    rounds = 0
    while len(waiting):
        u, t = user[waiting], time[waiting]
        if rounds < PICKY_ROUNDS:
            drum = _draw_taste(users, u, t, rng)
            ticket = drums.first[drum] + np.floor(rng.random(len(u)) * drums.size[drum]).astype(np.int64)
            item = drums.tickets[ticket].astype(np.int64)
            keep = rng.random(len(u)) < _fashion(items, item, t) * _appeal(users, items, u, item)
        else:
            item = rng.integers(0, n_items, len(u))
            keep = items.released[item] <= t
        pair = row[waiting] * n_items + item
        keep &= ~taken[pair]
        kept = np.flatnonzero(keep)
        _, earliest = np.unique(pair[kept], return_index=True)
        winners = kept[earliest]
        taken[pair[winners]] = True
        chosen[waiting[winners]] = item[winners]
        waiting = waiting[chosen[waiting] < 0]
        rounds += 1
    return chosen


def _draw_taste(users: Users, user: Ints, time: Ints, rng: np.random.Generator) -> Ints:
    """A drum per view: one of the user's tastes by its weight at that time, else the drum for everybody."""
    weights = _taste_weights(users, user, time)
    left = rng.random(len(user))
    drum = np.full(len(user), -1, np.int64)
    for place in range(TASTES_PER_USER):
        left = left - weights[place]
        drum = np.where((drum < 0) & (left < 0), users.tastes[user, place], drum)
    return drum  # −1 is the last drum: the one for everybody


def _taste_weights(users: Users, user: Ints, time: Ints) -> list[Floats]:
    """The weight of each of the user's tastes at that time, drifting from early to late."""
    progress = (time - START) / (DAYS * DAY)
    return [
        (1 - progress) * EARLY[place] + progress * users.late[user, place] for place in range(TASTES_PER_USER)
    ]


def _fashion(items: Items, item: Ints, time: Ints) -> Floats:
    """From 0 before release, up within a month, then down to the lasting share."""
    age = (time - items.released[item]) / DAY
    lasting = items.lasting[item]
    faded = lasting + (1 - lasting) / (1 + np.maximum(age, 0) / items.fading[item])
    return np.clip(0.3 + age / 40, 0, 1) * faded * (age >= 0)


def _appeal(users: Users, items: Items, user: Ints, item: Ints) -> Floats:
    """How well the item's finer traits please the user, 0.03 to 1."""
    return np.clip(0.35 + 0.45 * _agreement(users, items, user, item), 0.03, 1)


def _agreement(users: Users, items: Items, user: Ints, item: Ints) -> Floats:
    """The inner product of liking and traits, axis after axis: a matrix product may add in any order."""
    total = np.zeros(len(user))
    for axis in range(AXES):
        total += users.axes[user, axis] * items.axes[item, axis]
    return total


def _opinions(
    users: Users, items: Items, user: Ints, item: Ints, time: Ints, *, rng: np.random.Generator
) -> Ints:
    """Ratings in half stars: user's mildness, item's quality, match of tastes, finer traits, mood."""
    match = np.zeros(len(user))
    for place, weight in enumerate(_taste_weights(users, user, time)):
        taste = users.tastes[user, place]
        share = items.share[item]
        match += weight * np.where(
            items.taste[item] == taste, share, np.where(items.other[item] == taste, 1 - share, 0.0)
        )
    stars = 2.97 + users.mildness[user] + items.quality[item] + 1.2 * match
    stars += 0.55 * _agreement(users, items, user, item) + 0.55 * rng.standard_normal(len(user))
    half_stars = np.rint(2 * stars).astype(np.int64)
    half_stars = np.where(users.whole_stars[user], 2 * np.rint(stars).astype(np.int64), half_stars)
    return np.clip(half_stars, np.where(users.whole_stars[user], 2, 1), 10)


def make_tags(users: Users, items: Items, views: Views, rng: np.random.Generator) -> Tags:
    """Each user's tags on what they rated, up to two words an item, rather on what they liked."""
    rated = np.flatnonzero(views.rated)
    word = np.floor(TAGS_PER_ITEM * rng.random(len(rated)) * rng.random(len(rated))).astype(np.int64)
    place = np.repeat(rated, 2)
    word = (np.repeat(word, 2) + np.tile([0, 1], len(rated))) % TAGS_PER_ITEM
    reluctance = rng.random(len(place)) - views.half_stars[place] / 10
    user = views.user[place]
    given = _random_rank(user, reluctance) < users.tags[user]
    place, word = place[given], word[given]
    item = views.item[place]
    time = views.time[place] + rng.integers(3, 60, len(place))
    return Tags(views.user[place], item, items.tags[item, word], time)


def make_events(views: Views, rng: np.random.Generator) -> Events:
    """Hours watched of most views, and likes, shares and comments of what pleased."""
    n = len(views.user)
    stars = views.half_stars / 2
    whole = np.clip(0.15 + stars / 5 + 0.3 * rng.random(n), 0.05, 1)
    hours = np.rint(100 * whole * (1.2 + rng.random(n))) / 100
    chances = np.array([0.03, 0.3, 0.05, 0.08])[:, None] * np.where(stars >= 4, 1, 0.05)
    chances[0] = np.where(views.rated, 0.5, 1.0)
    event, place = np.nonzero(rng.random((len(EVENTS), n)) < chances)
    order = np.lexsort((event, place))
    event, place = event[order], place[order]
    return Events(
        user=views.user[place],
        item=views.item[place],
        event=event,
        value=np.where(event == 0, hours[place], 1.0),
        time=views.time[place] + 2 * event,
    )


def _groups(keys: Ints) -> tuple[Ints, Ints]:
    """Start and length of every run of equal keys."""
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return first, np.diff(np.r_[first, len(keys)])


def _random_rank(group: Ints, keys: Floats) -> Ints:
    """Rank of every entry by `keys` within its run of equal `group` values (which must be sorted)."""
    first, length = _groups(group)
    rank = np.empty(len(group), np.int64)
    rank[np.lexsort((keys, group))] = np.arange(len(group)) - np.repeat(first, length)
    return rank
