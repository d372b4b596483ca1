"""The numbers of Hypothesis's examples in runs with and without the slow tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.examples import examples, load_profile


@pytest.fixture
def other_profile() -> Iterator[None]:
    before = settings().max_examples
    yield
    load_profile(slow_too=before == 100)


@pytest.mark.usefixtures("other_profile")
@pytest.mark.parametrize(("slow_too", "found"), [(True, [100, 60, 7, 3]), (False, [40, 24, 5, 3])])
def test_slow_runs_draw_all_examples_and_others_two_fifths(slow_too: bool, found: list[int]) -> None:
    load_profile(slow_too=slow_too)
    assert [settings().max_examples, *map(examples, (60, 7, 3))] == found


def test_this_run_has_the_profile_of_its_marks(request: pytest.FixtureRequest) -> None:
    slow_too = "not slow" not in request.config.option.markexpr
    assert examples(100) == (100 if slow_too else 40)
