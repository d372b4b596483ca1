"""Simulate searches in which no setting is better than another: how often would `recs tune` write one?

python -m benchmarks.tuning [--searches 200] [--users 300] [--trials 30 75] [--seed 42]

Every user's metric is the user's own level plus a smooth random function of four settings whose mean over all users is
0 in truth, so every lead is chance; neighbouring settings have similar leads, as in a model. Optuna's TPE searches as
in `tasks/tuning/search.py`. The best settings are compared with the defaults in three ways. `same users`: by the paired
interval of the users that guided the search. `jointly`: by intervals that hold jointly for all trials. `fresh users`,
as `recs tune` does: half of the users guide the search, and the other half compare. With intervals of 95 %, 2.5 % of
leads are above zero by chance.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from benchmarks.command import at_least, refuse_bad_input
from models.evaluation.bootstrap import joint_intervals
from tasks.config.settings import JudgeSettings
from tasks.tuning.confirmation import confirmed_lead, guiding_users

LEVEL, USER_SPREAD, NOISE = 0.2, 0.15, 0.1
"""Mean of the metric, and its standard deviations between users and between settings of one user."""

SETTINGS, WAVES, LENGTH = 4, 200, 0.4
"""Number of settings, of random waves that a user's function is made of, and the distance over which it changes."""

Values = NDArray[np.float64]
METHODS = ("same users", "jointly", "fresh users")


class Users:
    """Users whose metric depends on the settings by chance alone."""

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        self.level = rng.normal(LEVEL, USER_SPREAD, n)
        self._directions = rng.normal(size=(WAVES, SETTINGS)) / LENGTH
        self._shifts = rng.uniform(0, 2 * np.pi, WAVES)
        self._heights = rng.normal(size=(n, WAVES)) * NOISE * np.sqrt(2 / WAVES)

    def metric(self, settings: Values) -> Values:
        """Return every user's metric, (n,), at a point of the unit cube."""
        waves = np.cos(self._directions @ settings + self._shifts)
        return self.level + self._heights @ waves


def searched(users: Users, guides: NDArray[np.bool_], trials: int, rng: np.random.Generator) -> list[Values]:
    """Search with TPE by the mean over `guides`; return every trial's metric of all users, the defaults first."""
    import optuna  # noqa: PLC0415  (takes a second)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    names = [f"setting {number}" for number in range(SETTINGS)]
    study.enqueue_trial(dict.fromkeys(names, 0.5))
    found = []
    for _ in range(trials):
        study.sampler = optuna.samplers.TPESampler(seed=int(rng.integers(2**31)), multivariate=True)
        trial = study.ask()
        found.append(users.metric(np.array([trial.suggest_float(name, 0, 1) for name in names])))
        study.tell(trial, float(found[-1][guides].mean()))
    return found


def false_leads(n_users: int, trials: int, seed: int) -> tuple[bool, ...]:
    """Return for each of `METHODS` whether a search of settings that are all the same proves a lead."""
    rng = np.random.default_rng(seed)
    users, judge = Users(n_users, rng), JudgeSettings()
    everybody, guides = np.ones(n_users, bool), guiding_users(n_users, seed)
    default, *others = searched(users, everybody, trials, rng)
    best = int(np.argmax([values.mean() for values in others]))
    same = confirmed_lead([others[best]], default, judge, seed=seed)
    jointly = joint_intervals(
        np.column_stack(others) - default[:, None],
        samples=judge.bootstrap_samples,
        confidence=judge.confidence,
        seed=seed,
    )[best]
    default, *others = searched(users, guides, trials, rng)
    chosen = max(others, key=lambda values: float(values[guides].mean()))
    fresh = confirmed_lead([chosen[~guides]], default[~guides], judge, seed=seed)
    return same.low > 0, jointly.low > 0, fresh.low > 0


def main() -> None:
    """Simulate and print a line for each number of trials."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--searches", type=at_least(1), default=200)
    parser.add_argument("--users", type=at_least(4), default=300, help="of the select half")
    parser.add_argument("--trials", type=at_least(2), nargs="+", default=[30, 75])
    parser.add_argument("--seed", type=at_least(0), default=42)
    asked = parser.parse_args()
    print(f"{asked.searches} searches, {asked.users} users; searches that prove a lead where there is none:")
    for trials in asked.trials:
        found = [false_leads(asked.users, trials, asked.seed + n) for n in range(asked.searches)]
        shares = zip(METHODS, np.mean(found, axis=0), strict=True)
        print(
            f"{trials} trials: " + ", ".join(f"{method} {share:.1%}" for method, share in shares), flush=True
        )


if __name__ == "__main__":
    refuse_bad_input(main)
