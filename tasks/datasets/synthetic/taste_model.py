"""The demo's taste model: the tastes of items and users, their drift, and how they decide what users choose and like.

`vocabulary.TASTES` has sixteen tastes. An item has a main taste and a second one, with shares that sum to 1. A user has
four tastes with weights that sum to 0.84; the rest of the user's choices follows general popularity. The weights drift
linearly from `START_WEIGHTS` at `START` to weights of the user's own at `END`. Besides, items have five latent traits,
which no file shows and which users like or dislike. Films of one director or series have similar traits
(`catalogue.py`), friends have similar tastes and like similar traits (`friendships.py`), and some tastes are more
common at one age or gender (`users.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.datasets.synthetic.exact_numbers import Floats, Ints, apportion
from tasks.datasets.synthetic.vocabulary import TASTES

DAY = 86_400
START = 1_577_836_800  # 2020-01-01 UTC
DAYS = 1_826
END = START + DAYS * DAY  # 2024-12-31 UTC

START_WEIGHTS = np.array([0.50, 0.20, 0.10, 0.04])
TASTES_PER_USER = len(START_WEIGHTS)
TRAITS = 5
TICKETS_PER_ITEM = 16
# Taste k is drawn with a weight of 1 / (6 + k): the first tastes of the vocabulary are the common ones.
_RARITY = np.arange(6, 6 + len(TASTES))


def draw_item_tastes(n: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw a main and a second taste for each of `n` items: two (n,) arrays of indices into `TASTES`."""
    items_per_taste = apportion(n, 1_000_000 // _RARITY)
    main = rng.permutation(np.repeat(np.arange(len(TASTES)), items_per_taste))
    second = (main + rng.integers(1, len(TASTES), n)) % len(TASTES)
    return main, second


def draw_end_weights(n: int, rng: np.random.Generator) -> Floats:
    """Draw the weights of each user's tastes at `END`: (n, TASTES_PER_USER), mostly a permutation of the first ones."""
    shuffled = rng.permuted(np.tile(START_WEIGHTS, (n, 1)), axis=1)
    return 0.2 * START_WEIGHTS + 0.8 * shuffled


def draw_user_tastes(leaning: Floats, rng: np.random.Generator) -> Ints:
    """Draw distinct tastes of users, common ones more often.

    Args:
        leaning: (n, len(TASTES)) above 0, how much more often than others each user has each taste.
        rng: the source of randomness.

    Returns:
        (n, TASTES_PER_USER) indices into `TASTES`.
    """
    keys = rng.random(leaning.shape) * _RARITY / leaning
    return np.argsort(keys, axis=1, kind="stable")[:, :TASTES_PER_USER]


def taste_weights(end_weights: Floats, time: Ints) -> list[Floats]:
    """Return the weights of a user's tastes at a time.

    Args:
        end_weights: (n, TASTES_PER_USER), of the user of each view.
        time: (n,) Unix seconds from `START` to `END`.

    Returns:
        For each of the user's tastes the weights, (n,) each.
    """
    progress = (time - START) / (DAYS * DAY)
    return [
        (1 - progress) * START_WEIGHTS[place] + progress * end_weights[:, place]
        for place in range(TASTES_PER_USER)
    ]


def taste_match(user_tastes: Ints, weights: list[Floats], main: Ints, second: Ints, share: Floats) -> Floats:
    """Return how well items match users' tastes, 0 to 1.

    Args:
        user_tastes: (n, TASTES_PER_USER), of the user of each view.
        weights: of these tastes, as `taste_weights` returns them.
        main, second: (n,) the item's tastes.
        share: (n,) the share of the item's main taste; the second has the rest.
    """
    match = np.zeros(len(main))
    for place, weight in enumerate(weights):
        taste = user_tastes[:, place]
        match += weight * np.where(main == taste, share, np.where(second == taste, 1 - share, 0.0))
    return match


def trait_match(liking: Floats, traits: Floats) -> Floats:
    """Return the inner products of rows of `liking` and `traits`, (n, TRAITS) each.

    Added trait by trait: a matrix product may add in any order.
    """
    total = np.zeros(len(liking))
    for trait in range(TRAITS):
        total += liking[:, trait] * traits[:, trait]
    return total


@dataclass(frozen=True)
class ItemSamplers:
    """Weighted samplers of items: one per taste, and a last one for general popularity.

    Sampler s is `tickets[first[s] : first[s] + size[s]]`, in which an item occurs in proportion to its weight there, so
    that one look-up draws an item.
    """

    tickets: NDArray[np.int32]
    first: Ints
    size: Ints


def make_item_samplers(main: Ints, second: Ints, share: Floats, popularity: Floats) -> ItemSamplers:
    """Build the samplers; the last one weighs items by the square of their popularity.

    Args:
        main, second: (n_items,) the items' tastes.
        share: (n_items,) the share of the main taste.
        popularity: (n_items,) above 0, relative.
    """
    samplers = []
    for k in range(len(TASTES) + 1):
        part = np.where(main == k, share, np.where(second == k, 1 - share, 0.0))
        # Without an item of this taste, its sampler equals the last one.
        weight = popularity * (part if part.any() else popularity)
        scale = TICKETS_PER_ITEM * len(weight) / float(np.cumsum(weight)[-1])  # cumsum: one order of addition
        tickets = np.floor(weight * scale).astype(np.int64) + (weight > 0)
        samplers.append(np.repeat(np.arange(len(tickets), dtype=np.int32), tickets))
    size = np.array([len(sampler) for sampler in samplers])
    return ItemSamplers(tickets=np.concatenate(samplers), first=np.cumsum(size) - size, size=size)
