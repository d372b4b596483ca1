"""The arms of a trial compared: pooled over nights, decided once, and honest about chance."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from tasks.config.settings import JudgeSettings
from tasks.errors import UsageError
from tasks.outcomes.trial import compare_arms, pool_users, read_trial
from tasks.outcomes.trial_users import TrialWindow
from tasks.recommendation.trial_arms import Arms
from tasks.storage.run_records import Runs, TrialRecord
from tests.tasks.logs import day

JUDGE = JudgeSettings(bootstrap_samples=200)
TRIAL = TrialRecord("lightgcn", 0.5, "s", nights=2)


def window(night: int, users: dict[int, tuple[str, float]], *, is_over: bool = True) -> TrialWindow:
    """A night; `users` are (variant, ndcg@10)."""
    table = pa.table(
        {
            "user_id": pa.array(list(users), pa.int64()),
            "variant": pa.array([variant for variant, _ in users.values()]),
            "n_positives": pa.array([1] * len(users)),
            "ndcg@10": pa.array([value for _, value in users.values()], pa.float64()),
        }
    )
    listed = {"control": 100, "trial": 50}
    return TrialWindow(night, day(night), day(night + 1), is_over, "als", listed, table)


def arms(control: float, trial: float, n: int = 60) -> dict[int, tuple[str, float]]:
    """Users 1 to n of each arm, whose values lie around the mean of their arm."""
    noise = np.random.default_rng(5).uniform(-0.1, 0.1, 2 * n)
    return {
        user: ("control", control + noise[user]) if user < n else ("trial", trial + noise[user])
        for user in range(2 * n)
    }


def test_a_user_is_one_value_however_many_nights():
    found = pool_users([window(1, {1: ("trial", 0.2), 2: ("control", 1.0)}), window(2, {1: ("trial", 0.6)})])
    assert found["user_id"].tolist() == [1, 2]
    assert found["ndcg@10"].tolist() == pytest.approx([0.4, 1.0])
    assert found["n_positives"].tolist() == [2, 1]


@pytest.mark.parametrize(("trial", "verdict"), [(0.7, "better"), (0.3, "worse"), (0.5, "not decided")])
def test_the_verdict_is_that_of_the_interval(trial, verdict):
    found = compare_arms(TRIAL, [window(1, arms(0.5, trial)), window(2, arms(0.5, trial))], JUDGE, seed=1)
    assert found.verdict == verdict
    assert verdict in found.why.lower()
    [row] = found.compared
    assert row.trial - row.control == pytest.approx(row.difference.mean)
    assert ("four times out of five" in found.why) == (verdict == "not decided")


def test_no_verdict_is_spoken_before_the_nights_are_over():
    nights = [window(1, arms(0.1, 0.9)), window(2, arms(0.1, 0.9), is_over=False)]
    found = compare_arms(TRIAL, nights, JUDGE, seed=1)
    assert (found.verdict, found.n_over, len(found.windows)) == ("too early", 1, 2)
    assert found.compared, "the figures so far are shown"


def test_later_nights_do_not_change_the_verdict():
    first = [window(1, arms(0.5, 0.7)), window(2, arms(0.5, 0.7))]
    later = [window(3, arms(0.9, 0.1)), window(4, arms(0.9, 0.1), is_over=False)]
    found = compare_arms(TRIAL, [*first, *later], JUDGE, seed=1)
    assert found.compared == compare_arms(TRIAL, first, JUDGE, seed=1).compared
    assert (found.verdict, found.n_over) == ("better", 3)


def test_too_few_users_decide_nothing():
    few = arms(0.1, 0.9, n=29)
    found = compare_arms(TRIAL, [window(1, few), window(2, few)], JUDGE, seed=1)
    assert found.verdict == "not decided"
    assert "only 29 users of the arm control" in found.why


def test_an_arm_without_users_is_not_compared():
    alone = {1: ("control", 0.5)}
    found = compare_arms(TRIAL, [window(1, alone), window(2, alone)], JUDGE, seed=1)
    assert (found.compared, found.n_users) == ((), {"control": 1, "trial": 0})
    assert found.acted == {"control": 0.01, "trial": 0.0}


def test_a_home_without_a_trial_is_told_how_to_begin_one(tmp_path):
    with pytest.raises(UsageError, match="No night with a trial"):
        read_trial(Runs(tmp_path))


def test_trials_of_the_same_model_find_few_differences():
    """Both arms have the same lists: about one trial in twenty shows a difference by chance, not one in five."""
    rng = np.random.default_rng(8)
    values = rng.beta(0.3, 2, 600)
    alarms = 0
    for salt in range(100):
        drawn = Arms(0.3, f"salt {salt}").in_trial(range(600))
        users = {u: ("trial" if drawn[u] else "control", values[u]) for u in range(600)}
        trial = TrialRecord("als", 0.3, f"salt {salt}", nights=1)
        alarms += compare_arms(trial, [window(1, users)], JUDGE, seed=1).verdict != "not decided"
    assert alarms <= 11, "P(more) is below 1 % if the true share is 5 %"


def test_arms_are_stable_and_grow_with_the_share():
    ids = [*range(5000), "u-0156", "007"]
    small, large = (Arms(share, "s").in_trial(ids) for share in (0.1, 0.2))
    assert small.tolist() == Arms(0.1, "s").in_trial(ids).tolist()
    assert (large | ~small).all(), "nobody leaves the trial when the share grows"
    assert 0.085 < small.mean() < 0.115
    other = Arms(0.1, "t").in_trial(ids)
    assert 0.05 < (small & other).sum() / other.sum() < 0.15, "another salt draws others"


def test_arms_are_those_of_sha_256():
    """In SQL: sha256('s:42') as hex, its first 16 digits as a number, below share × 2^64."""
    number = int(hashlib.sha256(b"s:42").hexdigest()[:16], 16) / 2**64
    assert Arms(number + 1e-9, "s").in_trial([42, "42"]).tolist() == [True, True]
    assert Arms(number - 1e-9, "s").in_trial([42, "42"]).tolist() == [False, False]
