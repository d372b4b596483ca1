"""Base class of all tables of settings: frozen, unknown names refused, booleans refused as numbers."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class Options(BaseModel):
    """A table of settings of a model or a stage: immutable, and strict about names and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans_as_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false for a number: pydantic would read them as 1 and 0."""
        elements = value if isinstance(value, list | tuple) else (value,)
        if any(isinstance(element, bool) for element in elements):
            kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
            if int in kinds or float in kinds:
                raise PydanticCustomError("bool_as_number", "true and false are no numbers")
        return value


def _kinds(annotation: Any) -> list[Any]:
    """Return all types that an annotation consists of: for tuple[int | None, ...] among others int."""
    return [annotation, *(kind for part in get_args(annotation) for kind in _kinds(part))]
