"""A table of settings: frozen, unknown names refused, true is no number."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


class Options(BaseModel):
    """What models and stages can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Pydantic reads true as 1."""
        elements = value if isinstance(value, list | tuple) else (value,)
        if any(isinstance(element, bool) for element in elements):
            kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
            if int in kinds or float in kinds:
                raise PydanticCustomError("bool_as_number", "true and false are no numbers")
        return value


def _kinds(annotation: Any) -> list[Any]:
    """All types that an annotation is made of: of tuple[int | None, ...] among others int."""
    return [annotation, *(kind for part in get_args(annotation) for kind in _kinds(part))]
