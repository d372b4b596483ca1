"""Tables of settings."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.settings_base import Options


class Table(Options):
    number: float | None = None
    numbers: tuple[int, ...] = ()
    truth: bool = False
    word: str = ""


@pytest.mark.parametrize("wrong", [{"number": True}, {"numbers": [1, False]}, {"word": True}, {"unknown": 1}])
def test_booleans_as_numbers_and_unknown_names_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Table.model_validate(wrong)


def test_booleans_are_accepted_for_boolean_fields() -> None:
    assert Table.model_validate({"truth": True, "number": 1, "numbers": [0, 1]}).truth


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Table().truth = True  # type: ignore[misc]
