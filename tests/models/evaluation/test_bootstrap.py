import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.evaluation import bootstrap
from models.evaluation.bootstrap import (
    interval,
    intervals,
    joint_intervals,
    paired_difference,
    ratio_intervals,
    unpaired_differences,
)

SETTINGS = {"samples": 1000, "confidence": 0.95, "seed": 3}
values = arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1))
figures = arrays(np.float64, st.tuples(st.integers(1, 30), st.integers(1, 5)), elements=st.floats(-1, 1))


def plain(found: np.ndarray, samples: int, confidence: float, seed: int) -> list[float]:
    """Return mean, low and high by the textbook: resample users, average, take quantiles of the means."""
    rng = np.random.default_rng(seed)
    means = [found[rng.integers(len(found), size=len(found))].mean() for _ in range(samples)]
    tail = (1 - confidence) / 2
    return [found.mean(), np.quantile(means, tail), np.quantile(means, 1 - tail)]


@given(found=figures, at_once=st.integers(1, 400), seed=st.integers(0, 99))
def test_all_figures_share_the_samples_of_a_single_one(found, at_once, seed):
    draw = {"samples": 37, "confidence": 0.9, "seed": seed}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "_COUNTS_AT_ONCE", at_once)
        together = intervals(found, **draw)
    assert len(together) == found.shape[1]
    for column, mean in zip(found.T, together, strict=True):
        assert list(mean) == pytest.approx(plain(column, **draw), abs=1e-12)


def drawn_means(found: np.ndarray, samples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([found[rng.integers(len(found), size=len(found))].mean(axis=0) for _ in range(samples)])


def test_joint_intervals_cover_all_means_at_their_confidence():
    found = np.random.default_rng(8).random((60, 7)) ** [1, 2, 3, 4, 5, 6, 7]
    draw = {"samples": 2000, "confidence": 0.9, "seed": 2}
    _, low, high = np.transpose(joint_intervals(found, **draw))
    means = drawn_means(found, draw["samples"], draw["seed"])
    inside = (low <= means) & (means <= high)
    assert inside.all(axis=1).mean() == pytest.approx(0.9, abs=0.001)
    each = inside.mean(axis=0)
    assert each == pytest.approx(np.full(7, each[0]), abs=0.002), "all figures have the same tails"
    assert each[0] > 0.97


@given(found=figures)
def test_joint_intervals_are_never_narrower_than_single_ones(found):
    draw = {"samples": 200, "confidence": 0.9, "seed": 3}
    for joint, alone in zip(joint_intervals(found, **draw), intervals(found, **draw), strict=True):
        assert joint.mean == alone.mean
        assert joint.low <= alone.low
        assert joint.high >= alone.high


def test_a_single_joint_interval_is_the_interval():
    found = np.random.default_rng(10).random(40)
    means = np.sort(drawn_means(found, SETTINGS["samples"], SETTINGS["seed"]))
    (joint,) = joint_intervals(found[:, None], **SETTINGS)
    for ours, theirs in zip(joint, interval(found, **SETTINGS), strict=True):
        assert abs(np.searchsorted(means, ours) - np.searchsorted(means, theirs)) <= 1


def test_correlated_figures_do_not_widen_joint_intervals():
    found = np.random.default_rng(9).random((50, 1))
    alone, same = joint_intervals(found, **SETTINGS), joint_intervals(np.repeat(found, 8, axis=1), **SETTINGS)
    np.testing.assert_allclose(same, alone * 8, rtol=0, atol=1e-12)
    still = np.hstack([found, np.zeros((50, 1))])  # a constant figure never leaves its interval
    np.testing.assert_allclose(joint_intervals(still, **SETTINGS), [*alone, (0, 0, 0)], rtol=0, atol=1e-12)


def test_equal_values_have_a_difference_of_exactly_zero():
    same = np.random.default_rng(6).random(500)
    assert paired_difference(same, same, **SETTINGS) == (0, 0, 0, 0)


@given(values)
def test_the_interval_lies_within_the_values(found):
    mean, low, high = interval(found, **SETTINGS)
    assert mean == pytest.approx(found.mean())
    assert found.min() - 1e-12 <= low <= high <= found.max() + 1e-12


def test_large_samples_agree_with_the_normal_interval():
    found = np.random.default_rng(0).random(4000)
    mean, low, high = interval(found, samples=10_000, confidence=0.95, seed=3)
    error = found.std(ddof=1) / 4000**0.5
    assert low == pytest.approx(mean - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(mean + 1.96 * error, abs=0.1 * error)


def test_the_interval_covers_the_truth_at_its_confidence():
    rng = np.random.default_rng(1)
    held = [
        low <= 0.3 <= high
        for seed in range(200)
        for _, low, high in [interval(rng.random(80) < 0.3, samples=400, confidence=0.9, seed=seed)]
    ]
    assert 0.83 <= np.mean(held) <= 0.96


def test_the_block_size_does_not_change_the_interval(monkeypatch):
    found = np.random.default_rng(2).random(50)
    whole = interval(found, **SETTINGS)
    monkeypatch.setattr(bootstrap, "_COUNTS_AT_ONCE", 333)
    assert interval(found, **SETTINGS) == pytest.approx(whole)


def test_pairing_shows_what_overlapping_intervals_hide():
    users = np.random.default_rng(4).random(300)
    better = users + 0.01
    difference = paired_difference(better, users, **SETTINGS)
    assert 0 < difference.low <= difference.mean <= difference.high
    assert difference.mean == pytest.approx(0.01)
    assert interval(better, **SETTINGS).low < interval(users, **SETTINGS).high


def test_the_detectable_difference_has_the_stated_power():
    rng = np.random.default_rng(5)
    spread, n = 0.2, 150
    detectable = paired_difference(rng.normal(0, spread, 5000), np.zeros(5000), **SETTINGS).detectable
    detectable *= (5000 / n) ** 0.5
    shown = [
        paired_difference(
            rng.normal(detectable, spread, n), np.zeros(n), samples=300, confidence=0.95, seed=seed
        ).low
        > 0
        for seed in range(200)
    ]
    assert 0.7 <= np.mean(shown) <= 0.9


def test_a_single_user_detects_nothing():
    assert paired_difference(np.array([1.0]), np.array([0.0]), **SETTINGS).detectable == float("inf")


def test_empty_or_infinite_values_are_refused():
    with pytest.raises(ValueError, match="at least one value"):
        interval(np.array([]), **SETTINGS)
    with pytest.raises(ValueError, match="finite"):
        interval(np.array([0.1, np.nan]), **SETTINGS)
    with pytest.raises(ValueError, match="finite"):
        joint_intervals(np.array([[0.1, np.inf]]), **SETTINGS)
    with pytest.raises(ValueError, match="cannot pair 2 users with 3"):
        paired_difference(np.zeros(2), np.zeros(3), **SETTINGS)


@given(found=figures, seed=st.integers(0, 99))
def test_a_ratio_interval_resamples_users(found, seed):
    draw = {"samples": 37, "confidence": 0.9, "seed": seed}
    below = np.abs(found) + 0.5
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(len(found), size=len(found)) for _ in range(37)]
    ratios = [found[users].sum(axis=0) / below[users].sum(axis=0) for users in drawn]
    expected = np.stack([found.sum(axis=0) / below.sum(axis=0), *np.quantile(ratios, [0.05, 0.95], axis=0)])
    np.testing.assert_allclose(np.transpose(ratio_intervals(found, below, **draw)), expected, atol=1e-9)


@pytest.mark.parametrize("below", [np.zeros((2, 1)), np.full((2, 1), np.nan), np.empty((0, 1))])
def test_a_ratio_without_positive_divisor_is_refused(below):
    with pytest.raises(ValueError, match="a ratio needs"):
        ratio_intervals(np.ones_like(below), below, **SETTINGS)


def test_intervals_of_unpaired_means_hold_the_truth() -> None:
    rng = np.random.default_rng(6)
    held = 0
    for seed in range(100):
        a, b = rng.normal(1.0, 1.0, (40, 1)), rng.normal(0.5, 2.0, (90, 1))
        [found] = unpaired_differences(a, b, samples=200, confidence=0.95, seed=seed)
        assert found.mean == pytest.approx(a.mean() - b.mean())
        held += found.low < 0.5 < found.high
    assert 86 <= held < 100
    error = (a.var(ddof=1) / 40 + b.var(ddof=1) / 90) ** 0.5
    assert found.detectable == pytest.approx((1.959964 + 0.841621) * error, rel=1e-5)


def test_unpaired_groups_are_drawn_apart() -> None:
    """With the same draws, equal groups would always have the same mean."""
    values = np.arange(50.0)[:, None]
    [found] = unpaired_differences(values, values, samples=200, confidence=0.95, seed=1)
    assert found.low < 0 < found.high
