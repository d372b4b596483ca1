"""Models whose refits may start from the same night's fits: what is read, and what is refused."""

from __future__ import annotations

import pytest

from tasks.config.load import load_settings
from tasks.errors import UsageError


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("true", ("als", "bpr", "mf")),
        ("false", ()),
        ("[]", ()),
        ('["mf", "als"]', ("mf", "als")),
        ("bpr, als", ("bpr", "als")),
    ],
)
def test_models_are_read_from_a_list_or_a_truth_value(given: str, read: tuple[str, ...]) -> None:
    settings = load_settings(None, (f"warm_start.refit_from_tonight={given}",))
    assert settings.warm_start.refit_from_tonight == read


@pytest.mark.parametrize("given", ['["als", "lightgcn"]', "lightgcn"])
def test_other_models_are_refused_with_those_that_there_are(given: str) -> None:
    message = r"refit_from_tonight\.\d is wrong: it takes 'als', 'bpr' or 'mf' \(given: 'lightgcn'\)"
    with pytest.raises(UsageError, match=message):
        load_settings(None, (f"warm_start.refit_from_tonight={given}",))
