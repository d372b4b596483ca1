"""Axes hold all values and have round ticks."""

from hypothesis import given
from hypothesis import strategies as st

from tasks.reporting.page.axis import scale

numbers = st.floats(-1e9, 1e9).filter(lambda x: x == 0 or abs(x) > 1e-6)


@given(st.lists(st.none() | numbers | st.just(float("nan")), max_size=8), st.booleans())
def test_axis_holds_every_value(values, zero) -> None:
    axis = scale(values, zero=zero)
    known = [value for value in values if value is not None and value == value]
    slack = 1e-6 * max(1.0, abs(axis.low), abs(axis.high))
    assert all(axis.low - slack <= value <= axis.high + slack for value in known)
    assert 2 <= len(axis.ticks) <= 7
    assert 0 <= axis.at(axis.low) < axis.at(axis.high) <= 100
    if zero:
        assert axis.low <= 0 <= axis.high


@given(st.lists(numbers, min_size=2, max_size=5))
def test_greater_values_have_greater_positions(values) -> None:
    axis = scale(values)
    places = [axis.at(value) for value in sorted(values)]
    assert places == sorted(places)


def test_tick_labels_have_no_more_digits_than_needed() -> None:
    axis = scale([0.07, 0.283])
    assert [axis.label(tick) for tick in axis.ticks] == ["0.0", "0.1", "0.2", "0.3"]
    axis = scale([-0.05, 0.01])
    assert [axis.label(tick) for tick in axis.ticks] == ["−0.06", "−0.04", "−0.02", "0.00", "0.02"]


def test_axis_of_a_single_value_has_a_width() -> None:
    axis = scale([0.25], zero=False)
    assert axis.low <= 0.25 < axis.high


def test_values_beyond_the_axis_are_put_on_its_ends() -> None:
    axis = scale([1, 5])
    assert (axis.at(axis.low - 1), axis.at(axis.high + 1)) == (0, 100)
