"""Settings that change no list."""

from __future__ import annotations

import pytest

from tasks.config.list_settings import NO_EFFECT_ON_LISTS, NO_EFFECT_ON_REPLAYS, without_effect
from tasks.config.settings import Settings


@pytest.mark.parametrize("table", [NO_EFFECT_ON_LISTS, NO_EFFECT_ON_REPLAYS])
def test_every_name_is_a_setting(table: dict[str, object]) -> None:
    """A renamed setting would come back into the fingerprint unnoticed."""
    sections = Settings.model_fields
    for section, names in table.items():
        assert section in sections
        if isinstance(names, set):
            assert names <= set(sections[section].annotation.model_fields)  # type: ignore[union-attr]


def test_settings_without_effect_are_named() -> None:
    given = {
        "run": {"seed": 1, "parallel_fits": 2},
        "notify": {"max_seconds": 3},
        "models": {"als": {"factors": 3}},
    }
    assert list(without_effect(given, NO_EFFECT_ON_LISTS)) == ["run.parallel_fits", "notify.max_seconds"]
    assert list(without_effect({"notify": 3}, NO_EFFECT_ON_LISTS)) == []
