"""The demo's world before anybody acts: items with tastes and lifetimes, users with tastes and habits.

Randomness comes from numpy's PCG64. Every parameter that went through exp or log is rounded to a fixed grid
when it is drawn; what follows uses only + − × ÷, square roots and comparisons, in a fixed order and without
matrix products, which IEEE 754 defines to the bit. So the same seed gives the same bytes whatever BLAS or
processor runs it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.synthetic.vocabulary import GENERAL_TAGS, GENRES, TASTES

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DAY = 86_400
START = 1_577_836_800  # 2020-01-01 UTC
DAYS = 1_826
END = START + DAYS * DAY  # 2024-12-31 UTC

EARLY = np.array([0.50, 0.20, 0.10, 0.04])  # weights of a user's tastes at START
TASTES_PER_USER = len(EARLY)
AXES = 6
MIN_RATINGS = 5
TAGS_PER_ITEM = 8
TICKETS_PER_ITEM = 16
UNRATED_SHARE = 8  # one view in eight more than the ratings is never rated

TAGS = tuple(dict.fromkeys([tag for taste in TASTES for tag in taste.tags] + list(GENERAL_TAGS)))


@dataclass(frozen=True)
class Items:
    """The catalogue in order of release; arrays have one entry (or row) per item, item i bears id i + 1.

    Attributes:
        taste: (n,) the main taste. other: (n,) a second one. share: (n,) the main one's share, over one half.
        weight: (n,) > 0, drawing power at its height.
        released: (n,) Unix seconds. fading: (n,) days in which the drawing power that does not last halves.
        lasting: (n,) share of the drawing power that never fades.
        quality: (n,) added to every rating, in stars.
        axes: (n, AXES) finer traits, which users like or dislike.
        genres: (n, len(GENRES)) bool. tags: (n, TAGS_PER_ITEM) indices into TAGS, the fittest first.
        year: (n,) of release.
    """

    taste: Ints
    other: Ints
    share: Floats
    weight: Floats
    released: Ints
    fading: Floats
    lasting: Floats
    quality: Floats
    axes: Floats
    genres: Bools
    tags: Ints
    year: Ints


@dataclass(frozen=True)
class Users:
    """The audience in order of arrival; user u bears id u + 1.

    Attributes:
        tastes: (n, TASTES_PER_USER) distinct tastes. late: (n, TASTES_PER_USER) their weights at END; at START
            they are EARLY. What is missing to 1 goes to whatever everybody watches.
        joined, left: (n,) Unix seconds.
        ratings, tags: (n,) how many each will give.
        mildness: (n,) added to every rating, in stars. whole_stars: (n,) who never gives half a star.
        axes: (n, AXES) liking of the items' finer traits.
    """

    tastes: Ints
    late: Floats
    joined: Ints
    left: Ints
    ratings: Ints
    tags: Ints
    mildness: Floats
    whole_stars: Bools
    axes: Floats


@dataclass(frozen=True)
class Drums:
    """Lottery drums: one per taste, a last one for everybody; an item has tickets by its weight there.

    Drum d is `tickets[first[d] : first[d] + size[d]]`, so drawing an item by weight is one look-up.
    """

    tickets: NDArray[np.int32]
    first: Ints
    size: Ints


def on_grid(values: Floats) -> Floats:
    """Rounded to a 1/4096, so that the last bits of a machine's exp or log do not matter."""
    return np.rint(values * 4096) / 4096


def make_items(n: int, rng: np.random.Generator) -> Items:
    """`n` items: three in five older than the log, the rest released while it runs."""
    prevalence = apportion(n, 1_000_000 // np.arange(6, 6 + len(TASTES)))
    taste = rng.permutation(np.repeat(np.arange(len(TASTES)), prevalence))
    other = (taste + rng.integers(1, len(TASTES), n)) % len(TASTES)
    rank = rng.permutation(n) + 1
    weight = 1.0 / (rank / n + 0.05) ** 2  # Zipf–Mandelbrot
    old = np.arange(n) < 0.6 * n  # enough for the most eager user from the first day on
    age = on_grid(rng.exponential(12 * 365, n)) % (80 * 365) + 30
    released = np.sort(START + np.rint(np.where(old, -age, rng.random(n) * DAYS) * DAY).astype(np.int64))
    return Items(
        taste=taste,
        other=other,
        share=0.6 + 0.4 * rng.random(n),
        weight=weight,
        released=released,
        fading=30 + 120 * rng.random(n),
        lasting=0.15 + 0.6 * rng.random(n),
        quality=on_grid(0.3 * rng.standard_normal(n)) + 0.5 * (1 - rank / n) - 0.25,
        axes=on_grid(rng.standard_normal((n, AXES)) * 0.41),
        genres=_genres(taste, other, rng),
        tags=_tags(taste, other, rng),
        year=(1970 + released // (365.2425 * DAY)).astype(np.int64),
    )


def _genres(taste: Ints, other: Ints, rng: np.random.Generator) -> Bools:
    """The main taste's first genre nearly always, its further ones often, the second taste's at times."""
    given = np.zeros((len(taste), len(GENRES)), bool)
    for k, words in enumerate(TASTES):
        for place, genre in enumerate(words.genres):
            chance = np.where(
                taste == k, 0.5 if place else 0.98, np.where(other == k, 0.0 if place else 0.3, 0.0)
            )
            given[:, GENRES.index(genre)] |= rng.random(len(taste)) < chance
    return given


def _tags(taste: Ints, other: Ints, rng: np.random.Generator) -> Ints:
    """Distinct tags per item: five of its main taste, two of its second, one that may be said of any."""
    number = {tag: index for index, tag in enumerate(TAGS)}
    vocabulary = np.array([[number[tag] for tag in words.tags] for words in TASTES])
    general = np.array([number[tag] for tag in GENERAL_TAGS])
    n = len(taste)

    def some(count: int, of: int) -> Ints:
        return np.argsort(rng.random((n, of)), axis=1, kind="stable")[:, :count]

    main = vocabulary[taste[:, None], some(5, vocabulary.shape[1])]
    second = vocabulary[other[:, None], some(2, vocabulary.shape[1])]
    return np.hstack([main, second, general[some(1, len(general))]])


def make_users(n: int, ratings: int, tags: int, most: int, rng: np.random.Generator) -> Users:
    """`n` users who will give exactly `ratings` ratings, at most `most` each, and exactly `tags` tags."""
    eagerness = on_grid(np.exp(1.2 * rng.standard_normal(n)))
    given = apportion(ratings, np.rint(eagerness * 4096).astype(np.int64) + 1, least=MIN_RATINGS, most=most)
    tagger = rng.random(n) < 0.35
    wordiness = np.where(tagger, np.rint(4096 * on_grid(np.exp(rng.standard_normal(n)))) * given, 1.0)
    joined = np.sort(np.rint(DAYS * DAY * 0.98 * rng.random(n)).astype(np.int64)) + START
    stays = rng.random(n) < 0.6
    until = 0.01 + 0.99 * rng.random(n) ** 2
    left = np.where(stays, END - DAY, joined + np.rint((END - DAY - joined) * until).astype(np.int64))
    late = rng.permuted(np.tile(EARLY, (n, 1)), axis=1)
    return Users(
        tastes=_distinct_tastes(n, rng),
        late=0.2 * EARLY + 0.8 * late,
        joined=joined,
        left=left,
        ratings=given,
        tags=apportion(tags, wordiness.astype(np.int64), most=2 * given),
        mildness=on_grid(0.35 * rng.standard_normal(n)),
        whole_stars=rng.random(n) < 0.4,
        axes=on_grid(rng.standard_normal((n, AXES))),
    )


def _distinct_tastes(n: int, rng: np.random.Generator) -> Ints:
    """Each user's tastes, the common ones more often: the smallest of random keys that grow with rarity."""
    keys = rng.random((n, len(TASTES))) * np.arange(6, 6 + len(TASTES))
    return np.argsort(keys, axis=1, kind="stable")[:, :TASTES_PER_USER]


def make_drums(items: Items) -> Drums:
    """One drum per taste; the one for everybody (also for a taste without items) favours blockbusters."""
    drums = []
    for k in range(len(TASTES) + 1):
        part = np.where(items.taste == k, items.share, np.where(items.other == k, 1 - items.share, 0.0))
        pull = items.weight * (part if part.any() else items.weight)
        per_pull = TICKETS_PER_ITEM * len(pull) / float(np.cumsum(pull)[-1])  # cumsum: one order of addition
        tickets = np.floor(pull * per_pull).astype(np.int64) + (pull > 0)
        drums.append(np.repeat(np.arange(len(tickets), dtype=np.int32), tickets))
    size = np.array([len(drum) for drum in drums])
    return Drums(tickets=np.concatenate(drums), first=np.cumsum(size) - size, size=size)


def apportion(total: int, weights: Ints, *, least: int = 0, most: int | Ints | None = None) -> Ints:
    """`total` shared out in whole numbers by `weights`, (n,) int64 > 0, each between `least` and `most`.

    The total must lie between n · least and the sum of `most`.
    """
    shares = np.full(len(weights), least, np.int64)
    limit = np.broadcast_to(np.asarray(total if most is None else most), shares.shape)
    while (rest := total - int(shares.sum())) > 0:
        room = np.flatnonzero(shares < limit)
        more = rest * weights[room] // int(weights[room].sum())
        if not more.any():
            heaviest = room[np.argsort(-weights[room], kind="stable")]
            more, room = np.ones(min(rest, len(room)), np.int64), heaviest[:rest]
        shares[room] = np.minimum(shares[room] + more, limit[room])
    return shares
