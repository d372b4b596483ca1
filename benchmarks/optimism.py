"""Simulate nights with models of known quality: how optimistic is the report, how often is a change false?

python -m benchmarks.optimism [--nights 2000] [--models 8] [--users 400] [--spread 0.0] [--overlap 0.0 0.9] [--seed 42]

Each night evaluates the models on twice --users users. A user's metric is the user's own level, plus the model's true
difference, plus noise. The champion (`tasks.evaluation.champion`, no incumbent) is chosen and reported on all users, or
chosen on one half and reported on the other, as in a night. optimism = reported − true metric of the champion. loss =
best true metric − the champion's: the cost of choosing on fewer users. --spread is the standard deviation of the
models' true differences.

The tables after it simulate nights in a row: how often the champion changes if the best of each night is champion, and
if it must beat the incumbent first (judge.min_effect, judge.wins_needed); and on how many nights any model won. With
--spread 0 every change and every win is false. --overlap is the share of held-out users that the next night shares,
with the same metrics. 0 is too optimistic: nights a day apart share nearly all of them.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import at_least, refuse_bad_input
from tasks.config.settings import JudgeSettings
from tasks.evaluation.champion import decide
from tasks.evaluation.incumbent import WinStreaks

LEVEL, USER_SPREAD, NOISE = 0.25, 0.2, 0.12
"""Mean of the metric, and its standard deviation between users and between models of one user (NDCG@10 on the demo)."""

Metrics = NDArray[np.float64]


def evaluated_night(rng: np.random.Generator, true: Metrics, users: int) -> Metrics:
    """Draw the metric of each model for each user.

    Args:
        rng: the source of randomness.
        true: (n_models,) each model's true difference.
        users: their number.

    Returns:
        (n_models, users).
    """
    level = rng.normal(LEVEL, USER_SPREAD, users)
    noise: Metrics = rng.normal(0, NOISE, (len(true), users))
    return true[:, None] + level + noise


def next_night(rng: np.random.Generator, before: Metrics, true: Metrics, overlap: float) -> Metrics:
    """Replace a share of 1 − `overlap` of a night's users by new ones.

    Args:
        rng: the source of randomness.
        before: (n_models, n_users) metrics of the night before.
        true: (n_models,) each model's true difference.
        overlap: from 0 to 1.

    Returns:
        (n_models, n_users).
    """
    kept = before.shape[1] - round((1 - overlap) * before.shape[1])
    staying = before[:, rng.permutation(before.shape[1])[:kept]]
    return np.hstack([staying, evaluated_night(rng, true, before.shape[1] - kept)])


def chosen(values: Metrics) -> int:
    """Return the champion of a night without an incumbent, given its metrics (n_models, n_users)."""
    named = {str(model): each for model, each in enumerate(values)}
    return int(decide(named, WinStreaks(), JudgeSettings(), seed=0)[1].champion)


def print_optimism(rng: np.random.Generator, nights: int, models: int, users: int, spread: float) -> None:
    """Print optimism and loss, with their 95% intervals, of choosing on all users and of choosing on one half.

    Args:
        rng: the source of randomness.
        nights: how many to simulate.
        models: their number.
        users: in each half.
        spread: standard deviation of the models' true differences.
    """
    found: dict[str, list[tuple[float, float]]] = {"all users for both": [], "one half each": []}
    for _ in range(nights):
        true = rng.normal(0, spread, models)
        values = evaluated_night(rng, true, 2 * users)
        select, report = values[:, :users], values[:, users:]
        for way, choosing, reporting in (
            ("all users for both", values, values),
            ("one half each", select, report),
        ):
            champion = chosen(choosing)
            optimism = reporting[champion].mean() - LEVEL - true[champion]
            found[way].append((float(optimism), float(true.max() - true[champion])))
    print(f"{nights:,} nights, {models} models, true spread {spread:g}, {users:,} users a half")
    print(f"{'chosen and reported on':<24}{'optimism':>20}{'loss':>20}")
    for way, pairs in found.items():
        mean, error = np.mean(pairs, axis=0), np.std(pairs, axis=0) / nights**0.5
        cells = (f"{m:+.5f} ± {1.96 * e:.5f}" for m, e in zip(mean, error, strict=True))
        print(f"{way:<24}" + "".join(f"{cell:>20}" for cell in cells))


def print_changes(
    rng: np.random.Generator, nights: int, models: int, users: int, spread: float, overlap: float
) -> None:
    """Print how often the champion changes in a row of nights, with and without the rule that protects an incumbent.

    Args:
        rng: the source of randomness.
        nights: how many to simulate.
        models: their number.
        users: in the select half.
        spread: standard deviation of the models' true differences.
        overlap: share of the users that a night shares with the one before.
    """
    settings, true = JudgeSettings(bootstrap_samples=500), rng.normal(0, spread, models)
    best, streaks, counts, losses, won = "", WinStreaks(), [0, 0], np.zeros(2), 0
    values = evaluated_night(rng, true, users)
    for night in range(nights):
        values = next_night(rng, values, true, overlap)
        best_tonight = str(chosen(values))
        named = {str(model): each for model, each in enumerate(values)}
        _, decision, _ = decide(named, streaks, settings, seed=night)
        counts[0] += night > 0 and best_tonight != best
        counts[1] += night > 0 and decision.champion != streaks.incumbent
        won += any(each.wins for each in decision.challenges)
        losses += true.max() - true[[int(best_tonight), int(decision.champion)]]
        stays = decision.champion == streaks.incumbent
        wins = {each.model: each.wins for each in decision.challenges} if stays else {}
        best, streaks = best_tonight, WinStreaks(decision.champion, wins)
    print(f"\n{nights:,} nights in a row, the same models, {overlap:.0%} of the users as the night before")
    print(f"{'the lists are made by':<32}{'changes':>10}{'mean loss':>12}")
    for way, count, loss in zip(
        ("the best of the night", "the champion, until it is beaten"), counts, losses / nights, strict=True
    ):
        print(f"{way:<32}{count:>10,}{loss:>12.5f}")
    print(f"a model beat the champion on {won:,} nights ({won / nights:.1%})")


def main() -> None:
    """Read the command line, simulate, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nights", type=at_least(2), default=2000)
    parser.add_argument("--models", type=at_least(2), default=8)
    parser.add_argument("--users", type=at_least(1), default=400)
    parser.add_argument("--spread", type=float, default=0.0)
    parser.add_argument("--overlap", type=float, nargs="+", default=[0.0, 0.9])
    parser.add_argument("--seed", type=at_least(0), default=42)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    print_optimism(rng, asked.nights, asked.models, asked.users, asked.spread)
    for overlap in asked.overlap:
        print_changes(rng, asked.nights, asked.models, asked.users, asked.spread, overlap)


if __name__ == "__main__":
    refuse_bad_input(main)
