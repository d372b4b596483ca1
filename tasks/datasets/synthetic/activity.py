"""The activity of one block of the demo's users: visits, views chosen by taste and fashion, ratings, tags, events.

A view is one row: a user watched an item at a moment. Most views are rated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.datasets.synthetic.catalogue import TAGS_PER_ITEM, Items
from tasks.datasets.synthetic.exact_numbers import Bools, Floats, Ints
from tasks.datasets.synthetic.item_choice import choose_items
from tasks.datasets.synthetic.taste_model import (
    DAY,
    ItemSamplers,
    taste_match,
    taste_weights,
    trait_match,
)
from tasks.datasets.synthetic.users import Users

VIEWS_PER_VISIT = 5
FIRST_VISIT_SHARE = 0.15
UNRATED_SHARE = 8  # a user has one unrated view for every eight ratings
EVENTS = ("watch", "like", "share", "comment")


@dataclass(frozen=True)
class Views:
    """The views of a block of users, in order of user and visit; every array has one entry per view.

    Attributes:
        user, item: indices.
        time: Unix seconds.
        half_stars: the user's opinion in half stars, 1 to 10.
        rated: True if the user gave it as a rating.
    """

    user: Ints
    item: Ints
    time: Ints
    half_stars: Ints
    rated: Bools


@dataclass(frozen=True)
class Tags:
    """Tags that a block's users gave: user, item, index into `TAGS`, Unix seconds; one entry per tag."""

    user: Ints
    item: Ints
    tag: Ints
    time: Ints


@dataclass(frozen=True)
class Events:
    """Events of a block's users: user, item, index into `EVENTS`, value (hours, or 1), Unix seconds."""

    user: Ints
    item: Ints
    event: Ints
    value: Floats
    time: Ints


def make_views(
    users: Users, items: Items, samplers: ItemSamplers, block: range, rng: np.random.Generator
) -> Views:
    """Draw all views of a block of users.

    Args:
        users, items: all of the data set.
        samplers: of the items.
        block: the indices of the users.
        rng: the source of randomness.

    Returns:
        The views, with each user's opinion of the item.
    """
    given = users.ratings[block.start : block.stop]
    user = np.repeat(np.arange(block.start, block.stop), given + given // UNRATED_SHARE)
    time = _visit_times(users, user, rng)
    item = choose_items(users, items, samplers, user, time, rng=rng)
    rated = _random_rank(user, rng.random(len(user))) < users.ratings[user]
    return Views(user, item, time, _opinions(users, items, user, item, time, rng=rng), rated)


def _visit_times(users: Users, user: Ints, rng: np.random.Generator) -> Ints:
    """A time per view, in order: one visit on joining, others spread over the stay; views of a visit seconds apart."""
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


def _opinions(
    users: Users, items: Items, user: Ints, item: Ints, time: Ints, *, rng: np.random.Generator
) -> Ints:
    """Ratings in half stars: user's mildness, item's quality, match of tastes, match of traits, and chance."""
    weights = taste_weights(users.end_weights[user], time)
    tastes = items.main_taste[item], items.second_taste[item], items.main_share[item]
    match = taste_match(users.tastes[user], weights, *tastes)
    stars = 2.93 + users.mildness[user] + items.quality[item] + 1.2 * match
    traits = trait_match(users.trait_liking[user], items.traits[item])
    stars += 0.55 * traits + 0.55 * rng.standard_normal(len(user))
    half_stars = np.rint(2 * stars).astype(np.int64)
    half_stars = np.where(users.whole_stars[user], 2 * np.rint(stars).astype(np.int64), half_stars)
    return np.clip(half_stars, np.where(users.whole_stars[user], 2, 1), 10)


def make_tags(users: Users, items: Items, views: Views, rng: np.random.Generator) -> Tags:
    """Draw each user's tags on items they rated, up to two an item, more often on items they liked.

    Args:
        users: how many tags each gives.
        items: the tags that fit each.
        views: who saw, rated and liked what, and when.
        rng: the source of randomness.
    """
    rated = np.flatnonzero(views.rated)
    tag = np.floor(TAGS_PER_ITEM * rng.random(len(rated)) * rng.random(len(rated))).astype(np.int64)
    place = np.repeat(rated, 2)
    tag = (np.repeat(tag, 2) + np.tile([0, 1], len(rated))) % TAGS_PER_ITEM
    reluctance = rng.random(len(place)) - views.half_stars[place] / 10
    tagging = np.flatnonzero(users.tags[views.user[place]])  # a third of the users
    place, tag, reluctance = place[tagging], tag[tagging], reluctance[tagging]
    user = views.user[place]
    given = _random_rank(user, reluctance) < users.tags[user]
    place, tag = place[given], tag[given]
    item = views.item[place]
    time = views.time[place] + rng.integers(3, 60, len(place))
    return Tags(views.user[place], item, items.tags[item, tag], time)


def make_events(views: Views, rng: np.random.Generator) -> Events:
    """Draw hours watched for most views, and likes, shares and comments for items that the user liked."""
    n = len(views.user)
    stars = views.half_stars / 2
    watched_share = np.clip(0.15 + stars / 5 + 0.3 * rng.random(n), 0.05, 1)
    hours = np.rint(100 * watched_share * (1.2 + rng.random(n))) / 100
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
    """Return start and length of every run of equal keys."""
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    return first, np.diff(np.r_[first, len(keys)])


def _random_rank(group: Ints, keys: Floats) -> Ints:
    """Return the rank of every entry by `keys` among those of its group; `group` must be sorted."""
    first, length = _groups(group)
    order = np.argsort(keys, kind="stable")
    number = np.repeat(np.arange(len(first)), length)
    if len(first) <= np.iinfo(np.uint16).max:
        number = number.astype(np.uint16)  # numpy sorts 16 bits by radix
    rank = np.empty(len(group), np.int64)
    rank[order[np.argsort(number[order], kind="stable")]] = np.arange(len(group)) - np.repeat(first, length)
    return rank
