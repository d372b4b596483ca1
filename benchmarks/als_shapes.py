"""Compare the default penalty of als with the best one, on synthetic tastes of many shapes and densities.

python -m benchmarks.als_shapes [--factors 256] [--seed 42]

Users and items have vectors of taste and an activity or a popularity; the pairs of the highest score plus noise are
likes, a fifth of them held out at random. Heavy tails: entries are lognormal counts that grow with the taste. For each
shape: NDCG@10 of popularity, of als with its defaults and with a plain multiple of the root of the density
(`regularization = 35`), and the best of eight penalties. No shape of this list took part in finding the rule, which was
found with other seeds, shapes and numbers of tastes.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from scipy import sparse

from benchmarks.command import at_least, refuse_bad_input
from models.baselines.popularity import Popularity
from models.evaluation.metrics import ranking_metrics
from models.factors import als_weights
from models.factors.als import ALS, ALSConfig
from models.interactions import Interactions

MULTIPLES = (0.2, 0.35, 0.6, 1.0, 1.7, 2.8, 4.7, 8.0)
"""Penalties that are tried, as multiples of the default one."""


@dataclass(frozen=True)
class Shape:
    """One synthetic data set.

    Attributes:
        users, items: how many.
        density: share of the pairs that are training likes.
        tastes: length of the vectors of taste.
        tail: standard deviation of the logarithm of the counts; 0 for entries of 1.
    """

    users: int
    items: int
    density: float
    tastes: int
    tail: float = 0.0


SHAPES = (
    Shape(150, 80, 0.15, 5),
    Shape(250, 90, 0.3, 10),
    Shape(300, 500, 0.02, 10),
    Shape(700, 250, 0.12, 6),
    Shape(900, 180, 0.25, 15),
    Shape(500, 500, 0.06, 20),
    Shape(1200, 700, 0.02, 30),
    Shape(1200, 700, 0.15, 12),
    Shape(2500, 400, 0.05, 25),
    Shape(400, 2500, 0.03, 10),
    Shape(3000, 2000, 0.005, 40),
    Shape(700, 700, 0.04, 10, tail=1.5),
    Shape(1500, 600, 0.08, 15, tail=2.0),
    Shape(900, 300, 0.2, 8, tail=1.0),
)


def made(shape: Shape, seed: int) -> tuple[Interactions, sparse.csr_array]:
    """Return the training interactions, the counts as composite utility, and the held-out likes."""
    rng = np.random.default_rng(seed)
    user_tastes, item_tastes = rng.normal(size=(2, max(shape.users, shape.items), shape.tastes))
    taste = user_tastes[: shape.users] @ item_tastes[: shape.items].T / sqrt(shape.tastes)
    activity, popularity = 0.7 * rng.normal(size=(shape.users, 1)), 1.2 * rng.normal(size=shape.items)
    score = 3 * taste + activity + popularity + rng.gumbel(size=taste.shape)
    liked = score > np.quantile(score, 1 - shape.density / 0.8)
    held_out = liked & (rng.random(liked.shape) < 0.2)
    counts = np.exp(shape.tail * rng.normal(size=taste.shape) + taste) if shape.tail else np.ones(taste.shape)
    train = sparse.csr_array(np.where(liked & ~held_out, counts, 0).astype(np.float32))
    data = replace(Interactions.from_positive(train), composite=train)
    return data, sparse.csr_array(held_out.astype(np.float32))


def ndcg(model: ALS | Popularity, data: Interactions, relevant: sparse.csr_array) -> float:
    """Return the mean NDCG@10 over the users with a held-out like."""
    users = np.flatnonzero(np.diff(relevant.indptr))
    lists = model.recommend(users, 10, exclude=data.seen).items
    return float(ranking_metrics(lists, relevant[users], [10])["ndcg@10"].mean())


def main() -> None:
    """Make, fit and judge every shape; print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--factors", type=at_least(1), default=256)
    parser.add_argument("--seed", type=at_least(0), default=42)
    asked = parser.parse_args()
    print(
        "users × items, density, tail: popularity, als, regularization = 35, best (multiple of the default)"
    )
    losses = []
    for shape in SHAPES:
        data, relevant = made(shape, asked.seed)
        weights = als_weights.entry_weights(data.composite, ALSConfig().degree_exponent)
        default = als_weights.penalty(weights, None) / als_weights.penalty(weights, 1)
        tried = {multiple: multiple * default for multiple in MULTIPLES}
        found = {
            name: ndcg(
                ALS(ALSConfig(factors=asked.factors, regularization=value)).fit(data, seed=asked.seed),
                data,
                relevant,
            )
            for name, value in {**tried, "before": 35.0}.items()
        }
        best = max(MULTIPLES, key=lambda multiple: found[multiple])
        losses.append(1 - found[1.0] / found[best])
        popularity = ndcg(Popularity().fit(data, seed=asked.seed), data, relevant)
        print(
            f"{shape.users} × {shape.items}, {shape.density:g}, {shape.tail:g}: {popularity:.3f} {found[1.0]:.3f} "
            f"{found['before']:.3f} {found[best]:.3f} ({best:g})",
            flush=True,
        )
    print(f"mean_loss={np.mean(losses):.4f} greatest_loss={max(losses):.4f} shapes={len(losses)}")


if __name__ == "__main__":
    refuse_bad_input(main)
