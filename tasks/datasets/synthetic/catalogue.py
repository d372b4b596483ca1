"""The demo's items: tastes, popularity over their lifetime, quality, genres, tags, directors and series.

A director makes films of one main taste within a few years, and a series is by one director. The traits of a film are
those of its director, those of its series, and some of its own, so that a film that few have seen can be known by its
director. The place where a film was shot says nothing about it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.datasets.synthetic.exact_numbers import Bools, Floats, Ints, apportion, on_grid
from tasks.datasets.synthetic.taste_model import DAY, DAYS, START, TRAITS, draw_item_tastes
from tasks.datasets.synthetic.vocabulary import GENERAL_TAGS, GENRES, PLACES, TASTES

TAGS_PER_ITEM = 8
FILMS_PER_DIRECTOR = 12
SAME_SECOND_TASTE = 0.75  # the share of films whose second taste is their director's
CAREER = 0.3  # the share of a taste's films, in order of release, over which a director's films spread
SERIES_STARTS = 0.06  # the share of films that start a series
TRAIT_DEVIATION = 0.55
DIRECTOR_SHARE = 0.7  # of the variance of a film's traits; what director and series leave is the film's own
SERIES_SHARE = 0.2
TAGS = tuple(dict.fromkeys([tag for taste in TASTES for tag in taste.tags] + list(GENERAL_TAGS)))


@dataclass(frozen=True)
class Items:
    """The catalogue in order of release; item i has id i + 1, and one entry or row in each array.

    Attributes:
        main_taste, second_taste: (n,) indices into `TASTES`.
        main_share: (n,) the share of the main taste, 0.6 to 1; the second has the rest.
        popularity: (n,) above 0, relative, at its height.
        released: (n,) Unix seconds.
        half_life: (n,) days in which the popularity that does not last halves.
        lasting: (n,) the share of the popularity that never fades.
        quality: (n,) added to every rating, in stars.
        traits: (n, TRAITS) latent traits.
        genres: (n, len(GENRES)) bool.
        tags: (n, TAGS_PER_ITEM) indices into `TAGS`, the most fitting first.
        year: (n,) of release.
        director: (n,) the director of each, 0 to n_directors − 1.
        series: (n,) the series of each, 0 to n_series − 1; −1 for none.
        part: (n,) the number in the series, from 1; 0 without a series.
        place: (n,) indices into `PLACES`.
    """

    main_taste: Ints
    second_taste: Ints
    main_share: Floats
    popularity: Floats
    released: Ints
    half_life: Floats
    lasting: Floats
    quality: Floats
    traits: Floats
    genres: Bools
    tags: Ints
    year: Ints
    director: Ints
    series: Ints
    part: Ints
    place: Ints


def make_items(n: int, rng: np.random.Generator) -> Items:
    """Draw `n` items: three in five are older than the log, the others are released while it runs."""
    main, second = draw_item_tastes(n, rng)
    director = _directors(main, rng)
    _, debut = np.unique(director, return_index=True)
    second = np.where(rng.random(n) < SAME_SECOND_TASTE, second[debut[director]], second)
    rank = rng.permutation(n) + 1
    popularity = 1.0 / (rank / n + 0.05) ** 2  # Zipf–Mandelbrot
    is_old = np.arange(n) < 0.6 * n  # enough for the most active user from the first day on
    age = on_grid(rng.exponential(12 * 365, n)) % (80 * 365) + 30
    released = np.sort(START + np.rint(np.where(is_old, -age, rng.random(n) * DAYS) * DAY).astype(np.int64))
    series, part = _series(director, rng)
    return Items(
        main_taste=main,
        second_taste=second,
        main_share=0.6 + 0.4 * rng.random(n),
        popularity=popularity,
        released=released,
        half_life=30 + 120 * rng.random(n),
        lasting=0.15 + 0.6 * rng.random(n),
        quality=on_grid(0.3 * rng.standard_normal(n)) + 0.5 * (1 - rank / n) - 0.25,
        traits=_traits(director, series, rng),
        genres=_genres(main, second, rng),
        tags=_tags(main, second, rng),
        year=(1970 + released // (365.2425 * DAY)).astype(np.int64),
        director=director,
        series=series,
        part=part,
        place=rng.integers(0, len(PLACES), n),
    )


def _directors(main: Ints, rng: np.random.Generator) -> Ints:
    """Give each item a director: each has films of one main taste, close in time; few directors have many films."""
    director, n_directors = np.empty(len(main), np.int64), 0
    for k in range(len(TASTES)):
        films = np.flatnonzero(main == k)
        moment = np.arange(len(films)) + CAREER * len(films) * rng.random(len(films))
        films = films[np.argsort(moment, kind="stable")]
        n = -(-len(films) // FILMS_PER_DIRECTOR)
        weights = np.rint(4096 * on_grid(np.exp(0.8 * rng.standard_normal(n)))).astype(np.int64) + 1
        made = apportion(len(films), weights, least=1)
        director[films] = n_directors + np.repeat(np.arange(n), made)
        n_directors += n
    return director


def _series(director: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw series of two to five films that a director released one after the other.

    Returns:
        For each item its series, −1 for none, and its number in the series from 1, 0 for none.
    """
    n = len(director)
    films = np.argsort(director, kind="stable")  # by director, then release
    place = np.arange(n)
    start = np.maximum.accumulate(np.where(rng.random(n) < SERIES_STARTS, place, -1))
    length = 2 + np.floor(4 * rng.random(n) * rng.random(n)).astype(np.int64)
    belongs = (start >= 0) & (place - start < length[start]) & (director[films] == director[films[start]])
    start = np.where(belongs, start, n)
    belongs &= np.bincount(start)[start] > 1
    series, part = np.full(n, -1), np.zeros(n, np.int64)
    series[films[belongs]] = np.unique(start[belongs], return_inverse=True)[1]
    part[films[belongs]] = (place - start)[belongs] + 1
    return series, part


def _traits(director: Ints, series: Ints, rng: np.random.Generator) -> Floats:
    """Add the traits of each item's director, of its series, and its own: (n, TRAITS), all of one variance."""
    of_directors = rng.standard_normal((director.max() + 1, TRAITS))
    of_series = rng.standard_normal((series.max() + 2, TRAITS))  # the last, for −1, is not used
    in_series = (series >= 0)[:, None]
    own = np.sqrt(1 - DIRECTOR_SHARE - SERIES_SHARE * in_series)
    total = np.sqrt(DIRECTOR_SHARE) * of_directors[director] + own * rng.standard_normal(
        (len(series), TRAITS)
    )
    return on_grid(TRAIT_DEVIATION * (total + np.sqrt(SERIES_SHARE) * in_series * of_series[series]))


def _genres(main: Ints, second: Ints, rng: np.random.Generator) -> Bools:
    """The main taste's first genre nearly always, its further ones often, the second taste's first one sometimes."""
    given = np.zeros((len(main), len(GENRES)), bool)
    for k, taste in enumerate(TASTES):
        for place, genre in enumerate(taste.genres):
            chance = np.where(
                main == k, 0.5 if place else 0.98, np.where(second == k, 0.0 if place else 0.3, 0.0)
            )
            given[:, GENRES.index(genre)] |= rng.random(len(main)) < chance
    return given


def _tags(main: Ints, second: Ints, rng: np.random.Generator) -> Ints:
    """Distinct tags per item: five of its main taste, two of its second, and one that fits any item."""
    number = {tag: index for index, tag in enumerate(TAGS)}
    tags_of_taste = np.array([[number[tag] for tag in taste.tags] for taste in TASTES])
    general = np.array([number[tag] for tag in GENERAL_TAGS])
    n = len(main)

    def some(count: int, of: int) -> Ints:
        return np.argsort(rng.random((n, of)), axis=1, kind="stable")[:, :count]

    of_main = tags_of_taste[main[:, None], some(5, tags_of_taste.shape[1])]
    of_second = tags_of_taste[second[:, None], some(2, tags_of_taste.shape[1])]
    return np.hstack([of_main, of_second, general[some(1, len(general))]])
