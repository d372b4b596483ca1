"""What is wrong with a setting, in one sentence: its name, what it takes, what was given."""

from __future__ import annotations

import difflib
from typing import Any, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from tasks.settings import Signal

_WORDS = {Ge: "of at least", Gt: "above", Le: "at most", Lt: "below"}
_NUMBERS = (
    *(f"{kind}_than{equal}" for kind in ("greater", "less") for equal in ("", "_equal")),
    "finite_number",
)


def explain(error: ValidationError, model: type[BaseModel], prefix: tuple[str, ...]) -> tuple[str, str]:
    """A sentence for the first fault, and a hint.

    Args:
        error: what pydantic raised for `model`.
        model: the settings, or a section of them.
        prefix: the keys that lead to `model`.
    """
    fault = error.errors()[0]
    keys = tuple(str(part) for part in fault["loc"])
    name = ".".join((*prefix, *keys))
    if fault["type"] == "extra_forbidden":
        known = _known_keys(model, keys[:-1])
        near = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.4)
        hint = f"Did you mean {'.'.join((*prefix, *keys[:-1], near[0]))}? " if near else ""
        return f"There is no setting {name}.", f"{hint}Known here: {', '.join(known)}."
    field = _field(model, keys)
    given = fault["input"]
    shown = f" (given: {_toml(given)})" if isinstance(given, str | int | float | bool) else ""
    hint = (field and field.description) or "The comments in pipeline.toml say what each setting takes."
    return f"The setting {name} is wrong: {_fault(fault, field)}{shown}.", hint


def _toml(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _fault(fault: Any, field: FieldInfo | None) -> str:
    """What pydantic says, or for numbers the whole range instead of the end that was missed."""
    asked = _range(field) if field else ""
    no_number = isinstance(fault["input"], bool) or fault["type"].startswith(("int_", "float_"))
    if asked and (no_number or fault["type"] in _NUMBERS):
        return f"it takes a {'whole ' if _is_whole(field) else ''}number {asked}"
    if fault["type"].startswith("bool_"):
        return "it takes true or false"
    return str(fault["msg"]).removeprefix("Value error, ").removesuffix(".")


def _is_whole(field: FieldInfo | None) -> bool:
    """Whether it takes int, or int and None."""
    return field is not None and int in (field.annotation, *get_args(field.annotation))


def _range(field: FieldInfo) -> str:
    """Such as 'of at least 1 and at most 2048'."""
    ends = [
        f"{words} {getattr(end, kind.__name__.lower())}"
        for kind, words in _WORDS.items()
        for end in field.metadata
        if isinstance(end, kind)
    ]
    return " and ".join(ends)


def _field(model: type[BaseModel], keys: tuple[str, ...]) -> FieldInfo | None:
    field = None
    for key in keys:
        field = model.model_fields.get(key)
        if field is None:
            return None
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
    return field


def _known_keys(model: type[BaseModel], keys: tuple[str, ...]) -> list[str]:
    for key in keys:
        field = model.model_fields.get(key)
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return sorted(Signal.model_fields) if "signals" in keys else []
        model = field.annotation
    return sorted(model.model_fields)
