"""Suggestions for misspelt names."""

from __future__ import annotations

import pytest

from models.did_you_mean import did_you_mean, nearest_name

KNOWN = ("factors", "alpha", "iterations")


@pytest.mark.parametrize(
    ("typed", "cutoff", "expected"),
    [("factor", 0.6, "factors"), ("alfa", 0.9, None), ("alfa", 0.6, "alpha"), ("x", 0.1, None)],
)
def test_the_most_similar_name_is_found(typed: str, cutoff: float, expected: str | None) -> None:
    assert nearest_name(typed, KNOWN, cutoff=cutoff) == expected


def test_the_question_names_the_nearest_or_is_empty() -> None:
    assert did_you_mean("factor", dict.fromkeys(KNOWN)) == "Did you mean 'factors'?"
    assert did_you_mean("factor", KNOWN, shown=lambda near: f"als.{near}") == "Did you mean als.factors?"
    assert did_you_mean("zzz", KNOWN) == ""
