"""How many examples Hypothesis draws: all in `make test-all`, two fifths of them in `make test`."""

from __future__ import annotations

from hypothesis import settings

ALL = 100  # Hypothesis's own default, which the profiles scale


def load_profile(*, slow_too: bool) -> None:
    """Load the profile of a run with the slow tests, or without. Call it before the test modules are imported."""
    name = "all" if slow_too else "quick"
    settings.register_profile(name, max_examples=ALL if slow_too else 2 * ALL // 5, deadline=None)
    settings.load_profile(name)  # without a deadline: a busy machine fails no test


def examples(number: int) -> int:
    """Return how many of `number` examples this run draws, at least 5."""
    return max(min(number, 5), number * settings().max_examples // ALL)
