"""Confirm tuned settings on users that took no part in the search for them.

The best of many equally good settings looks better than the defaults on the users that they were chosen by: with 75
trials, paired intervals on those users "prove" a lead in most searches. So half of the window's users guide the search,
and the others compare the settings that it ends with and the defaults, once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.base import BoolArray
from models.evaluation.bootstrap import Interval, joint_intervals
from tasks.config.settings import JudgeSettings


def guiding_users(n_users: int, seed: int) -> BoolArray:
    """Draw the half of the users that guide the search; the others confirm its result.

    Args:
        n_users: of the window.
        seed: of the draw.

    Returns:
        (n_users,) bool, ⌈n_users / 2⌉ of them true.
    """
    guides = np.zeros(n_users, bool)
    guides[np.random.default_rng(seed).permutation(n_users)[: (n_users + 1) // 2]] = True
    return guides


def confirmed_lead(
    ends: Sequence[NDArray[np.float64]],
    default: NDArray[np.float64],
    judge: JudgeSettings,
    *,
    seed: int,
    models: int = 1,
) -> Interval:
    """Return the lead of the last of `ends` over the defaults, with an interval that holds jointly for all of `ends`.

    A search that is resumed ends several times, each time with settings that could win by chance. With several models
    the chance that any interval misses the truth is divided by their number (Bonferroni), so that tuning more models
    writes no more settings by chance.

    Args:
        ends: the metric of each confirming user, (n_users,) each, with the settings of every end of the search so far.
        default: (n_users,) the same with the default settings; at least one user.
        judge: the confidence, and the number of bootstrap samples.
        seed: of the bootstrap.
        models: number of models that are tuned together.
    """
    confidence = 1 - (1 - judge.confidence) / models
    leads = np.column_stack([values - default for values in ends])
    return joint_intervals(leads, samples=judge.bootstrap_samples, confidence=confidence, seed=seed)[-1]
