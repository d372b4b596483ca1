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
def test_truth_is_no_number_and_an_unknown_name_no_option(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Table.model_validate(wrong)


def test_truth_is_taken_where_it_is_asked_for() -> None:
    assert Table.model_validate({"truth": True, "number": 1, "numbers": [0, 1]}).truth


def test_a_table_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Table().truth = True  # type: ignore[misc]
