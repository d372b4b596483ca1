"""Numbers and durations have the digits that a reader needs."""

import pytest

from tasks.reporting.page.formats import amount, duration, figure, readable, sentence, signed


@pytest.mark.parametrize(
    ("value", "shown"), [(0.2531, "0.253"), (None, "–"), (412.5, "412.5"), (-0.02, "-0.020")]
)
def test_metric_values_have_three_decimals_or_one(value: float | None, shown: str) -> None:
    assert figure(value) == shown


def test_check_values_are_whole_or_have_four_digits() -> None:
    assert [amount(value) for value in (None, 12000.0, 0.123456)] == ["–", "12,000", "0.1235"]


def test_differences_have_a_sign() -> None:
    assert [signed(value) for value in (0.02, -0.02)] == ["+0.020", "−0.020"]


def test_durations_have_the_units_that_fit() -> None:
    assert [duration(s) for s in (8.31, 42.2, 250, 7500)] == ["8.3 s", "42 s", "4 min 10 s", "2 h 5 min"]


def test_names_and_notes_become_text() -> None:
    assert readable("held_back") == "Held back"
    assert [sentence(text) for text in ("", " Done ", "Why?")] == ["", "Done.", "Why?"]
