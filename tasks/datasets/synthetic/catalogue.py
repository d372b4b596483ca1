"""The demo's items: tastes, popularity over their lifetime, quality, genres and tags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.datasets.synthetic.exact_numbers import Bools, Floats, Ints, on_grid
from tasks.datasets.synthetic.taste_model import DAY, DAYS, START, TRAITS, draw_item_tastes
from tasks.datasets.synthetic.vocabulary import GENERAL_TAGS, GENRES, TASTES

TAGS_PER_ITEM = 8
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


def make_items(n: int, rng: np.random.Generator) -> Items:
    """Draw `n` items: three in five are older than the log, the others are released while it runs."""
    main, second = draw_item_tastes(n, rng)
    rank = rng.permutation(n) + 1
    popularity = 1.0 / (rank / n + 0.05) ** 2  # Zipf–Mandelbrot
    is_old = np.arange(n) < 0.6 * n  # enough for the most active user from the first day on
    age = on_grid(rng.exponential(12 * 365, n)) % (80 * 365) + 30
    released = np.sort(START + np.rint(np.where(is_old, -age, rng.random(n) * DAYS) * DAY).astype(np.int64))
    return Items(
        main_taste=main,
        second_taste=second,
        main_share=0.6 + 0.4 * rng.random(n),
        popularity=popularity,
        released=released,
        half_life=30 + 120 * rng.random(n),
        lasting=0.15 + 0.6 * rng.random(n),
        quality=on_grid(0.3 * rng.standard_normal(n)) + 0.5 * (1 - rank / n) - 0.25,
        traits=on_grid(rng.standard_normal((n, TRAITS)) * 0.41),
        genres=_genres(main, second, rng),
        tags=_tags(main, second, rng),
        year=(1970 + released // (365.2425 * DAY)).astype(np.int64),
    )


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
