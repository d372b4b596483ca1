from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from models.retrieval.visits import Visits, after_last_event

HOUR, DAY = 3_600, 86_400


def visits(times: np.ndarray, days: float = 1, most: int = 3) -> Visits:
    """Return the visits of a dense matrix of times, 0 where there is no event."""
    timestamp = sparse.csr_array(times.astype(np.int64))
    return Visits.of(sparse.csr_array(timestamp.astype(np.float32)), timestamp, days, most)


def oracle(
    times: np.ndarray, user: int, moment: int, days: float, most: int
) -> tuple[np.ndarray, list[float]]:
    """Return the shares of the items and the clock, by a plain loop over the user's events."""
    events = sorted((int(time), item) for item, time in enumerate(times[user]) if 0 < time < moment)
    window = [(time, item) for time, item in events if time >= moment - int(days * DAY)][-most:]
    shares = np.zeros(times.shape[1], np.float32)
    for _, item in window:
        shares[item] = 1 / len(window)
    clock = [np.log1p(len(window)), np.log1p(len(events)), 0.0, 0.0, 0.0, 0.0]
    if events:
        last = datetime.fromtimestamp(events[-1][0], UTC)
        hour = last.hour + last.minute / 60 + last.second / 3600
        for at, part in ((2, hour / 24), (4, last.weekday() / 7)):
            clock[at], clock[at + 1] = np.sin(2 * np.pi * part), np.cos(2 * np.pi * part)
    return shares, clock


@st.composite
def worlds(draw: st.DrawFn) -> tuple[np.ndarray, float, int, list[tuple[int, int]]]:
    """Draw times that often coincide, a window, a number of events, and users with moments, some far away."""
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    start = draw(st.sampled_from([1, 1_700_000_000]))
    clock = st.integers(0, 12).map(lambda n: start + n * HOUR * 7)
    cells = draw(
        st.lists(st.one_of(st.just(0), clock), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])
    )
    moments = st.one_of(clock, st.sampled_from([0, start - 9 * DAY, start + 90 * DAY, 10**11]))
    asked = draw(st.lists(st.tuples(st.integers(0, shape[0] - 1), moments), max_size=6))
    days = draw(st.sampled_from([0.1, 1.0, 7 / 24, 2.5, 1000.0]))
    return np.array(cells).reshape(shape), days, draw(st.integers(1, 4)), asked


@given(worlds())
def test_contexts_are_those_of_a_plain_loop(
    world: tuple[np.ndarray, float, int, list[tuple[int, int]]],
) -> None:
    times, days, most, asked = world
    users, moments = (np.array([pair[k] for pair in asked], np.int64) for k in (0, 1))
    found = visits(times, days, most).before(users, moments)
    assert found.events.shape == (len(asked), times.shape[1])
    for row, (user, moment) in enumerate(asked):
        shares, clock = oracle(times, user, moment, days, most)
        np.testing.assert_allclose(found.events.toarray()[row], shares, rtol=1e-6)
        np.testing.assert_allclose(found.clock[row], clock, atol=1e-5)


def test_what_happens_at_the_moment_is_not_its_context() -> None:
    found = visits(np.array([[5 * HOUR, 6 * HOUR, 6 * HOUR]])).before(np.array([0]), np.array([6 * HOUR]))
    assert found.events.toarray().tolist() == [[1, 0, 0]]


def test_other_users_are_no_context() -> None:
    found = visits(np.array([[HOUR, 0], [0, HOUR], [0, 0]])).before(np.array([0, 1, 2]), np.full(3, 2 * HOUR))
    assert found.events.toarray().tolist() == [[1, 0], [0, 1], [0, 0]]
    assert not found.clock[2].any()


@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (2, 0)])
def test_without_events_there_is_no_context(shape: tuple[int, int]) -> None:
    users = np.arange(shape[0])
    found = visits(np.zeros(shape)).before(users, np.full(len(users), 10**9))
    assert found.events.nnz == 0
    assert not found.clock.any()


def test_users_of_32_bits_have_the_same_contexts() -> None:
    """From user 700 on, the product of the user and the data's seconds needs more than 32 bits."""
    rng = np.random.default_rng(0)
    times = np.where(rng.random((1000, 4)) < 0.7, rng.integers(1, 40 * DAY, (1000, 4)), 0)
    every, moments = visits(times, days=20), rng.integers(20 * DAY, 40 * DAY, 1000)
    wide = every.before(np.arange(1000), moments)
    assert wide.events[700:].nnz > 300
    for dtype in (np.int32, np.uint16):
        narrow = every.before(np.arange(1000, dtype=dtype), moments)
        assert np.array_equal(narrow.events.toarray(), wide.events.toarray())
        assert np.array_equal(narrow.clock, wide.clock)


def test_lists_are_for_the_second_after_the_last_event() -> None:
    """A user of one time alone, as in data without times, and one without events have no context."""
    times = [[5, 0, 9], [0, 0, 0], [10**10, 8, 0], [7, 7, 7], [0, 4, 0], [0, 0, 0]]
    found = after_last_event(sparse.csr_array(np.array(times)))
    assert found.tolist() == [10, 0, 10**10 + 1, 7, 4, 0]
    assert found.dtype == np.int64


@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (2, 0), (0, 0)])
def test_without_events_lists_are_for_no_moment(shape: tuple[int, int]) -> None:
    assert after_last_event(sparse.csr_array(shape, dtype=np.int64)).tolist() == [0] * shape[0]


def test_times_of_zero_are_no_missing_events() -> None:
    """Stored zeros are the times of data without times; times before 1970 are below 0."""
    stored = sparse.csr_array((np.array([0, 0, -9, 0, -9]), ([0, 0, 1, 1, 2], [0, 1, 0, 1, 0])), (3, 2))
    assert after_last_event(stored).tolist() == [0, 1, -9]


@given(worlds())
def test_contexts_after_the_last_event_hold_it(
    world: tuple[np.ndarray, float, int, list[tuple[int, int]]],
) -> None:
    """Users who came at several times get the events of their last window, the others nothing."""
    times, days, most, _ = world
    every = visits(times, days, most)
    found = every.before(np.arange(len(times)), after_last_event(sparse.csr_array(times.astype(np.int64))))
    for user, row in enumerate(times):
        came = np.unique(row[row > 0])
        context = found.events.toarray()[user]
        if len(came) < 2:
            assert not context.any()
            assert not found.clock[user].any()
        else:
            assert 0 < (context[row == came[-1]] > 0).sum() <= most
